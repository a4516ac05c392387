"""What a provider registers, where a test cares for owner, operator and addresses alone."""

from protocol.messages import Registration
from protocol.types import Address


def registration_of(
    owner: Address, operator: Address, addrs: tuple[str, ...] = ("/ip4/127.0.0.1/tcp/4001",)
) -> Registration:
    """Return it, not signed."""
    return Registration(
        owner=owner,
        operator=operator,
        addrs=addrs,
        cpu="test",
        cores=2,
        memory_mib=1024,
        gpus=(),
        region="",
        grid_zone="DE",
        carbon_grams_per_kwh=380,
        energy_grade=2,
        software="test",
    )
