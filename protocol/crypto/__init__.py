"""Hashes, signatures and sealed boxes. Pure.

Keys and boxes are imported when they are first used: workers that only hash start twice as fast without them.
"""

from typing import TYPE_CHECKING, Any

from protocol.crypto.hashing import cut_keccak256, keccak256
from protocol.crypto.sizes import SIGNATURE_BYTES

if TYPE_CHECKING:
    from protocol.crypto.sealing import seal, sealing_public, unseal
    from protocol.crypto.signing import address_of, recover, sign_digest

__all__ = [
    "SIGNATURE_BYTES",
    "address_of",
    "cut_keccak256",
    "keccak256",
    "recover",
    "seal",
    "sealing_public",
    "sign_digest",
    "unseal",
]

_HOMES = {
    "sealing": ("seal", "sealing_public", "unseal"),
    "signing": ("address_of", "recover", "sign_digest"),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"protocol.crypto.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
