"""What a client can set for all its commands: `client.yaml`, environment, flags. Jobs have own files.

It stands here because `gavel wallet`, which belongs to no role, moves the same wallet's money.
"""

from dataclasses import dataclass

from protocol.auction.money import sum_or_empty
from protocol.runtime.config import load_config, option
from protocol.runtime.settings import Settings


@dataclass(frozen=True)
class ClientConfig:
    """The whole file."""

    network: str = option("local", "network of networks.yaml")
    wallet: str = option("", "wallet that pays; empty: the one named default, local-client on localnet")
    password_file: str = option("", "file with the wallet's password")
    contract: str = option("", "contract wallet that pays; `wallet` is its session key then")
    demand_budget: str = option(
        "", "most coin for demanding outputs that nobody serves; empty: 0.1", parse=sum_or_empty
    )
    worker_memory: int = option(
        0,
        "bytes for the process that lowers models and checks results; 0: three quarters of the machine's",
        unit="bytes",
        least=0,
    )
    lowering_time: float = option(600.0, "longest that lowering a model may take", unit="seconds", least=1)


def client_config(settings: Settings) -> ClientConfig:
    """Return what holds for one call of a client's command; `InputError` names what is wrong with it."""
    return load_config(ClientConfig, "client", settings.config, {"network": settings.network}).value


def network_of(settings: Settings) -> str:
    """Return the network that a client's command is about."""
    return client_config(settings).network
