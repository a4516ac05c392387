"""One key, two names: an Ethereum key is a libp2p key, so a peer id proves an Ethereum address."""

from __future__ import annotations

from functools import lru_cache

import coincurve
from libp2p.crypto.keys import KeyPair, KeyType
from libp2p.crypto.secp256k1 import Secp256k1PrivateKey
from libp2p.peer.id import ID

from protocol.crypto import keccak256
from protocol.types import Address
from protocol.types.errors import InputError


def key_pair(private_key: bytes) -> KeyPair:
    """Return the libp2p key pair of a 32-byte secp256k1 private key.

    Raises InputError if the key has another length or is not a valid scalar.
    """
    if len(private_key) != 32:
        raise InputError(f"a network key has 32 bytes, not {len(private_key)}")
    try:
        private = Secp256k1PrivateKey.from_bytes(private_key)
    except ValueError:
        raise InputError("the network key is not a valid secp256k1 private key") from None
    return KeyPair(private, private.get_public_key())


@lru_cache(maxsize=4096)
def address_of(peer: ID) -> Address:
    """Return the 20-byte Ethereum address that the key inside a peer id controls.

    Raises InputError for a peer id that carries no secp256k1 key: such a peer has no place on the
    chain and so none in this network.
    """
    try:
        public = peer.extract_public_key()
    except Exception as error:
        raise InputError(f"peer id {peer} carries no readable public key") from error
    if public is None or public.get_type() != KeyType.Secp256k1:
        raise InputError(f"peer id {peer} is not of a secp256k1 key")
    point = coincurve.PublicKey(public.to_bytes()).format(compressed=False)
    return Address(keccak256(point[1:])[12:])


def parse_peer_id(text: str) -> ID:
    """Parse a base58 peer id; raises InputError if it is none of a secp256k1 key."""
    try:
        peer = ID.from_string(text)
    except Exception as error:
        raise InputError(f"{text!r} is not a peer id") from error
    address_of(peer)
    return peer
