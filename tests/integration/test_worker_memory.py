"""A worker under a limit of exactly what is reckoned does its work: measured by the system, not by Python.

Nothing that the worker takes is left out: stacks, scratch, heaps of threads, mapped files, libraries' own.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protocol.engines.worker.dispute_records import AccuseArgs, BuildTraceArgs, Item, OpenTraceArgs
from protocol.engines.worker.hashing import HASHER
from protocol.engines.worker.interface import (
    CheckArgs,
    ProgramInfo,
    Rehearsed,
    RunArgs,
    from_wire,
    to_wire,
)
from protocol.engines.worker.programs import load_program, write_program
from protocol.runtime.child import ChildOptions, ChildOutOfMemoryError, open_child
from protocol.tape import F32, I8, Constant, Contract, Labels, Map, Operand, Tape, TensorType
from protocol.tape.encoding import Items
from protocol.tape.roots import item_root, items_root
from protocol.tape.scalar import ScalarProgram
from protocol.tape.views import Affine

pytestmark = pytest.mark.trio

WORKER = "tests.weighed_worker"
MIB = 1 << 20
COPY = ScalarProgram((F32,), (), (), (), 0)
ROW = TensorType(F32, (1, 32))
BLOCK = TensorType(F32, (8192, 32))


def copies(shape: tuple[int, int], count: int, first: int = 1) -> tuple[Map, ...]:
    """Each of the node before it; `first` is the first one's number among the values."""
    sources = [0, *range(first, first + count - 1)]
    return tuple(Map(F32, shape, COPY, (Operand(source, Affine(0, (32, 1))),)) for source in sources)


def of_values() -> Tape:
    """Many large values."""
    return Tape((BLOCK,), (), copies((8192, 32), 150), 1)


def of_nodes() -> Tape:
    """Many nodes, each a call for every thread."""
    return Tape((TensorType(F32, (256, 32)),), (), copies((256, 32), 3_000), 1)


def of_constants() -> Tape:
    """So many that what they are in memory is far more than their bytes."""
    return Tape((ROW,), (Constant(TensorType(I8, (1,)), b"\1"),) * 40_000, copies((1, 32), 1, 40_001), 1)


def of_packs(rows: int = 64) -> Tape:
    """A constant that a product reads: sixteen times as large in its layout."""
    kind = TensorType(F32, (rows, 65_536))
    node = Contract(F32, (1, rows), Operand(0, Affine(0, (0, 0))), Operand(1, Affine(0, (0, 1))))
    return Tape((TensorType(F32, (1, 65_536)),), (Constant(kind, bytes(kind.nbytes)),), (node,), 1)


def of_plain_constants() -> Tape:
    """Large ones that nothing packs."""
    kind = TensorType(F32, (1 << 20, 64))
    return Tape((ROW,), (Constant(kind, bytes(kind.nbytes)),), copies((1, 32), 1, 2), 1)


def of_inputs() -> Tape:
    """Large inputs, of which little is read."""
    return Tape((BLOCK,), (), copies((1, 32), 1), 1)


class Job:
    """A tape over items of zeros, in files."""

    def __init__(self, folder: Path, tape: Tape, count: int = 1) -> None:
        folder.mkdir()
        self.folder, self.count, items = folder, count, Items(tape.inputs, count)
        write_program(folder / "program", tape, Labels(("x",), (), (), ("y",)))
        with (folder / "inputs").open("wb") as file:
            file.write(items.head)
            file.truncate(items.nbytes)
        zeros = [np.zeros(kind.shape, kind.dtype.numpy) for kind in tape.inputs]
        root = item_root(tape.inputs, zeros, HASHER)
        self.roots = load_program(folder / "program").root, bytes(items_root([root] * count, HASHER))
        self.program, self.inputs, self.outputs, self.trace = (
            str(folder / name) for name in ("program", "inputs", "outputs", "trace")
        )

    def check(self, threads: int) -> CheckArgs:
        engines = Rehearsed("cpu", threads, False), Rehearsed("cpu", threads, True)
        return CheckArgs(self.program, self.inputs, *self.roots, self.count, engines=engines)

    def run(self, threads: int) -> RunArgs:
        return RunArgs(self.program, self.inputs, self.outputs, self.count, threads=threads)

    def item(self, threads: int = 1) -> Item:
        return Item(self.program, self.inputs, 0, "cpu", threads)


async def reckoned(job: Job, threads: int) -> ProgramInfo:
    async with open_child(WORKER) as child:
        return from_wire(await child.call(CheckArgs.OP, to_wire(job.check(threads))), ProgramInfo)


async def asked(memory: int, *calls: Any) -> None:
    """Make calls to one worker under a limit."""
    async with open_child(WORKER, options=ChildOptions(memory=memory)) as child:
        for args in calls:
            await child.call(args.OP, to_wire(args))


@pytest.mark.parametrize(
    ("tape", "items", "threads"),
    [
        (of_values, 1, 1),
        (of_values, 1, 8),
        (of_nodes, 1, 8),
        (of_constants, 1, 1),
        (of_packs, 1, 8),
        (of_plain_constants, 1, 1),
        (of_inputs, 200, 1),
    ],
)
async def test_what_is_reckoned_is_enough(
    tmp_path: Path, tape: Callable[[], Tape], items: int, threads: int
) -> None:
    job = Job(tmp_path / "job", tape(), items)
    info = await reckoned(job, threads)
    await asked(info.peak_bytes, job.check(threads), job.run(threads))
    await asked(info.trace_bytes, BuildTraceArgs(job.item(threads), job.trace))
    await asked(info.trace_bytes, AccuseArgs(job.item(threads), job.outputs))
    await asked(info.answer_bytes, OpenTraceArgs(job.item(threads), trace_path=job.trace))


async def test_it_is_enough_whatever_the_worker_did_before(tmp_path: Path) -> None:
    """Else two leases, each of which fits, would keep each other from being traced for ever."""
    large, small = Job(tmp_path / "large", of_packs(256)), Job(tmp_path / "small", of_inputs(), 100)
    plain = Job(tmp_path / "plain", of_plain_constants())
    limit = max([(await reckoned(job, 1)).trace_bytes for job in (large, small, plain)])
    builds = [BuildTraceArgs(job.item(), job.trace) for job in (large, plain, small)]
    await asked(limit, *builds, *builds)
    limit = max([(await reckoned(job, 1)).peak_bytes for job in (large, plain)])
    await asked(limit, large.run(1), plain.check(1), plain.run(1), large.check(1), large.run(1))


async def test_a_job_is_checked_beside_nothing_of_the_job_before(tmp_path: Path) -> None:
    """A slot checks the next job while its worker has the last one's engine: like or the same."""
    job, like = (Job(tmp_path / name, of_packs(256)) for name in ("job", "like"))
    limit = (await reckoned(job, 1)).peak_bytes
    await asked(limit, job.run(1), like.check(1), like.run(1), like.check(1))


async def test_less_than_that_is_refused_by_one_error_that_ends_the_worker(tmp_path: Path) -> None:
    """Whether it was reckoned to be too little, or memory ran out."""
    job = Job(tmp_path / "job", of_packs())
    info = await reckoned(job, 1)
    build = BuildTraceArgs(job.item(), job.trace)
    for memory, args in ((info.trace_bytes - MIB, build), (info.peak_bytes - 60 * MIB, job.run(1))):
        async with open_child(WORKER, options=ChildOptions(memory=memory)) as child:
            with pytest.raises(ChildOutOfMemoryError):
                await child.call(args.OP, to_wire(args))
            assert child.pid is None


async def test_where_a_bond_is_at_stake_it_is_tried_again_with_more(tmp_path: Path, caplog: Any) -> None:
    job = Job(tmp_path / "job", of_values())
    limit = (await reckoned(job, 1)).trace_bytes - MIB
    build = BuildTraceArgs(job.item(), job.trace)
    async with open_child(WORKER, options=ChildOptions(memory=limit, most=4 * limit)) as child:
        await child.call(build.OP, to_wire(build))
    assert f"with up to {2 * limit >> 20} MiB" in caplog.text
