"""Bytes of tapes and items: one encoding each, nothing hostile accepted, nothing but InputError raised."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from protocol.tape import F32, I8, TapeBuilder, TensorType, functions, limits
from protocol.tape.encoding import (
    MAX_HEAD,
    Items,
    decode,
    decode_items,
    decode_node,
    encode,
    encode_items,
    encode_node,
    join_item,
    node_headers,
    read_items_head,
    split_item,
)
from protocol.types.errors import InputError
from tests.strategies.tapes import random_tape, tensor


@pytest.mark.parametrize("seed", range(30))
def test_tapes_survive_the_round_trip(seed: int) -> None:
    tape, _ = random_tape(Random(seed), 10)
    data = encode(tape)
    assert decode(data) == tape
    assert encode(decode(data)) == data


def test_headers_carry_their_sources_shapes() -> None:
    """The referee reads rows and columns of every source from the header alone."""
    tape, _ = random_tape(Random(4), 12)
    types = tape.types
    for node, header in zip(tape.nodes, node_headers(tape), strict=True):
        assert encode_node(node, types) == header
        assert decode_node(header) == node
        for source in node.sources:
            kind = types[source]
            record = (
                source.to_bytes(4) + bytes([kind.dtype]) + kind.rows.to_bytes(4) + kind.columns.to_bytes(4)
            )
            assert record in header


@pytest.mark.parametrize("seed", range(6))
def test_no_changed_byte_makes_another_encoding_of_a_tape(seed: int) -> None:
    """Whatever is accepted after a change encodes to exactly the changed bytes."""
    rng = Random(seed)
    data = encode(random_tape(rng, 5)[0])
    accepted = 0
    for _ in range(400):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 4))):
            changed[rng.randrange(min(len(data), 900))] = rng.choice(
                (0, 1, 2, 3, 127, 128, 255, rng.randrange(256))
            )
        try:
            tape = decode(bytes(changed))
        except InputError:
            continue
        accepted += 1
        assert encode(tape) == bytes(changed)
    assert accepted


def test_truncated_and_extended_bytes_are_refused() -> None:
    data = encode(random_tape(Random(1), 3)[0])
    for size in range(0, len(data), 7):
        with pytest.raises(InputError):
            decode(data[:size])
    with pytest.raises(InputError, match="too many"):
        decode(data + b"\0")


def test_hostile_counts_allocate_nothing() -> None:
    front = b"GVTP\0\1"
    for counts in (
        b"\xff" * 12,
        b"\0\1" + b"\xff\xff\xff\xff" * 2 + b"\0\1",
        b"\0\0" + b"\0\1\0\0" * 2 + b"\0\1",
    ):
        with pytest.raises(InputError):
            decode(front + counts)
    vast = b"\1\2" + (1 << 15).to_bytes(4) * 2  # one constant of 2^30 words that is not there
    with pytest.raises(InputError, match="ends at byte"):
        decode(front + b"\0\0\0\0\0\1\0\0\0\0\0\1" + vast)


def test_a_misstated_source_is_refused() -> None:
    b = TapeBuilder()
    x = b.input(F32, (4, 6))
    tape, _ = b.build([b.map(functions.exp, x)])
    data = encode(tape)
    wrong = data.replace(
        (4).to_bytes(4) + (6).to_bytes(4) + bytes(4), (6).to_bytes(4) + (4).to_bytes(4) + bytes(4)
    )
    assert wrong != data
    with pytest.raises(InputError, match="misstates"):
        decode(wrong)


def test_other_files_and_versions_are_named() -> None:
    with pytest.raises(InputError, match="no tape"):
        decode(b"\x08\x07onnx....")
    with pytest.raises(InputError, match="version 2"):
        decode(b"GVTP\0\2")


def test_an_invalid_tape_is_not_encoded() -> None:
    tape, _ = random_tape(Random(2), 3)
    with pytest.raises(InputError):
        encode(replace(tape, outputs=99))


def test_the_largest_header_is_within_the_limit() -> None:
    """128 instructions, 64 constants and four operands of rank 8 still fit; parts of a join do too."""
    b = TapeBuilder()
    xs = [b.input(F32, (1,) * 8) for _ in range(32)]

    def long(*values: object) -> object:
        acc = values[0]
        for i in range(120):
            acc = acc * (1.0 + (i % 60)) if i % 2 else acc + values[i % 4]  # type: ignore[operator]
        return acc

    tape, _ = b.build([b.map(long, *xs[:4]), b.join(xs, 7)])  # type: ignore[arg-type]
    assert max(len(header) for header in node_headers(tape)) <= limits.MAX_HEADER


TYPES = (TensorType(F32, (2, 3)), TensorType(I8, (5,)), TensorType(F32, ()))


def items(count: int) -> list[list[np.ndarray]]:
    return [[tensor(Random(i), kind) for kind in TYPES] for i in range(count)]


def test_item_files_are_a_header_and_items_of_one_size() -> None:
    held = items(3)
    data = encode_items(TYPES, held)
    head, found = decode_items(data)
    assert head == Items(TYPES, 3)
    assert [[a.tobytes() for a in item] for item in found] == [[a.tobytes() for a in item] for item in held]
    assert read_items_head(data[:MAX_HEAD]) == head
    start = head.start + head.size
    assert join_item(TYPES, held[1]) == data[start : start + head.size]
    assert head.nbytes == len(data)


def test_hostile_item_files_are_refused() -> None:
    data = encode_items(TYPES, items(2))
    for bad in (
        data[:-1],
        data + b"\0",
        data[:3],
        b"GVIT\0\2" + data[6:],
        b"GVIT\0\1\xff\xff" + data[8:],
        b"x" * 40,
    ):
        with pytest.raises(InputError):
            decode_items(bad)
    with pytest.raises(InputError, match="an item of 7 bytes"):
        split_item(TYPES, bytes(7))
    with pytest.raises(InputError):
        join_item(TYPES, [np.zeros((3, 2), np.float32), *items(1)[0][1:]])
    with pytest.raises(InputError):
        _ = Items(TYPES, limits.MAX_ITEMS + 1).head
