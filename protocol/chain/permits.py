"""ERC-2612 permits: an allowance that is signed instead of sent."""

from dataclasses import dataclass

from protocol.crypto import keccak256, sign_digest
from protocol.types import Address, Amount, Hash32

_TYPE_HASH = keccak256(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")


@dataclass(frozen=True, slots=True)
class Permit:
    """A signed permit as the contracts take it. `deadline` is a Unix time in seconds."""

    value: Amount
    deadline: int
    v: int
    r: bytes
    s: bytes

    def fields(self) -> tuple[int, int, int, bytes, bytes]:
        """Return the struct's fields in order."""
        return (self.value, self.deadline, self.v, self.r, self.s)


def sign_permit(
    key: bytes,
    *,
    separator: Hash32,
    owner: Address,
    spender: Address,
    value: Amount,
    nonce: int,
    deadline: int,
) -> Permit:
    """Return the permit of EIP-2612, signed for the token whose domain separator this is."""
    numbers = b"".join(n.to_bytes(32, "big") for n in (value, nonce, deadline))
    struct = keccak256(_TYPE_HASH + bytes(12) + owner + bytes(12) + spender + numbers)
    signature = sign_digest(key, keccak256(b"\x19\x01" + separator + struct))
    return Permit(value, deadline, signature[64], signature[:32], signature[32:64])
