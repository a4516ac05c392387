"""A device proves itself before it is trusted: one small tape, every node kind, the reference's bits.

Kernels built from other sources than they are called by, a compiler that contracted a product, a processor
with a broken unit: each would make an honest provider post wrong results and be slashed. It takes some
milliseconds, once per device and process.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.tape import F32, I32, Tape, TapeBuilder
from protocol.tape.functions import exp, gelu
from protocol.tape.products import greatest, matmul, total
from protocol.tape.reference import evaluate
from protocol.tape.views import im2col, pad, transpose
from protocol.types.errors import BrokenInvariant

Array = NDArray[Any]
Run = Callable[[Tape, list[Array]], list[Array]]


@cache
def specimen() -> tuple[Tape, tuple[Array, ...], tuple[Array, ...]]:
    """The tape, inputs with subnormals and a NaN among them, and the reference's outputs."""
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
    """BrokenInvariant unless the device gives the specimen's bits."""
    tape, inputs, wanted = specimen()
    for number, (mine, theirs) in enumerate(zip(run(tape, list(inputs)), wanted, strict=True)):
        if mine.tobytes() != theirs.tobytes():
            raise BrokenInvariant(
                f"device {device!r} does not give the reference's bits (self-test output {number})",
                "its kernels may be out of date: run `make setup`; do not run jobs on it before this passes",
            )
