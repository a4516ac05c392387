"""One small tape that holds every kind of node, long chains and deep trees, for cheats to lie about.

Its items differ in their first input alone, the mark that names the lie (`tests.cheat.lies`), which is also
their first output. Each named node is copied into an output, so whatever is false there is posted.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from protocol.tape import F32, I8, I32, Tape, TapeBuilder
from protocol.tape.products import dot, least, matmul
from protocol.tape.scalar import maximum
from protocol.tape.tape import Labels
from protocol.tape.views import reshape, transpose
from tests.cheat.lies import MARK

WIDE, LONG, FILLERS = 70, 4500, 34
"""More than two leaves of f32 a row; two spans of 4,096 terms; more inner nodes than one answer shows."""
NAN, ZERO = WIDE * (WIDE - 1) * 4, 4
"""Bytes of `relu` at which a NaN and a zero begin."""
SHOWN = ("relu", "product", "bytes", "long", "least", "turned", "picked", "joined")


@dataclass(frozen=True)
class Specimen:
    """The tape, its nodes by name, and one item without its mark."""

    tape: Tape
    labels: Labels
    rest: tuple[NDArray[np.generic], ...]

    def node(self, name: str) -> int:
        """The number of a node."""
        return self.labels.nodes.index(name)

    def value(self, name: str) -> int:
        """The number of an input or a constant among the tape's values."""
        return (*self.labels.inputs, *self.labels.constants).index(name)

    def item(self, place: int) -> list[NDArray[np.generic]]:
        """The item about which the lie of this place is told."""
        return [np.array([MARK + place], np.int32), *self.rest]


@cache
def specimen() -> Specimen:
    """Build it; the same at every time."""
    draw = np.random.default_rng(23)
    b = TapeBuilder()
    mark = b.input(I32, (1,), "mark")
    wide, rows = b.input(F32, (WIDE, WIDE), "wide"), b.input(F32, (4, WIDE), "rows")
    small, long = b.input(I8, (3, 200), "small"), b.input(F32, (2, LONG), "long")
    weights = b.constant(draw.standard_normal((40, WIDE)).astype(np.float32), "weights")
    bytes_ = b.constant(draw.integers(-128, 128, (5, 200)).astype(np.int8))
    named = b.constant(np.array([3, 1, 0, 99], np.int32))
    relu = b.map(lambda v: maximum(v, 0.0), wide, name="relu")
    product = matmul(b, rows, weights, name="product")
    turned = transpose(b, product, (1, 0), name="turned")
    found = {
        "relu": relu,
        "product": product,
        "bytes": matmul(b, small, bytes_, name="bytes"),
        "long": dot(b, long, long, name="long"),
        "least": least(b, rows, name="least"),
        "turned": turned,
        "picked": b.gather(product, named, (4, 40), 40, fill=1, name="picked"),
        "joined": b.join([product, product], axis=0, name="joined"),
    }
    count = mark
    for number in range(FILLERS):
        count = b.map(lambda v: v + 1, count, name=f"filler{number}")
    last = b.map(lambda v: v + v, count, name="last")
    copies = [reshape(b, found[name], (1, *found[name].shape), name=f"{name} out") for name in SHOWN]
    tape, labels = b.build([reshape(b, mark, (1, 1), name="mark out"), *copies, last])
    first = draw.standard_normal((WIDE, WIDE)).astype(np.float32)
    first[0, ZERO // 4], first[WIDE - 1, 0] = -1.0, np.nan
    rest = (
        first,
        draw.standard_normal((4, WIDE)).astype(np.float32),
        draw.integers(-128, 128, (3, 200)).astype(np.int8),
        draw.standard_normal((2, LONG)).astype(np.float32),
    )
    return Specimen(tape, labels, rest)
