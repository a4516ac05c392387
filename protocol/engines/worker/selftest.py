"""A device proves itself before it is trusted: three small tapes, every node kind and element type, every
scalar instruction, the reference's bits.

Kernels built from other sources than they are called by, a compiler that contracted a product, a processor
with a broken unit: each would make an honest provider post wrong results and be slashed. It takes some
milliseconds, once per device and process.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.tape import F32, I8, I32, Tape, TapeBuilder
from protocol.tape.functions import exp, gelu
from protocol.tape.products import dot, greatest, least, matmul, total
from protocol.tape.reference import evaluate
from protocol.tape.scalar import OPS, apply
from protocol.tape.views import im2col, pad, transpose
from protocol.types.errors import BrokenInvariant

Array = NDArray[Any]
Run = Callable[[Tape, list[Array]], list[Array]]
Specimen = tuple[Tape, tuple[Array, ...], tuple[Array, ...]]
"""A tape, its inputs, and the reference's outputs."""

# Zeros, subnormals, halfway cases, infinities, a NaN: where arithmetic that is almost right goes wrong.
FLOATS = (
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x00800000, 0x3F800000, 0xBF800001,
    0x7F7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0x34000000, 0x4F000000, 0x40490FDB, 0x0DA24260,
)  # fmt: skip
INTEGERS = (0, 1, -1, 2, 31, 33, 127, -128, 2**31 - 1, -(2**31), 0x4B000001, 0x7FC00000)


@cache
def specimens() -> tuple[Specimen, ...]:
    """What a device is tried with."""
    return specimen(), integers(), instructions()


@cache
def instructions() -> Specimen:
    """Every scalar instruction over every pair of awkward operands."""
    floats = np.array(FLOATS, np.uint32).view(np.float32)
    words = np.array(INTEGERS, np.int64).astype(np.int32)
    x, y = (grid.reshape(-1) for grid in np.meshgrid(floats, floats))
    i, j = (np.resize(grid.reshape(-1), x.size) for grid in np.meshgrid(words, words))
    b = TapeBuilder()
    given = {F32: [b.input(F32, (x.size,)) for _ in range(3)], I32: [b.input(I32, (x.size,)) for _ in "ijk"]}
    outputs = []
    for op in OPS:
        pools = {kind: iter(refs) for kind, refs in given.items()}
        operands = [next(pools[kind]) for kind in op.takes]
        outputs.append(b.map(lambda *values, name=op.name: apply(name, *values), *operands))
    tape, _ = b.build(outputs)
    inputs = (x, y, np.roll(x, 5), i, j, np.roll(i, 7))
    return tape, inputs, tuple(evaluate(tape, list(inputs)))


@cache
def integers() -> Specimen:
    """Products, sums, extremes, views and picks of integers, and of f32 without a common row."""
    draw = np.random.default_rng(12)
    b = TapeBuilder()
    x, y = b.input(I8, (19, 300)), b.input(I8, (21, 3, 301))
    words, floats, named = b.input(I32, (21, 300)), b.input(F32, (6, 600)), b.input(I8, (9,))
    weights = b.constant(draw.integers(-128, 128, (35, 300)).astype(np.int8))
    odd = b.constant(draw.integers(-128, 128, (21, 10, 301)).astype(np.int8))
    scaled = b.map(lambda v: v * 3 + 1, x, dtype=I8)
    picked = b.gather(x, named, (9, 300), 300, fill=7)
    outputs = [
        matmul(b, x, weights),
        matmul(b, y, odd),
        matmul(b, scaled, words),
        dot(b, words, words),
        dot(b, floats, floats),
        total(b, y),
        greatest(b, y),
        least(b, words),
        least(b, floats),
        pad(b, transpose(b, picked, (1, 0)), (1, -2), (0, 3), fill=-3),
        b.join([picked, scaled], axis=0),
    ]
    tape, _ = b.build(outputs)
    numbers = draw.standard_normal((6, 600)).astype(np.float32)
    numbers[1, 3], numbers[2] = np.nan, -0.0
    numbers[3, 256:] *= np.float32(1e-40)
    inputs = (
        draw.integers(-128, 128, (19, 300)).astype(np.int8),
        draw.integers(-128, 128, (21, 3, 301)).astype(np.int8),
        draw.integers(-(2**31), 2**31, (21, 300)).astype(np.int32),
        numbers,
        draw.integers(-3, 22, 9).astype(np.int8),
    )
    return tape, inputs, tuple(evaluate(tape, list(inputs)))


@cache
def specimen() -> Specimen:
    """Pieces of networks, on inputs with subnormals and a NaN among them."""
    draw = np.random.default_rng(11)
    b = TapeBuilder()
    x, picture = b.input(F32, (37, 300)), b.input(F32, (1, 3, 9, 11))
    index = b.input(I32, (20,))
    weights = b.constant(draw.standard_normal((50, 300)).astype(np.float32))
    filters = b.constant(draw.standard_normal((1, 1, 7, 27)).astype(np.float32))
    table = b.constant(draw.integers(-99, 99, (13, 8)).astype(np.int32))
    hidden = b.map(lambda v, w: gelu(v) + w * 0.125, matmul(b, x, weights), matmul(b, x, weights))
    square = matmul(b, x, x)
    top = greatest(b, hidden, keepdims=True)
    raised = b.map(lambda v, m: exp(v - m), hidden, top)
    share = b.map(lambda v, s: v / s, raised, total(b, raised, keepdims=True))
    columns = im2col(
        b, picture, kernel=(3, 3), strides=(2, 1), pads=(1, 1), dilations=(1, 2), output=(5, 9), groups=1
    )
    convolved = matmul(b, filters, columns)
    turned = pad(b, transpose(b, hidden, (1, 0)), (1, 0), (0, 2), fill=0.5)
    rows = b.gather(table, index, (20, 8), 8)
    sums = total(b, b.join([rows, b.map(lambda v: v * v, rows)], axis=1))
    tape, _ = b.build([share, square, convolved, turned, sums])
    first = draw.standard_normal((37, 300)).astype(np.float32)
    first[0, :40] *= np.float32(1e-39)
    first[5, 7] = np.nan
    pixels = draw.standard_normal((1, 3, 9, 11)).astype(np.float32)
    inputs = (first, pixels, draw.integers(-2, 15, 20).astype(np.int32))
    return tape, inputs, tuple(evaluate(tape, list(inputs)))


def check_device(device: str, run: Run) -> None:
    """BrokenInvariant unless the device gives the specimens' bits."""
    for kind, (tape, inputs, wanted) in enumerate(specimens()):
        for number, (mine, theirs) in enumerate(zip(run(tape, list(inputs)), wanted, strict=True)):
            if mine.tobytes() != theirs.tobytes():
                raise BrokenInvariant(
                    f"device {device!r} does not give the reference's bits"
                    f" (self-test {kind}, output {number})",
                    "its kernels may be out of date: run `make setup`; run no jobs on it before this passes",
                )
