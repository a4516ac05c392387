"""Making an engine ready: whatever a tape that is accepted may hold, in time and memory that follow from
its size.
"""

from random import Random

import numpy as np
import pytest

from protocol.engines.cpu import Engine, estimate, rehearse
from protocol.engines.cpu.fusion import find_windows
from protocol.tape import F32, I8, I32, Affine, Contract, Join, Move, Node, Operand, Tape, TensorType
from protocol.tape.limits import MAX_STEP
from protocol.tape.reference import evaluate_all
from protocol.tape.tape import Constant
from protocol.tape.validate import validate
from tests.strategies.tapes import odd_tape, tensor


def same(tape: Tape, item: list[np.ndarray]) -> None:
    """Every value of a keeping engine, and the outputs of one that runs, are the reference's."""
    validate(tape)
    want = [value.tobytes() for value in evaluate_all(tape, item)]
    with Engine(tape, keep=True) as engine:
        engine.run(item)
        assert [engine.value(number).tobytes() for number in range(len(want))] == want
    with Engine(tape) as engine:
        assert [output.tobytes() for output in engine.run(item)] == want[-tape.outputs :]


def padded(grid: tuple[int, ...], *strides: int) -> Move:
    """Rows of value 0, (2, 3), between rows of fill, over a grid that has an axis of one place."""
    axes = Affine(-1, strides), Affine(0, tuple(int(axis == len(grid) - 1) for axis in range(len(grid))))
    return Move(F32, (4, 3), 0, grid, (2, 3), axes, 0)


FAR = (padded((1, 4, 3), MAX_STEP, 1, 0), padded((4, 1, 3), 1, -MAX_STEP, 0))


@pytest.mark.parametrize("move", FAR)
@pytest.mark.parametrize("reader", [None, Operand(1, Affine(0, (0, 1)))])
def test_a_stride_that_is_never_taken_may_be_as_large_as_it_likes(move: Move, reader: Operand | None) -> None:
    nodes: list[Node] = [move, Contract(F32, (4, 4), Operand(1, Affine(0, (1, 0))), reader)]
    tape = Tape((TensorType(F32, (2, 3)),), (), tuple(nodes), 1)
    assert find_windows(tape).written
    same(tape, [np.arange(6, dtype=np.float32).reshape(2, 3)])


def test_what_runs_can_be_kept_also_where_windows_had_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeping leaves the room for tables to other MOVEs."""
    large = Move(F32, (50, 2), 0, (50, 2), (6,), (Affine(0, (0, 1)),), 0)
    nodes: list[Node] = [large, Contract(F32, (2,), Operand(1, Affine(0, (1,))), None)]
    nodes += [FAR[0], Contract(F32, (4,), Operand(3, Affine(0, (1,))), None)]
    tape = Tape((TensorType(F32, (2, 3)),), (), tuple(nodes), 1)
    monkeypatch.setattr("protocol.engines.cpu.fusion.MOST_TABLES", 4 * 52)
    assert list(find_windows(tape).read) == [1]
    assert list(find_windows(tape, keep=True).written) == [3]
    same(tape, [np.arange(6, dtype=np.float32).reshape(2, 3)])


@pytest.mark.parametrize("seed", range(40))
def test_random_tapes_with_strides_that_are_never_taken(seed: int) -> None:
    same(*odd_tape(Random(seed), 6))


def test_sums_share_the_ones_that_they_multiply_by() -> None:
    """One array of each type, as long as its longest sum: thousands of sums may fit into 60 kB of program."""
    longest = 1 << 12
    inputs = tuple(TensorType(dtype, (1, size)) for dtype in (F32, I32, I8) for size in (3, longest))
    sums = tuple(
        Contract(F32 if kind.dtype is F32 else I32, (5,), Operand(value, Affine(0, (0,))), None)
        for value, kind in enumerate(inputs)
    )
    few, many = Tape(inputs, (), sums, 1), Tape(inputs, (), sums * 9, 1)
    item = [tensor(Random(4), kind) for kind in inputs]
    for tape in few, many:
        with Engine(tape) as engine:
            held = {id(each): each for call in engine._calls for each in call.keep}
        assert sum(each.nbytes for each in held.values() if isinstance(each, np.ndarray)) == longest * 9
        same(tape, item)
    plain = tuple(Contract(node.dtype, (5,), node.left, node.left) for node in sums)
    assert estimate(few).peak_bytes - estimate(Tape(inputs, (), plain, 1)).peak_bytes == longest * 9


def test_the_types_of_all_values_are_not_made_anew_for_each_node(monkeypatch: pytest.MonkeyPatch) -> None:
    """65,536 nodes would be planned for an hour."""
    asked = 0
    made = Tape.types.fget  # type: ignore[attr-defined]

    def types(tape: Tape) -> tuple[TensorType, ...]:
        nonlocal asked
        asked += 1
        return made(tape)

    monkeypatch.setattr(Tape, "types", property(types))
    found = []
    for count in (3, 30):
        nodes: list[Node] = []
        for _ in range(count):
            nodes.append(Move(F32, (2, 1), 0, (2, 1), (1,), (Affine(0, (1, 0)),), 0))
            nodes.append(Contract(F32, (2,), Operand(len(nodes), Affine(0, (1,))), None))
        tape = Tape((TensorType(F32, (1,)),), (), tuple(nodes), 1)
        asked = 0
        estimate(tape)
        for keep in (False, True):
            Engine(tape, keep=keep).close()
        found.append(asked)
    assert found[0] == found[1]


@pytest.mark.parametrize("keep", [False, True])
def test_rehearsing_needs_no_memory_for_values(keep: bool) -> None:
    """A tape of a terabyte, whose constants are packed and whose parts are joined."""
    large = TensorType(F32, (1 << 14, 1 << 13))
    weights = Constant(TensorType(F32, (3, 5)), tensor(Random(1), TensorType(F32, (3, 5))).tobytes())
    axes = Affine(-1, (1, 0)), Affine(0, (0, 1))
    nodes: list[Node] = [
        Contract(F32, (2, 3), Operand(1, Affine(0, (1, 0))), Operand(2, Affine(0, (0, 1)))),
        Move(F32, large.shape, 0, large.shape, large.shape, axes, 0),
        Join(F32, (1 << 15, 1 << 13), 0, (0, 4)),
    ]
    nodes += [Join(F32, (1 << 15, 1 << 13), 0, (0, 0))] * 900
    tape = Tape((large, TensorType(F32, (2, 5))), (weights,), tuple(nodes), 1)
    validate(tape)
    rehearse(tape, threads=2, keep=keep)
