"""Hashes, signatures and sealed boxes. Pure."""

from protocol.crypto.hashing import keccak256
from protocol.crypto.sealing import seal, sealing_public, unseal
from protocol.crypto.signing import SIGNATURE_BYTES, address_of, recover, sign_digest

__all__ = [
    "SIGNATURE_BYTES",
    "address_of",
    "keccak256",
    "recover",
    "seal",
    "sealing_public",
    "sign_digest",
    "unseal",
]
