"""Tensors of narrow rows: every row is a leaf of 128 bytes, be it one byte long."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from protocol.dispute.trace import trees_bytes
from protocol.engines.cpu import estimate
from protocol.engines.worker import hashing, jobs
from protocol.engines.worker.dispute_records import Item
from protocol.engines.worker.hashing import HASHER, leaf_seconds, tracing_seconds
from protocol.engines.worker.interface import CheckArgs, ProgramInfo
from protocol.engines.worker.programs import describe, load_program, write_program
from protocol.engines.worker.room import kept_bytes
from protocol.engines.worker.traces import Traces
from protocol.tape import I8, Constant, Labels, Map, Operand, Tape, TensorType
from protocol.tape.dtypes import I32
from protocol.tape.encoding import Items, join_item
from protocol.tape.roots import item_root, items_root, leaf_count
from protocol.tape.scalar import ScalarProgram
from protocol.tape.views import Affine

ROWS, NODES = 1 << 14, 6
COPY = ScalarProgram((I32,), (), (), (), 0)


@pytest.fixture
def narrow(tmp_path: Path) -> Item:
    """Copies of one byte into columns; the last one is the output."""
    read = Operand(0, Affine(0, (0, 0)))
    tape = Tape(
        (TensorType(I8, (4,)),), (), tuple(Map(I8, (ROWS, 1), COPY, (read,)) for _ in range(NODES)), 1
    )
    write_program(tmp_path / "program", tape, Labels(("x",), (), (), ("y",)))
    (tmp_path / "inputs").write_bytes(
        Items(tape.inputs, 1).head + join_item(tape.inputs, [np.arange(4, dtype=np.int8)])
    )
    return Item(str(tmp_path / "program"), str(tmp_path / "inputs"), 0)


def described(item: Item) -> ProgramInfo:
    return describe(load_program(Path(item.program_path)))


def test_hashing_is_reckoned_by_leaves(narrow: Item) -> None:
    info = described(narrow)
    assert info.hashed_bytes == 128 * ROWS * NODES
    assert info.output_hashed_bytes == 128 * ROWS
    assert info.hash_seconds == pytest.approx(ROWS * NODES * leaf_seconds(), rel=0.1)
    assert info.item_seconds > ROWS * leaf_seconds()


def test_nodes_and_constants_cost_a_trace_something_be_they_empty() -> None:
    """Sixty-five thousand empty nodes took over a second to trace, and four milliseconds were reckoned."""
    empty = TensorType(I32, (0,))
    node = Map(I32, (0,), COPY, (Operand(0, Affine(0, (1,))),))
    few = Tape((empty,), (), (node,), 1)
    many = Tape((empty,), (Constant(empty, b""),) * 500, (node,) * 1_000, 1)
    assert tracing_seconds(many) - tracing_seconds(few) > 999 * 20e-6 + 500 * 5e-6
    assert estimate(many).moved > 900 * estimate(few).moved > 0


def test_a_slow_processor_reckons_as_it_hashes(monkeypatch) -> None:
    monkeypatch.setattr(hashing, "_measured", lambda: 1e-6)
    assert leaf_seconds() > 1e-6
    monkeypatch.setattr(hashing, "_measured", lambda: 1e-9)
    assert leaf_seconds() == pytest.approx(320e-9)


def test_a_trace_takes_no_more_than_what_was_said(narrow: Item) -> None:
    """Whole trees of such tensors would take 64 times the values."""
    tape = load_program(Path(narrow.program_path)).tape
    trace = Traces().get(narrow)
    tracemalloc.start()
    try:
        assert trace.root
        assert trace.item_root
        _, hashing_peak = tracemalloc.get_traced_memory()
        for value in range(len(tape.types)):
            trace.tensor(value).proof(0)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert hashing_peak < 64 * ROWS, "no tree was built"
    assert NODES << 16 < kept < trees_bytes(tape.types) < 16 * 100_000
    assert trees_bytes(tape.types) < kept_bytes(tape)


def test_of_a_large_tensor_s_tree_a_trace_keeps_a_few_thousandths() -> None:
    for kind in (TensorType(I8, (1 << 26, 1)), TensorType(I8, (1 << 13, 4096))):
        assert trees_bytes((kind,) * 90) < 90 * leaf_count(kind) / 16 + 16 * 1_000_000


def test_few_trees_are_kept_whole(narrow: Item, monkeypatch) -> None:
    trace = Traces().get(narrow)
    monkeypatch.setattr("protocol.dispute.trace._KEPT_TREES", 2)
    first, second = trace.tensor(1), trace.tensor(2)
    assert trace.tensor(1) is first
    trace.tensor(3)
    assert trace.tensor(1) is first
    assert trace.tensor(2) is not second


def test_inputs_are_hashed_where_reading_is_measured(tmp_path: Path) -> None:
    rows = 1 << 15
    read = Operand(0, Affine(0, (0,)))
    tape = Tape((TensorType(I8, (rows, 1)),), (), (Map(I8, (1,), COPY, (read,)),), 1)
    write_program(tmp_path / "program", tape, Labels(("x",), (), (), ("y",)))
    held = [np.zeros((rows, 1), np.int8)]
    (tmp_path / "inputs").write_bytes(Items(tape.inputs, 1).head + join_item(tape.inputs, held))
    program = load_program(tmp_path / "program")
    root = items_root([item_root(tape.inputs, held, HASHER)])
    args = CheckArgs(str(tmp_path / "program"), str(tmp_path / "inputs"), program.root, bytes(root), 1)
    assert jobs.check(args).read_seconds - program.read_seconds > rows * 20e-9
