"""The hash functions of the protocol."""

from Crypto.Hash import keccak

from protocol.types import Hash32


def keccak256(data: bytes) -> Hash32:
    """Return Ethereum's keccak-256 of `data`."""
    return Hash32(keccak.new(digest_bits=256, data=data).digest())
