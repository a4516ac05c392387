"""The hash functions of the protocol."""

from Crypto.Hash import keccak

from protocol.types import Hash32


def keccak256(data: bytes) -> Hash32:
    """Return Ethereum's keccak-256 of `data`."""
    return Hash32(keccak.new(digest_bits=256, data=data).digest())


_CUT = 24
_ZEROS = bytes(32 - _CUT)


def cut_keccak256(data: bytes) -> Hash32:
    """Return the first 24 bytes of keccak-256, and 8 zero bytes, which are cheap as calldata (ADR 041)."""
    return Hash32(keccak.new(digest_bits=256, data=data).digest()[:_CUT] + _ZEROS)
