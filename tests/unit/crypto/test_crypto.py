"""Known answers and refusals of the crypto room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.crypto import address_of, keccak256, recover, seal, sealing_public, sign_digest, unseal
from protocol.types import Hash32, InputError

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEYS = st.binary(min_size=32, max_size=32).filter(lambda k: 0 < int.from_bytes(k, "big") < _ORDER)


def test_known_answers() -> None:
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    anvil0 = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
    assert address_of(anvil0).hex() == "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"


@given(KEYS, st.binary(min_size=32, max_size=32))
def test_signature_recovers_and_its_twin_is_refused(key: bytes, digest: bytes) -> None:
    signature = sign_digest(key, Hash32(digest))
    assert recover(Hash32(digest), signature) == address_of(key)
    s = _ORDER - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    with pytest.raises(InputError, match="high s"):
        recover(Hash32(digest), twin)


@given(st.binary(max_size=64))
def test_junk_signatures_are_refused(junk: bytes) -> None:
    with pytest.raises(InputError):
        recover(Hash32(bytes(32)), junk)
    with pytest.raises(InputError):
        recover(Hash32(bytes(32)), bytes(64) + b"\x1b")


@given(KEYS, KEYS, st.binary(max_size=300))
def test_sealed_box_opens_for_its_key_and_context_only(key: bytes, ephemeral: bytes, plain: bytes) -> None:
    box = seal(sealing_public(key), ephemeral, plain, b"here")
    assert unseal(key, box, b"here") == plain
    for bad in (box[:-1], bytes([box[0] ^ 1]) + box[1:], box[:-1] + bytes([box[-1] ^ 1]), b""):
        with pytest.raises(InputError):
            unseal(key, bad, b"here")
    with pytest.raises(InputError):
        unseal(key, box, b"there")
    with pytest.raises(InputError):
        unseal(b"\x42" * 32, box, b"here")


def test_sealing_to_a_small_order_point_is_refused() -> None:
    with pytest.raises(InputError, match="usable"):
        seal(bytes(32), b"\1" * 32, b"x", b"")
