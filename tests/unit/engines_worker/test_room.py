"""What is reckoned with is what is taken: a run that dies of memory costs the penalty, a trace the bond."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from protocol.engines.cpu import Engine, estimate
from protocol.engines.cpu.estimate import SCRATCH, thread_bytes
from protocol.engines.cpu.fusion import find_windows
from protocol.engines.worker import jobs
from protocol.engines.worker.dispute_records import Item
from protocol.engines.worker.interface import CompareArgs, RunArgs
from protocol.engines.worker.programs import describe, load_program, write_program
from protocol.engines.worker.room import (
    PROCESS_BYTES,
    input_bytes,
    peak_bytes,
    planned_bytes,
    running_bytes,
    value_bytes,
)
from protocol.engines.worker.traces import Traces
from protocol.runtime.frugal import STACK_BYTES
from protocol.tape import F32, I32, Constant, Contract, Labels, Map, Move, Operand, Tape, TensorType
from protocol.tape.encoding import Items, join_item
from protocol.tape.scalar import Instruction, ScalarProgram
from protocol.tape.views import Affine

ROWS = 1 << 18
LARGE = 128 * ROWS
SLACK = 4 << 20
COPY = ScalarProgram((F32,), (), (), (), 0)


def prepared(folder: Path, rows: int, across: int) -> Item:
    """One row becomes many, or of many one is kept."""
    read = Operand(0, Affine(0, (0, 1)))
    node = Map(F32, (across, 32), COPY, (read,))
    tape = Tape((TensorType(F32, (rows, 32)),), (), (node,), 1)
    write_program(folder / "program", tape, Labels(("x",), (), (), ("y",)))
    inputs = Items(tape.inputs, 1).head + join_item(tape.inputs, [np.ones((rows, 32), np.float32)])
    (folder / "inputs").write_bytes(inputs)
    return Item(str(folder / "program"), str(folder / "inputs"), 0)


@pytest.mark.parametrize(("rows", "across"), [(1, ROWS), (ROWS, 1)], ids=["outputs", "inputs"])
@pytest.mark.parametrize("what", ["run", "compare", "trace"])
def test_large_inputs_and_outputs_are_reckoned_with(
    tmp_path: Path, rows: int, across: int, what: str
) -> None:
    item = prepared(tmp_path, rows, across)
    info = describe(load_program(Path(item.program_path)))
    outputs = str(tmp_path / "outputs")
    run = RunArgs(item.program_path, item.input_path, outputs, 1)
    if what == "compare":
        jobs.run(run, lambda _: None)
        load_program(Path(item.program_path)).engines.clear()
    traces = Traces()
    tracemalloc.start()
    try:
        match what:
            case "run":
                jobs.run(run, lambda _: None)
            case "compare":
                jobs.compare(CompareArgs(item.program_path, item.input_path, outputs, 1), lambda _: None)
            case "trace":
                traces.get(item)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    reckoned = info.trace_bytes if what == "trace" else info.peak_bytes
    assert LARGE < peak < reckoned - PROCESS_BYTES + SLACK
    assert reckoned - PROCESS_BYTES < 3 * LARGE + 3 * SLACK, "nor with much more"


@pytest.mark.parametrize(("nodes", "length"), [(4_000, 1), (400, 128)])
def test_a_program_of_many_small_nodes_is_reckoned_with(tmp_path: Path, nodes: int, length: int) -> None:
    """Its bytes are few, and so are its values: what is made of it to run it is not."""
    code = tuple(Instruction(17, place, 0, 0) for place in range(length))
    node = Map(I32, (), ScalarProgram((I32,), (), (), code, length), (Operand(0, Affine(0, ())),))
    tape = Tape((TensorType(I32, ()),), (), (node,) * nodes, 1)
    write_program(tmp_path / "program", tape, Labels(("x",), (), (), ("y",)))
    inputs = Items(tape.inputs, 1).head + join_item(tape.inputs, [np.array(1, np.int32)])
    (tmp_path / "inputs").write_bytes(inputs)
    tracemalloc.start()
    try:
        program = load_program(tmp_path / "program")
        Traces().get(Item(str(tmp_path / "program"), str(tmp_path / "inputs"), 0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    reckoned = planned_bytes(program.tape)
    assert reckoned / 4 < peak < reckoned
    assert describe(program).trace_bytes > PROCESS_BYTES + reckoned
    assert describe(program).peak_bytes > PROCESS_BYTES + reckoned


def test_constants_are_reckoned_with_as_they_are_packed_for_traces_too() -> None:
    """Two rows are packed to a panel of 32: sixteen times their bytes, which a trace holds as a run does."""
    kind = TensorType(F32, (2, 4096))
    constant = Constant(kind, bytes(kind.nbytes))
    node = Contract(F32, (1, 2), Operand(0, Affine(0, (0, 0))), Operand(1, Affine(0, (0, 1))))
    tape = Tape((TensorType(F32, (1, 4096)),), (constant,), (node,), 1)
    bare = replace(tape, constants=(replace(constant, type=TensorType(F32, (2, 1)), data=bytes(8)),))
    assert running_bytes(tape) - running_bytes(bare) > 17 * kind.nbytes


def test_windows_are_reckoned_as_an_engine_that_keeps_values_has_them() -> None:
    """It writes out what a mere run packs from where it lies: by tables, over a padded copy of its own."""
    rows, columns = 1 << 18, 8
    source = TensorType(F32, (rows + columns - 2,))
    places = Affine(-1, (1, 1)), Affine(0, (1,))
    move = Move(F32, (rows, columns), 0, (rows, columns), source.shape, places[:1], 0)
    tape = Tape((source,), (), (move, Contract(F32, (rows,), Operand(1, places[1]), None)), 1)
    margin = 4 * (rows + columns - 1)
    assert find_windows(tape, keep=True).nbytes - find_windows(tape).nbytes == margin
    others = input_bytes(tape) + value_bytes(tape) + planned_bytes(tape)
    assert running_bytes(tape, 0, 0) - PROCESS_BYTES - others > 2 * margin


def test_each_thread_and_item_is_reckoned_with() -> None:
    tape = Tape((TensorType(I32, ()),), (), (Map(I32, (), ScalarProgram((I32,), (), (), (), 0), ()),) * 50, 1)
    work = estimate(tape, threads=0)
    for reckoned in (running_bytes(tape, 9, 1_001), peak_bytes(tape, work, 9, 1_001)):
        assert reckoned > PROCESS_BYTES + 9 * (SCRATCH + STACK_BYTES) + 1_000 * 300
    assert running_bytes(tape, 9, 7) - running_bytes(tape, 8, 7) == STACK_BYTES + thread_bytes(tape)


def test_an_engine_that_keeps_values_copies_no_outputs(tmp_path: Path) -> None:
    tape = load_program(Path(prepared(tmp_path, 1, 4).program_path)).tape
    x = np.ones((1, 32), np.float32)
    with Engine(tape, keep=True) as keeping, Engine(tape) as plain:
        assert np.shares_memory(keeping.run([x])[0], keeping.value(1))
        assert not np.shares_memory(plain.run([x])[0], plain.value(1))
