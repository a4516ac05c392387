"""Calldata read back: all that encoders may do and contracts take."""

import dataclasses
from contextlib import suppress
from random import Random

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from protocol.chain.calldata import decode_calldata
from protocol.chain.codec import Abi
from protocol.chain.disputes import DisputeCalls
from protocol.dispute import moves
from protocol.dispute.calls import FUNCTIONS
from protocol.types import Address, Hash32, InputError, Wei
from tests.unit.dispute.test_records import filled

CALLS = DisputeCalls(Address(b"\7" * 20))
PROOF = (Hash32(b"\3" * 32), Hash32(b"\4" * 32))
REVEAL = moves.Reveal(Hash32(b"\1" * 32), Hash32(bytes(32)), Hash32(b"\2" * 32), (), PROOF)


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def selector(function: str) -> bytes:
    return Abi.shipped("Disputes").functions[function].topic[:4]


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_each_call_comes_back_as_it_was_sent(kind: type) -> None:
    for seed in range(8):
        move = filled(kind, Random(seed))
        is_challenge = isinstance(move, moves.Challenge)
        call = CALLS.challenge(move, Wei(7)) if is_challenge else CALLS.move(move)
        assert CALLS.parse(call.data) == move
        assert CALLS.parse(call.data + b"behind the end") == move
        assert call.value == (7 if is_challenge else 0)
        assert call.to == CALLS.address
        assert call.what == f"Disputes.{FUNCTIONS[kind]}"


KINDS = (
    "uint256",
    "bytes32[]",
    "bytes",
    "(bytes32[],bytes,uint48)[]",
    "bool",
    "int64",
    "address[2]",
    "bytes[]",
)
VALUES = st.tuples(
    st.integers(0, (1 << 256) - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=3),
    st.binary(max_size=70),
    st.lists(
        st.tuples(
            st.lists(st.binary(min_size=32, max_size=32), max_size=3),
            st.binary(max_size=40),
            st.integers(0, (1 << 48) - 1),
        ),
        max_size=3,
    ),
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.lists(st.binary(min_size=20, max_size=20), min_size=2, max_size=2),
    st.lists(st.binary(max_size=40), max_size=3),
)


def tuples(value: object) -> object:
    return tuple(map(tuples, value)) if isinstance(value, list | tuple) else value


@given(VALUES)
def test_what_an_encoder_writes_is_read(values: tuple[object, ...]) -> None:
    assert decode_calldata(KINDS, encode(list(KINDS), list(values))) == tuples(values)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with suppress(InputError):
        decode_calldata(KINDS, data)
    for function in ("prove", "reveal", "challenge"):
        CALLS.parse(selector(function) + data)


def test_an_array_may_lie_in_the_head() -> None:
    """A provider that points its empty array at a zero word of the head still answers."""
    siblings = word(2) + b"".join(PROOF)
    head = REVEAL.game + REVEAL.site + REVEAL.left
    data = selector("reveal") + head + word(0x20) + word(0xA0) + siblings
    assert CALLS.parse(data) == REVEAL


def test_arrays_may_overlap() -> None:
    shared = word(2) + b"".join(PROOF)
    head = REVEAL.game + REVEAL.site + REVEAL.left
    data = selector("reveal") + head + word(0xA0) + word(0xA0) + shared
    assert CALLS.parse(data) == dataclasses.replace(REVEAL, children=PROOF)


def test_padding_may_be_anything_or_absent() -> None:
    head = bytes(96) + word(0xC0) + word(0xA0) + word(0)
    for padding in (b"", b"\xff" * 27):
        found = CALLS.parse(selector("revealLeaves") + head + word(5) + b"hello" + padding)
        assert isinstance(found, moves.RevealLeaves)
        assert found.leaves == b"hello"


@pytest.mark.parametrize("offset", [0xC1, 1 << 64, (1 << 256) - 32])
def test_offsets_out_of_the_data_are_refused(offset: int) -> None:
    with pytest.raises(InputError):
        decode_calldata(["bytes32[]"], word(offset) + bytes(0xA0))


def test_arrays_that_overlap_cannot_blow_up() -> None:
    """Ten thousand rows that are one and the same row of ten thousand words."""
    count = 10_000
    offsets = word(32 * count) * count
    data = word(0x20) + word(count) + offsets + word(count) + word(1) * count
    with pytest.raises(InputError):
        decode_calldata(["bytes32[][]"], data)


def test_what_is_no_call_of_the_game_is_none() -> None:
    assert CALLS.parse(b"") is None
    assert CALLS.parse(b"\xff" * 40) is None
    assert CALLS.parse(selector("gameOf") + bytes(32)) is None
    assert CALLS.parse(selector("pick") + bytes(31)) is None


def test_a_challenge_without_a_bond_is_refused() -> None:
    with pytest.raises(InputError, match="takes a bond"):
        CALLS.move(filled(moves.Challenge, Random(1)))
