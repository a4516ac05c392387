"""Sealed boxes: bytes that only the holder of an X25519 key can open.

Ephemeral X25519, HKDF-SHA256, ChaCha20-Poly1305.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from protocol.types import InputError

KEY_BYTES = 32
OVERHEAD = KEY_BYTES + 16
_INFO = b"gavel sealed box 1"


def sealing_public(private: bytes) -> bytes:
    """Return the 32-byte public key of a 32-byte X25519 private key."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def seal(recipient: bytes, ephemeral: bytes, plaintext: bytes, context: bytes) -> bytes:
    """Seal `plaintext` to the public key `recipient`.

    `ephemeral` is a fresh random 32-byte private key from the caller (this room draws no randomness) and
    must never be used twice. `context` is bound but not carried. Returns `len(plaintext) + OVERHEAD` bytes.
    """
    key, public = X25519PrivateKey.from_private_bytes(ephemeral), sealing_public(ephemeral)
    box = _cipher(_shared(key, recipient), public, recipient)
    # The key is used once, so a constant nonce repeats under no key.
    return public + box.encrypt(bytes(12), plaintext, context)


def unseal(private: bytes, sealed: bytes, context: bytes) -> bytes:
    """Return the plaintext. `InputError` if it was not sealed to this key in this context."""
    if len(sealed) < OVERHEAD:
        raise InputError("sealed box is too short")
    public, key = sealed[:KEY_BYTES], X25519PrivateKey.from_private_bytes(private)
    box = _cipher(_shared(key, public), public, sealing_public(private))
    try:
        return box.decrypt(bytes(12), sealed[KEY_BYTES:], context)
    except InvalidTag:
        raise InputError("sealed box does not open with this key") from None


def _shared(key: X25519PrivateKey, public: bytes) -> bytes:
    try:
        return key.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise InputError(f"not a usable X25519 key: {error}") from error


def _cipher(secret: bytes, ephemeral: bytes, recipient: bytes) -> ChaCha20Poly1305:
    derived = HKDF(hashes.SHA256(), 32, salt=ephemeral + recipient, info=_INFO).derive(secret)
    return ChaCha20Poly1305(derived)
