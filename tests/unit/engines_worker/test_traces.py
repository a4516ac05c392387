"""Traces kept by the worker: what is hashed when, what is kept, and what does not fit."""

from pathlib import Path

import numpy as np
import pytest

from protocol.auction import clocks
from protocol.engines.worker import items, jobs, programs, traces
from protocol.engines.worker.dispute_records import Item
from protocol.engines.worker.hashing import HASHER
from protocol.engines.worker.interface import RunArgs
from protocol.engines.worker.programs import load_program, write_program
from protocol.engines.worker.room import input_bytes, kept_bytes, value_bytes
from protocol.engines.worker.traces import Traces
from protocol.tape import F32, TapeBuilder, tensor_tree
from protocol.tape.encoding import Items, join_item
from protocol.tape.products import matmul
from protocol.types import InputError

COUNT = 4


class CountingHasher:
    """The fast hasher, with a tally of the bytes it was given as leaves."""

    def __init__(self) -> None:
        self.leaf_bytes = 0

    def leaves(self, data: bytes, rows: int, row_bytes: int) -> bytes:
        self.leaf_bytes += rows * row_bytes
        return HASHER.leaves(data, rows, row_bytes)

    def parents(self, layer: bytes, pad: bytes) -> bytes:
        return HASHER.parents(layer, pad)

    def whole(self, data: bytes) -> bytes:
        return HASHER.whole(data)


@pytest.fixture
def counted(monkeypatch) -> CountingHasher:
    hasher = CountingHasher()
    for module in (items, jobs, traces):
        monkeypatch.setattr(module, "HASHER", hasher)
    return hasher


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> tuple[Path, Path]:
    """Eight products in a row, of which the last is the output."""
    folder = tmp_path_factory.mktemp("traces")
    draw = np.random.default_rng(1)
    b = TapeBuilder()
    found = b.input(F32, (16, 64))
    for _ in range(8):
        found = matmul(b, found, b.constant(draw.standard_normal((64, 64)).astype(np.float32)))
    tape, labels = b.build([found])
    write_program(folder / "program", tape, labels)
    rows = [draw.standard_normal((16, 64)).astype(np.float32) for _ in range(COUNT)]
    body = b"".join(join_item(tape.inputs, [row]) for row in rows)
    (folder / "inputs").write_bytes(Items(tape.inputs, COUNT).head + body)
    return folder / "program", folder / "inputs"


def item(job, number: int) -> Item:
    return Item(str(job[0]), str(job[1]), number)


def test_the_honest_case_hashes_no_intermediates(job, counted, tmp_path) -> None:
    """A run hashes what it read and what it gives, and nothing between."""
    load_program(job[0])
    jobs.run(RunArgs(str(job[0]), str(job[1]), str(tmp_path / "out"), COUNT), lambda _: None)
    tape = load_program(job[0]).tape
    outside = sum(kind.nbytes for kind in (*tape.inputs, *tape.output_types))
    assert counted.leaf_bytes == COUNT * outside


def test_a_trace_hashes_every_value_once(job, counted) -> None:
    kept = Traces()
    tape = load_program(job[0]).tape
    kept.get(item(job, 0))
    before = counted.leaf_bytes  # the job's inputs and constants
    for _ in range(2):
        trace = kept.get(item(job, 0))
        assert trace.root
        assert trace.item_root
    assert counted.leaf_bytes - before == value_bytes(tape)


def test_the_oldest_trace_goes_when_room_is_short(job, monkeypatch) -> None:
    tape = load_program(job[0]).tape
    monkeypatch.setattr(traces, "UNLIMITED", 2 * (kept_bytes(tape) + input_bytes(tape)))
    kept = Traces()
    first, second = kept.get(item(job, 0)), kept.get(item(job, 1))
    assert kept.get(item(job, 0)) is first
    kept.get(item(job, 2))
    assert kept.get(item(job, 0)) is first
    assert kept.get(item(job, 1)) is not second


def test_values_that_do_not_fit_are_refused(job, monkeypatch) -> None:
    size = kept_bytes(load_program(job[0]).tape)
    monkeypatch.setattr(traces, "UNLIMITED", size - 1)
    with pytest.raises(InputError, match="for traces there are"):
        Traces().get(item(job, 0))


@pytest.mark.parametrize("lent", [0, 1 << 30])
def test_the_next_item_is_not_run_in_memory_that_a_trace_reads(job, monkeypatch, lent) -> None:
    monkeypatch.setattr(traces, "LENT", lent)
    monkeypatch.setattr(tensor_tree, "BLOCK_LEVELS", 1)
    kept = Traces()
    first = kept.get(item(job, 0))
    bits, where = first.node_leaf(3, 0), first.plan.tape.first_node + 3
    proofs = [first.tensor(where).proof(leaf) for leaf in (0, 31)]
    kept.get(item(job, 1))
    assert first.node_leaf(3, 0) == bits
    assert [first.tensor(where).proof(leaf) for leaf in (0, 31)] == proofs
    assert Traces().get(item(job, 0)).root == first.root


def test_a_provider_reckons_with_as_many_kept_jobs_as_a_worker_keeps() -> None:
    assert clocks.KEPT == programs.KEPT
