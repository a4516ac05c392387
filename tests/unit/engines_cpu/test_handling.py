"""However a client picks shapes, an item takes not many times what is estimated."""

import time
from functools import cache

import numpy as np
import pytest

from protocol.engines.cpu import Engine, estimate
from protocol.engines.worker.cost import seconds
from protocol.engines.worker.interface import CalibrateArgs, Speed
from protocol.engines.worker.speed import calibrate
from protocol.tape import F32, I8, I32, DType, Tape, TensorType
from protocol.tape.nodes import Affine, Contract, Gather, Join, Map, Move, Node, Operand, Reduce, ReduceKind
from protocol.tape.scalar import ScalarProgram

COUNT = 1 << 16
AXES = (COUNT // 128,) + (2,) * 7
AT = Affine(0, (0, 1, 2, 4, 3, 5, 1, 2))
MOST = 40
"""Times as long as estimated; most take under 8. It was a thousand times, and without terms any number."""


@cache
def speed() -> Speed:
    return calibrate(CalibrateArgs(seconds=0.3))


def product(kind: DType, columns: int, *axes: int) -> tuple[Node, tuple[TensorType, ...]]:
    """One small product for each of many batches."""
    shape = (COUNT, *axes)
    left, right = Affine(0, (0, 1, 0)), Affine(0, (0, 0, 1))
    node = Contract(F32 if kind is F32 else I32, shape, Operand(0, left), Operand(1, right))
    return node, (TensorType(kind, (4, columns)),) * 2


def dots(kind: DType, columns: int) -> tuple[Node, tuple[TensorType, ...]]:
    """Both rows are looked up for each element."""
    other = Affine(0, (0, 2, 1, 1, 5, 3, 4, 2))
    node = Contract(F32 if kind is F32 else I32, AXES, Operand(0, AT), Operand(1, other))
    return node, (TensorType(kind, (20, columns)),) * 2


def extremes(columns: int) -> tuple[Node, tuple[TensorType, ...]]:
    return Reduce(I32, AXES, ReduceKind.MAX, Operand(0, AT)), (TensorType(I32, (20, columns)),)


def gathered() -> tuple[Node, tuple[TensorType, ...]]:
    return Gather(I8, (COUNT, 1), 0, 1, 1, 0), (TensorType(I8, (1,)), TensorType(I8, (COUNT,)))


def mapped() -> tuple[Node, tuple[TensorType, ...]]:
    operands = (Operand(0, AT),) * 4
    return Map(F32, AXES, ScalarProgram((F32,) * 4, (), (), (), 0), operands), (TensorType(F32, (20,)),)


def moved(leaving: bool) -> tuple[Node, tuple[TensorType, ...]]:
    view = (2,) * 8
    axes = [Affine(0, tuple(int(i == 7 - j and i > 0) for i in range(8))) for j in range(8)]
    if leaving:
        axes[1] = AT
    return Move(I8, AXES, 0, AXES, view, tuple(axes), 0), (TensorType(I8, view),)


def joined() -> tuple[Node, tuple[TensorType, ...]]:
    """Bytes that lie apart: each is copied alone."""
    return Join(I8, (COUNT, 32), 1, (0,) * 32), (TensorType(I8, (COUNT, 1)),)


CASES = {
    "joined": joined(),
    "products of one term": product(F32, 1, 2, 2),
    "of bytes": product(I8, 1, 2, 2),
    "of no term": product(F32, 0, 2, 2),
    "of bytes of no term": product(I8, 0, 2, 2),
    "rows by columns": product(F32, 64, 1, 2),
    "dots": dots(F32, 1),
    "dots of no term": dots(F32, 0),
    "dots of many terms": dots(F32, 100),
    "dots of words": dots(I32, 1),
    "extremes": extremes(1),
    "extremes of none": extremes(0),
    "gathered": gathered(),
    "mapped": mapped(),
    "moved": moved(leaving=False),
    "moved from outside": moved(leaving=True),
}


def test_a_join_is_reckoned_by_the_runs_that_it_copies() -> None:
    node, types = joined()
    assert estimate(Tape(types, (), (node,), 1)).moved > 15 * 32 * COUNT


@pytest.mark.parametrize("name", CASES)
def test_no_shape_takes_many_times_what_is_estimated(name: str) -> None:
    node, types = CASES[name]
    tape = Tape(types, (), (node,), 1)
    inputs = [np.zeros(kind.shape, kind.dtype.numpy) for kind in types]
    took = float("inf")
    with Engine(tape) as engine:
        for _ in range(3):
            began = time.process_time()
            engine.run(inputs)
            took = min(took, time.process_time() - began)
    assert took < MOST * seconds(estimate(tape), speed())
