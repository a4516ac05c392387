"""Traces in files: what is read is what was executed, or it is said to be gone."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from protocol.crypto.hashing import cut_keccak256
from protocol.dispute.names import Case
from protocol.dispute.trace import Trace
from protocol.engines.worker import disputing, stored
from protocol.engines.worker.dispute_records import AnswerArgs, BuildTraceArgs, Item, OpenTraceArgs
from protocol.engines.worker.game_wire import CASES
from protocol.engines.worker.hashing import HASHER
from protocol.engines.worker.programs import write_program
from protocol.engines.worker.room import input_bytes, kept_bytes, value_bytes
from protocol.engines.worker.stored import Shelf, TraceGoneError, read_trace
from protocol.engines.worker.traces import Traces
from protocol.tape import F32, I8, Constant, Labels, Map, Operand, Reduce, Tape, TapeBuilder, TensorType
from protocol.tape.dtypes import I32
from protocol.tape.encoding import Items, join_item
from protocol.tape.merkle import Bytes, verify
from protocol.tape.nodes import ReduceKind
from protocol.tape.products import matmul
from protocol.tape.scalar import ScalarProgram
from protocol.tape.tensor_tree import BLOCK_LEVELS, ChangedError
from protocol.tape.views import Affine
from protocol.types import Address, InputError, LeaseId

NODES = 5


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> tuple[Path, Path]:
    """Products in a row, of which the last is the output; two items."""
    folder = tmp_path_factory.mktemp("stored")
    draw = np.random.default_rng(1)
    b = TapeBuilder()
    found = b.input(F32, (4, 64))
    for _ in range(NODES):
        found = matmul(b, found, b.constant(draw.standard_normal((64, 64)).astype(np.float32)))
    tape, labels = b.build([found])
    write_program(folder / "program", tape, labels)
    rows = [draw.standard_normal((4, 64)).astype(np.float32) for _ in range(2)]
    body = b"".join(join_item(tape.inputs, [row]) for row in rows)
    (folder / "inputs").write_bytes(Items(tape.inputs, 2).head + body)
    return folder / "program", folder / "inputs"


def item_of(job, number: int = 0) -> Item:
    return Item(str(job[0]), str(job[1]), number)


def built(job, tmp_path: Path, number: int = 0) -> Path:
    path = tmp_path / f"{number}.trace"
    disputing.build_trace(BuildTraceArgs(item_of(job, number), str(path)))
    return path


def everything(trace: Trace) -> list[object]:
    """All that a game can ask of a trace."""
    tape, found = trace.plan.tape, [trace.root, trace.item_root]
    for node in range(len(tape.nodes)):
        tensor = trace.tensor(tape.first_node + node)
        found += [
            tensor.root,
            *tensor.proof(0),
            *tensor.proof((1 << tensor.depth) - 1),
            trace.node_leaf(node, 1),
        ]
        found += trace.running(node, 65)
    return found


def test_a_stored_trace_says_what_the_kept_one_says(job, tmp_path) -> None:
    path = built(job, tmp_path)
    kept = Traces()
    assert everything(Shelf(kept).get(item_of(job), path)) == everything(kept.get(item_of(job)))
    opened = disputing.open_trace(OpenTraceArgs(item_of(job), trace_path=str(path)))
    assert opened.trace_root == kept.get(item_of(job)).root
    assert list(tmp_path.iterdir()) == [path], "nothing half written is left"


def test_nothing_is_executed_to_read_a_trace(job, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(Traces, "_execute", lambda *_: pytest.fail("it was executed"))
    with pytest.raises(TraceGoneError, match="there is no trace"):
        disputing.open_trace(OpenTraceArgs(item_of(job), trace_path=str(tmp_path / "none")))


def test_a_flipped_bit_anywhere_is_found_before_anything_is_said(job, tmp_path) -> None:
    path, rng, planned = built(job, tmp_path), Random(1), Traces().job(*map(str, job))
    right = path.read_bytes()
    for _ in range(40):
        body = bytearray(right)
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
        path.write_bytes(body)
        with pytest.raises((TraceGoneError, ChangedError)):
            everything(read_trace(path, planned, 0))


def test_a_bent_root_is_found_before_a_trace_is_posted_from_it(job, tmp_path) -> None:
    """The first answer is made from the roots alone, and a trace is posted once."""
    path, planned = built(job, tmp_path), Traces().job(*map(str, job))
    right = path.read_bytes()
    for at in range(len(right) - NODES * 4 * 64 * 4):
        path.write_bytes(right[:at] + bytes([right[at] ^ 8]) + right[at + 1 :])
        with pytest.raises(TraceGoneError):
            read_trace(path, planned, 0)


@pytest.mark.parametrize("operand", range(NODES - 1))
def test_running_values_never_come_from_a_bent_operand(job, tmp_path, operand) -> None:
    """They are sent unproven: from a bent operand they would convict a right result."""
    path = built(job, tmp_path)
    body = bytearray(path.read_bytes())
    values = NODES * 4 * 64 * 4
    body[len(body) - values + operand * 4 * 64 * 4] ^= 1
    path.write_bytes(body)
    trace = read_trace(path, Traces().job(*map(str, job)), 0)
    with pytest.raises(ChangedError):
        trace.running(operand + 1, 0)


def test_running_values_never_come_from_bent_inputs_or_constants(job, tmp_path) -> None:
    path, planned = built(job, tmp_path), Traces().job(*map(str, job))
    trace = read_trace(path, planned, 0)
    right = [list(map(bytes, trace._values)), trace.running(0, 0)]
    for value in range(trace.plan.tape.first_node):
        bent = bytearray(right[0][value])
        bent[0] ^= 1
        trace.move([bytes(bent) if at == value else data for at, data in enumerate(right[0])])
        if value in (0, 1):  # the operands of node 0
            with pytest.raises(ChangedError):
                trace.running(0, 0)
        with pytest.raises(ChangedError):
            trace.leaf(value, 0)
        assert trace.leaf(value + 1, 0), "of another value"
    trace.move(right[0])
    assert trace.running(0, 0) == right[1]


class Counting:
    """A hasher that counts the leaves that it hashes."""

    def __init__(self) -> None:
        self.leaf_bytes = 0

    def leaves(self, data: Bytes, rows: int, row_bytes: int) -> bytes:
        found = HASHER.leaves(data, rows, row_bytes)
        self.leaf_bytes += 4 * len(found)
        return found

    parents, whole = staticmethod(HASHER.parents), staticmethod(HASHER.whole)


def test_no_answer_hashes_a_tensor_anew_not_even_the_first_from_a_file(tmp_path, monkeypatch) -> None:
    """Any number of games may be played about items in turn, and no memory holds the trees of all."""
    rows = 1 << 16
    read = Operand(0, Affine(0, (0, 0)))
    copy = ScalarProgram((I32,), (), (), (), 0)
    large = TensorType(I8, (rows, 1))
    node = Map(I8, (rows, 1), copy, (read,))
    summed = Reduce(F32, (1,), ReduceKind.MAX, Operand(1, Affine(0, (0,))))
    inputs = (TensorType(I8, (4,)), TensorType(F32, (1, rows)))
    tape = Tape(inputs, (Constant(large, bytes(rows)),), (node, summed, node), 1)
    write_program(tmp_path / "program", tape, Labels(("x", "w"), (), (), ("y",)))
    held = [np.arange(4, dtype=np.int8), np.ones((1, rows), np.float32)]
    (tmp_path / "inputs").write_bytes(Items(tape.inputs, 1).head + join_item(tape.inputs, held))
    item = Item(str(tmp_path / "program"), str(tmp_path / "inputs"), 0)
    disputing.build_trace(BuildTraceArgs(item, str(tmp_path / "trace")))
    assert (tmp_path / "trace").stat().st_size < value_bytes(tape) + rows
    planned, counting = Traces().job(item.program_path, item.input_path), Counting()
    monkeypatch.setattr(stored, "HASHER", counting)
    trace = read_trace(tmp_path / "trace", planned, 0)
    assert trace.root
    assert trace.item_root
    assert counting.leaf_bytes == 0, "roots are made of what was written"
    for value, leaf in ((0, 0), (1, 700), (2, rows - 1), (3, 40_000), (5, 3)):
        counting.leaf_bytes = 0
        tensor = trace.tensor(value)
        held_leaf, proof = cut_keccak256(trace.leaf(value, leaf)), tensor.proof(leaf)
        assert verify(trace.tensor_root(value), held_leaf, leaf, tensor.depth, proof)
        assert 0 < counting.leaf_bytes <= 128 << BLOCK_LEVELS
    counting.leaf_bytes = 0
    assert trace.running(1, 0)
    assert counting.leaf_bytes <= 4 * rows + (128 << BLOCK_LEVELS), "a chain reads its whole row"


def test_a_file_of_another_item_or_cut_off_is_none(job, tmp_path) -> None:
    path = built(job, tmp_path)
    with pytest.raises(TraceGoneError, match="another item"):
        Shelf(Traces()).get(item_of(job, 1), path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(TraceGoneError, match="cut off"):
        Shelf(Traces()).get(item_of(job), path)


def test_a_file_of_a_job_with_other_inputs_or_constants_is_none(job, tmp_path) -> None:
    path, planned = built(job, tmp_path), Traces().job(*map(str, job))
    types = planned.program.tape.inputs
    other = Items(types, 1).head + join_item(types, [np.ones((4, 64), np.float32)])
    (tmp_path / "inputs").write_bytes(other)
    with pytest.raises(TraceGoneError, match="inputs of item 0 are not those"):
        read_trace(path, Traces().job(str(job[0]), str(tmp_path / "inputs")), 0)
    middles = (bytes(32), *planned.plan.middles[1:])
    with pytest.raises(TraceGoneError, match="constants are not those"):
        read_trace(path, replace(planned, plan=replace(planned.plan, middles=middles)), 0)


def test_a_disk_that_is_full_leaves_no_half(job, tmp_path, monkeypatch) -> None:
    def full(*_: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stored, "_check", full)
    with pytest.raises(OSError, match="No space"):
        built(job, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_open_traces_are_bounded(job, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(stored, "trace_room", lambda program: 2 * kept_bytes(program.tape))
    paths = [built(job, tmp_path, number) for number in (0, 1)]
    paths.append(tmp_path / "again")
    paths[2].write_bytes(paths[0].read_bytes())
    shelf = Shelf(Traces())
    first = shelf.get(item_of(job, 0), paths[0])
    shelf.get(item_of(job, 1), paths[1])
    assert shelf.get(item_of(job, 0), paths[0]) is first
    shelf.get(item_of(job, 0), paths[2])
    assert len(shelf._open) == 2


def test_an_open_trace_of_many_small_values_takes_no_more_than_it_is_counted_for(tmp_path) -> None:
    """Strangers choose the tape: a shelf that counted values alone would run out of memory on such ones."""
    b = TapeBuilder()
    value = b.input(F32, (1, 1))
    for _ in range(3_000):
        value = b.map(lambda v: v * v, value)
    tape, labels = b.build([value])
    write_program(tmp_path / "program", tape, labels)
    (tmp_path / "inputs").write_bytes(Items(tape.inputs, 1).head + bytes(4))
    item = Item(str(tmp_path / "program"), str(tmp_path / "inputs"), 0)
    disputing.build_trace(BuildTraceArgs(item, str(tmp_path / "trace")))
    traces = Traces()
    traces.job(item.program_path, item.input_path).plan.sites.at(0)  # of the job, not of a trace
    tracemalloc.start()
    try:
        opened = Shelf(traces).get(item, tmp_path / "trace")
        for time in range(9):
            opened.landings.nodes(1, time, Address(bytes(20)))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert value_bytes(tape) < taken / 10 < taken < kept_bytes(tape)


def test_what_answers_leaves_large_inputs_in_their_file(tmp_path: Path) -> None:
    """It has memory for programs and trees alone (`answer_bytes`): what copies take is promised to jobs."""
    b = TapeBuilder()
    tape, labels = b.build([b.map(lambda v: v, b.input(I8, (1 << 14, 256)))])
    write_program(tmp_path / "program", tape, labels)
    (tmp_path / "inputs").write_bytes(Items(tape.inputs, 1).head + bytes(input_bytes(tape)))
    item = Item(str(tmp_path / "program"), str(tmp_path / "inputs"), 0)
    disputing.build_trace(BuildTraceArgs(item, str(tmp_path / "trace")))
    planned = Traces().job(item.program_path, item.input_path)
    tracemalloc.start()
    try:
        opened = read_trace(tmp_path / "trace", planned, 0)
        assert opened.leaf(0, 5) == bytes(128)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < input_bytes(tape) / 2


@pytest.mark.parametrize("fault", [ChangedError("bent"), TraceGoneError("gone")])
def test_no_file_is_dropped_where_a_trace_in_memory_is_rotten(job, tmp_path, monkeypatch, fault) -> None:
    """There is none: what is said is what went wrong, not that a folder cannot be removed."""

    class Rotten:
        def get(self, _: Item) -> Trace:
            raise fault

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(disputing, "TRACES", Rotten())
    with pytest.raises(type(fault)):
        disputing.open_trace(OpenTraceArgs(item_of(job)))


def test_no_answer_comes_from_other_inputs_than_the_lease_s(job, tmp_path) -> None:
    path = built(job, tmp_path)
    trace = Traces().get(item_of(job))
    case = Case(LeaseId(b"l" * 32), trace.plan.job.hash, 0, trace.item_root)
    other = replace(case, job_hash=b"x" * 32)
    args = AnswerArgs(item_of(job), CASES.encode(other), b"", b"", b"o" * 20, b"h" * 32, b"p" * 20, str(path))
    with pytest.raises(InputError, match="not those of the job"):
        disputing.answer_game(args)
