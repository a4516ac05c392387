"""The definition of each node kind, on examples worked out by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from protocol.tape import (
    F32,
    I8,
    I32,
    Affine,
    Contract,
    Gather,
    Join,
    Map,
    Move,
    Node,
    Operand,
    Reduce,
    ReduceKind,
    Tape,
    TensorType,
    trace,
)
from protocol.tape.reference import evaluate
from protocol.types.errors import InputError
from tests.unit.tape import softfloat

NAN = 0x7FC00000


def run(node: Node, *arrays: np.ndarray) -> np.ndarray:
    """One node whose sources are the tape's inputs."""
    codes = {"float32": F32, "int32": I32, "int8": I8}
    inputs = tuple(TensorType(codes[str(array.dtype)], array.shape) for array in arrays)
    return evaluate(Tape(inputs, (), (node,), 1), list(arrays))[0]


def f32(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32)


def words(array: np.ndarray) -> list[int]:
    return [int(word) for word in array.reshape(-1).view(np.uint32)]


def chain(left: Sequence[int], right: Sequence[int]) -> int:
    """B256 by exact fractions, written from DESIGN 5.1."""
    total = None
    for start in range(0, len(left), 256):
        acc = 0
        for a, b in zip(left[start : start + 256], right[start : start + 256], strict=True):
            acc = softfloat.fma(a, b, acc)
        total = acc if total is None else softfloat.add(total, acc)
    return 0 if total is None else total


@pytest.mark.parametrize("k", [0, 1, 2, 255, 256, 257, 512, 513, 700])
def test_contract_follows_b256(k: int) -> None:
    source = np.random.default_rng(k)
    a, b = (source.standard_normal((1, k)).astype(np.float32) for _ in range(2))
    node = Contract(F32, (1,), Operand(0, Affine(0, (0,))), Operand(1, Affine(0, (0,))))
    assert words(run(node, a, b)) == [chain(words(a), words(b))]


def test_b256_is_not_one_long_chain() -> None:
    """2^24 and then ones: a single chain would lose them all, a block of its own keeps them."""
    row = np.ones((1, 512), np.float32)
    row[0, 0] = 2.0**24
    node = Contract(F32, (1,), Operand(0, Affine(0, (0,))), None)
    assert run(node, row)[0] == 2.0**24 + 256


def test_a_sum_that_underflows_to_minus_zero_stays_minus_zero() -> None:
    """RULES 19: the total starts as the first block, not as +0, and padding is never executed."""
    node = Contract(F32, (1,), Operand(0, Affine(0, (0,))), Operand(1, Affine(0, (0,))))
    tiny = np.full((1, 1), 2.0**-100, np.float32)
    assert words(run(node, tiny, -tiny)) == [1 << 31]
    two_blocks = np.full((1, 512), 2.0**-100, np.float32)
    assert words(run(node, two_blocks, -two_blocks)) == [1 << 31]


def test_an_empty_chain_is_plus_zero_and_an_empty_extreme_the_identity() -> None:
    at = Operand(0, Affine(0, (1,)))
    empty = np.zeros((2, 0), np.float32)
    assert words(run(Contract(F32, (2,), at, at), empty)) == [0, 0]
    assert list(run(Reduce(F32, (2,), ReduceKind.MAX, at), empty)) == [-np.inf] * 2
    assert list(run(Reduce(F32, (2,), ReduceKind.MIN, at), empty)) == [np.inf] * 2
    assert list(run(Reduce(I8, (2,), ReduceKind.MIN, at), empty.astype(np.int8))) == [127] * 2
    assert list(run(Reduce(I32, (2,), ReduceKind.MAX, at), empty.astype(np.int32))) == [-(2**31)] * 2


def test_contract_of_integers_wraps() -> None:
    rows = np.array([[2**31 - 1, 2**31 - 1, 3]], np.int32)
    at = Operand(0, Affine(0, (0,)))
    want = (2 * (2**31 - 1) ** 2 + 9 + 2**31) % 2**32 - 2**31
    assert list(run(Contract(I32, (1,), at, at), rows)) == [want]
    bytes_ = np.full((1, 3), -128, np.int8)
    assert list(run(Contract(I32, (1,), at, at), bytes_)) == [3 * 128 * 128]


def test_nan_from_a_chain_is_canonical() -> None:
    at = Operand(0, Affine(0, (0,)))
    minus = Operand(1, Affine(0, (0,)))
    infinite = np.full((1, 2), np.inf, np.float32)
    assert words(run(Contract(F32, (1,), at, minus), infinite, np.array([[1, -1]], np.float32))) == [NAN]


def test_map_loads_i8_signed_stores_its_low_byte_and_cleans_nan() -> None:
    here = Operand(0, Affine(0, (1,)))
    doubled = trace(lambda v: v * 2, I8)
    assert list(run(Map(I8, (3,), doubled, (here,)), np.array([100, -100, -1], np.int8))) == [-56, 56, -2]
    root = trace(lambda v: -((v - v) / (v - v)), F32)
    assert words(run(Map(F32, (1,), root, (here,)), f32(1))) == [NAN]


def test_map_reads_by_strides() -> None:
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    minus = trace(lambda u, v: u - v, F32, F32)
    flipped = Operand(0, Affine(2, (3, -1)))
    column = Operand(0, Affine(1, (3, 0)))
    got = run(Map(F32, (2, 3), minus, (flipped, column)), matrix)
    assert (got == matrix[:, ::-1] - matrix[:, 1:2]).all()


def test_move_pads_inside_a_reshaped_view() -> None:
    """Transposed convolution's zero insertion: a view axis of length 1, read at the output's phase."""
    row = np.arange(1, 4, dtype=np.float32)
    axes = (Affine(0, (1, 0)), Affine(0, (0, 1)))
    node = Move(F32, (6,), 0, (3, 2), (3, 1), axes, 0)
    assert list(run(node, row)) == [1, 0, 2, 0, 3, 0]


def test_move_fills_where_any_axis_is_outside() -> None:
    matrix = np.arange(4, dtype=np.int8).reshape(2, 2)
    axes = (Affine(-1, (1, 0)), Affine(1, (0, -1)))
    got = run(Move(I8, (4, 3), 0, (4, 3), (2, 2), axes, 0xFF), matrix)
    assert got.tolist() == [[-1, -1, -1], [1, 0, -1], [3, 2, -1], [-1, -1, -1]]


def test_move_keeps_every_bit() -> None:
    odd = np.array([0x80000000, 1, NAN, 0xFF800000], np.uint32).view(np.float32)
    axes = (Affine(3, (-1,)),)
    assert words(run(Move(F32, (4,), 0, (4,), (4,), axes, 0), odd)) == words(odd)[::-1]


def test_gather_fills_for_indices_outside() -> None:
    table = np.arange(6, dtype=np.float32)
    index = np.array([[2, -1], [3, 0]], np.int32)
    got = run(Gather(F32, (2, 2, 2), 0, 1, 2, NAN), table, index)
    assert words(got)[2:6] == [NAN] * 4
    assert got[0, 0].tolist() == [4, 5]
    assert got[1, 1].tolist() == [0, 1]


def test_join_lays_parts_side_by_side() -> None:
    a, b = np.zeros((2, 1), np.int8), np.ones((2, 2), np.int8)
    assert run(Join(I8, (2, 3), 1, (0, 1)), a, b).tolist() == [[0, 1, 1], [0, 1, 1]]


def test_reduce_orders_zeros_and_propagates_nan() -> None:
    rows = np.array([[0, 1 << 31], [NAN, 0x7F800000], [0xFF800000, NAN]], np.uint32).view(np.float32)
    at = Operand(0, Affine(0, (1,)))
    assert words(run(Reduce(F32, (3,), ReduceKind.MAX, at), rows)) == [0, NAN, NAN]
    assert words(run(Reduce(F32, (3,), ReduceKind.MIN, at), rows)) == [1 << 31, NAN, NAN]


def test_inputs_that_do_not_fit_are_refused() -> None:
    node = Map(F32, (1,), trace(abs, F32), (Operand(0, Affine(0, (1,))),))
    tape = Tape((TensorType(F32, (1,)),), (), (node,), 1)
    for bad in (f32(1, 2), np.zeros(1, np.int32), np.array([0xFFC00000], np.uint32).view(np.float32)):
        with pytest.raises(InputError):
            evaluate(tape, [bad])
