"""secp256k1 signatures over 32-byte digests, in the form that the contracts accept."""

from eth_keys.datatypes import PrivateKey, Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError

from protocol.crypto.sizes import SIGNATURE_BYTES
from protocol.types import Address, Hash32, InputError

_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def address_of(private_key: bytes) -> Address:
    """Return the address that belongs to a 32-byte private key."""
    return Address(PrivateKey(private_key).public_key.to_canonical_address())


def sign_digest(private_key: bytes, digest: Hash32) -> bytes:
    """Return r | s | v (65 bytes, v is 27 or 28, s in the lower half)."""
    signed = PrivateKey(private_key).sign_msg_hash(digest).to_bytes()
    return bytes(signed[:64] + bytes([signed[64] + 27]))


def recover(digest: Hash32, signature: bytes) -> Address:
    """Return the signer's address. `InputError` if the signature is malformed or malleable (high s)."""
    if len(signature) != SIGNATURE_BYTES or signature[64] not in (27, 28):
        raise InputError("signature is not 65 bytes ending in 27 or 28")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise InputError("signature has a high s: it could be replayed in a second form")
    try:
        public = Signature(signature[:64] + bytes([signature[64] - 27])).recover_public_key_from_msg_hash(
            digest
        )
    except (BadSignature, ValidationError) as error:
        raise InputError(f"signature cannot be recovered: {error}") from error
    return Address(public.to_canonical_address())
