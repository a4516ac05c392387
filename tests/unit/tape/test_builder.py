"""The builder and its everyday views and products, against numpy; and tracing of programs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.tape import F32, I8, I32, Map, TapeBuilder, Value, trace
from protocol.tape.functions import exp
from protocol.tape.products import dot, greatest, least, matmul, total
from protocol.tape.reference import evaluate, run_program
from protocol.tape.refs import Ref
from protocol.tape.scalar import (
    apply,
    bits,
    const,
    eq,
    fma,
    from_bits,
    idiv,
    irem,
    logical_not,
    maximum,
    minimum,
    shr,
    sqrt,
    to_f32,
    to_i32,
    where,
)
from protocol.tape.validate import validate
from protocol.tape.views import expand, im2col, pad, reshape, strided_slice, transpose
from protocol.types.errors import InputError

ARRAY = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def one(make: object, *arrays: np.ndarray) -> np.ndarray:
    """Build a tape whose inputs are the arrays, and run it."""
    b = TapeBuilder()
    codes = {"float32": F32, "int32": I32, "int8": I8}
    refs = [b.input(codes[str(array.dtype)], array.shape) for array in arrays]
    tape, _ = b.build([make(b, *refs)])  # type: ignore[operator]
    validate(tape)
    return evaluate(tape, list(arrays))[0]


@given(st.permutations(range(3)))
def test_transpose(axes: list[int]) -> None:
    assert (one(lambda b, x: transpose(b, x, axes), ARRAY) == ARRAY.transpose(axes)).all()


@given(st.data())
def test_slices_with_any_step(data: st.DataObject) -> None:
    starts, steps, shape, slices = [], [], [], []
    for size in ARRAY.shape:
        start = data.draw(st.integers(0, size - 1))
        step = data.draw(st.sampled_from([-2, -1, 1, 2]))
        count = data.draw(st.integers(1, (start if step < 0 else size - 1 - start) // abs(step) + 1))
        starts, steps, shape = [*starts, start], [*steps, step], [*shape, count]
        stop = start + step * count
        slices.append(slice(start, None if stop < 0 else stop, step))
    got = one(lambda b, x: strided_slice(b, x, starts, tuple(shape), steps=steps), ARRAY)
    assert (got == ARRAY[tuple(slices)]).all()


def test_pad_crop_expand_and_reshape() -> None:
    padded = np.pad(ARRAY[:, :, 1:], ((0, 1), (2, 0), (0, 2)), constant_values=7)
    assert (one(lambda b, x: pad(b, x, (0, 2, -1), (1, 0, 2), fill=7.0), ARRAY) == padded).all()
    row = ARRAY[:, :1]
    assert (one(lambda b, x: expand(b, x, (5, 2, 3, 4)), row) == np.broadcast_to(row, (5, 2, 3, 4))).all()
    assert (one(lambda b, x: reshape(b, x, (4, 6)), ARRAY) == ARRAY.reshape(4, 6)).all()


def test_im2col_and_matmul_make_a_convolution() -> None:
    source = np.random.default_rng(1)
    image = source.integers(-3, 4, (2, 4, 7, 6)).astype(np.float32)
    weights = source.integers(-3, 4, (2, 3, 2 * 9)).astype(np.float32)  # two groups of two channels

    def convolve(b: TapeBuilder, x: Ref, w: Ref) -> Ref:
        sizes = {"kernel": (3, 3), "strides": (2, 1), "pads": (1, 0), "dilations": (1, 2), "output": (4, 2)}
        return matmul(b, w, im2col(b, x, groups=2, **sizes))

    want = np.zeros((2, 2, 3, 4, 2), np.float32)
    padded = np.pad(image, ((0, 0), (0, 0), (1, 1), (0, 0)))
    for y in range(4):
        for x in range(2):
            window = padded[:, :, 2 * y : 2 * y + 3, x : x + 5 : 2].reshape(2, 2, 18)
            want[:, :, :, y, x] = np.einsum("ngk,gmk->ngm", window, weights)
    assert (one(convolve, image, weights) == want.reshape(2, 2, 3, 8)).all()


def test_products_and_reductions_along_the_last_axis() -> None:
    other = ARRAY[:1] * 2
    assert (one(matmul, ARRAY, other) == ARRAY @ other.swapaxes(1, 2)).all()
    assert (one(lambda b, x: total(b, x, keepdims=True), ARRAY) == ARRAY.sum(-1, keepdims=True)).all()
    assert (one(lambda b, x: dot(b, x, x), ARRAY) == (ARRAY**2).sum(-1)).all()
    assert (one(greatest, ARRAY) == ARRAY.max(-1)).all()
    assert (one(lambda b, x: least(b, x, keepdims=True), ARRAY) == ARRAY.min(-1, keepdims=True)).all()


def test_build_orders_outputs_last_and_drops_what_nobody_needs() -> None:
    b = TapeBuilder()
    x, unread = b.input(F32, (3,), "x"), b.input(I32, (1,), "unread")
    first = b.map(lambda v: v + 1.0, x, name="first")
    b.map(exp, x, name="dropped")
    b.constant(np.ones(9, np.float32), "dropped too")
    second = b.map(lambda v: v * 2.0, first, name="second")
    tape, labels = b.build([first, second, x, second, unread], ["a", "b", "c", "d", "e"])
    validate(tape)
    assert labels.inputs == ("x", "unread")
    assert labels.constants == ()
    assert labels.nodes == ("first", "first", "second", "x", "second", "unread")
    assert tape.outputs == 5
    got = evaluate(tape, [np.arange(3, dtype=np.float32), np.array([4], np.int32)])
    assert [list(a) for a in got] == [[1, 2, 3], [2, 4, 6], [0, 1, 2], [2, 4, 6], [4]]


def test_equal_constants_are_stored_once_and_nans_made_canonical() -> None:
    b = TapeBuilder()
    odd = np.array([0xFFC00001, 0x3F800000], np.uint32).view(np.float32)
    held = b.constant(odd)
    assert b.constant(np.array([np.nan, 1], np.float32)) == held
    assert b.constant(np.array([np.nan, 1], np.float32).view(np.int32)) != held
    value = b.value(held)
    assert value is not None
    assert value.view(np.uint32)[0] == 0x7FC00000
    assert b.value(b.input(F32, (1,))) is None


def test_mistakes_are_named() -> None:
    b = TapeBuilder()
    x, i = b.input(F32, (2, 3)), b.input(I32, (4,))
    mistakes = [
        lambda: b.map(lambda u, v: u + v, x, b.input(F32, (2,))),
        lambda: b.map(lambda u, v: u + v, x, i),
        lambda: b.map(lambda v: v, x, dtype=I32),
        lambda: b.map(trace(lambda v: v, I32), x),
        lambda: matmul(b, x, i),
        lambda: matmul(b, x, b.input(F32, (2, 4))),
        lambda: reshape(b, x, (4,)),
        lambda: transpose(b, x, (0, 0)),
        lambda: b.join([x, i], 0),
        lambda: b.constant(np.zeros(2)),
        lambda: strided_slice(b, i, [0], (2,), fill=0.5),
        lambda: expand(b, x, (2, 4)),
        lambda: pad(b, x, (1,), (1,)),
        lambda: dot(b, x, i),
        lambda: greatest(b, b.input(F32, ())),
    ]
    for mistake in mistakes:
        with pytest.raises(InputError):
            mistake()


def test_tracing_numbers_equal_expressions_once() -> None:
    program = trace(lambda v: (v + 1.0) * (v + 1.0) - fma(v, v, 1.0), F32)
    assert len(program.code) == 4
    assert program.f32 == (0x3F800000,)


def test_tracing_covers_every_operator() -> None:
    def floats(a: Value, b: Value) -> Value:
        mixed = 1 + a - b * 2 / (3 - b) + 2 * a - (5 / a) + abs(-a) + sqrt(abs(b))
        mixed = (
            mixed
            + minimum(a, 0.5)
            + maximum(0.25, b)
            + to_f32(a < b)
            + to_f32((a > b) + (a <= b) + (a >= 1.0))
        )
        return where(eq(a, b), mixed, mixed + from_bits(bits(a) ^ 1)) + to_f32(to_i32(a)) + to_f32(a)

    a, b = np.float32(1.5), np.float32(-0.75)
    got = run_program(trace(floats, F32, F32), [np.array([a]), np.array([b])])[0]
    near = np.float32(1 + a - b * 2 / (3 - b) + 2 * a - 5 / a + abs(a) + np.sqrt(-b) + 0.5 + 0.25 + 0 + 2)
    assert got == pytest.approx(near + 1.5 + 1 + 1.5, rel=1e-6)

    def integers(a: Value, b: Value) -> Value:
        logic = (a & b) + (a | 3) + (a ^ b) + (a << 2) + (a >> 1) + shr(b, 28) + idiv(a, b) + irem(a, 3)
        compare = (a < b) + (a > b) * 2 + (a <= b) * 4 + (a >= 7) * 8 + logical_not(a) * 16 + eq(a, 7) * 32
        return logic + compare * 1000 - abs(b) + (-a) + minimum(a, b) - maximum(1, b) + where(b < 0, a, 0)

    x, y = 7, -2
    logic = (x & y) + (x | 3) + (x ^ y) + (x << 2) + (x >> 1) + 15 + -3 + 1
    want = logic + (2 + 8 + 32) * 1000 - 2 - 7 - 2 - 1 + 7
    got = run_program(trace(integers, I32, I32), [np.array([x], np.int32), np.array([y], np.int32)])[0]
    assert got == want


def test_wrong_types_in_a_program_are_named() -> None:
    for wrong in (
        lambda v: v + apply("f2i", v),
        lambda v: v & 1,
        lambda v: apply("fma", v, v),
        lambda v: to_i32(v) + 0.5,
    ):
        with pytest.raises(InputError):
            trace(wrong, F32)
    with pytest.raises(InputError):
        const(1 << 32, I32)


def test_a_map_node_carries_its_program() -> None:
    b = TapeBuilder()
    tape, _ = b.build([b.map(lambda v: to_i32(v) & 1, b.input(F32, (2,)), dtype=I8)])
    node = tape.nodes[0]
    assert isinstance(node, Map)
    assert node.dtype is I8
    assert len(node.program.code) == 2
