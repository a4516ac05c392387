import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.store import CHUNK, Manifest, chunk_leaf, merkle_root
from protocol.types import InputError


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def test_the_tree_is_the_documented_one() -> None:
    leaves = [sha(b"\x00", bytes([i])) for i in range(5)]
    a, b, c, d, e = leaves
    left = sha(b"\x01", sha(b"\x01", a, b), sha(b"\x01", c, d))
    assert merkle_root(leaves) == sha(b"\x01", left, e)
    assert merkle_root(leaves[:3]) == sha(b"\x01", sha(b"\x01", a, b), c)
    assert merkle_root([a]) == a == chunk_leaf(b"\x00")
    assert merkle_root([]) == bytes(32)


def test_ids_are_stable() -> None:
    # Vectors: an id that changes would cut every client off from what providers hold.
    data = bytes(range(256)) * 2048 + b"tail"
    chunks = [data[i : i + CHUNK] for i in range(0, len(data), CHUNK)]
    manifest = Manifest(len(data), tuple(map(chunk_leaf, chunks)))
    assert [len(chunk) for chunk in chunks] == [CHUNK, CHUNK, 4]
    assert manifest.id().hex() == "5a41a6bbbf4573289499715c5eb7271763fc38a7aaa156dc734255646cc10051"
    assert Manifest(0, ()).id().hex() == "c6c0aa07f27493d2f2e5cff56c890a353a20086d6c25ec825128e12ae752b2d9"


def test_size_and_chunk_count_must_agree() -> None:
    for size, count in ((0, 1), (1, 0), (CHUNK, 2), (CHUNK + 1, 1), (-1, 0), (1 << 41, 0)):
        with pytest.raises(InputError):
            Manifest(size, (bytes(32),) * count)
    with pytest.raises(InputError):
        Manifest(1, (bytes(31),))


@given(st.integers(0, 5 * CHUNK))
def test_chunk_lengths_add_up_and_the_encoding_returns(size: int) -> None:
    manifest = Manifest(size, (bytes(32),) * -(-size // CHUNK))
    lengths = [manifest.length(i) for i in range(len(manifest.leaves))]
    assert sum(lengths) == size
    assert all(length == CHUNK for length in lengths[:-1])
    assert Manifest.from_bytes(manifest.to_bytes()) == manifest
    with pytest.raises(InputError):
        manifest.length(len(lengths))


@given(st.binary(max_size=100))
def test_junk_is_no_manifest(data: bytes) -> None:
    try:
        manifest = Manifest.from_bytes(data)
    except InputError:
        return
    assert manifest.to_bytes() == data
