"""Whatever the children of the defence answer, the daemon lives, and its games are tried again."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import trio

from protocol.engines.worker.dispute_records import Item, MoveResult
from protocol.engines.worker.programs import write_program
from protocol.runtime.child import ChildOptions, ChildUnreadableError, Faults
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Outcome, perform
from protocol.tape import F32, TapeBuilder
from protocol.tape.encoding import Items, join_item
from protocol.tape.products import matmul
from protocol.types import BlockNo, LeaseId, TransientError
from provider_node.defence.runs import Runs
from provider_node.defence.shelf import Shelf
from provider_node.defence.tracer import Answerer, Kept, Tracer, _move
from tests.unit.provider_node.test_runs import A, B, Bench

pytestmark = pytest.mark.trio

ITEM = Item("p", "i", 0)


async def test_a_child_that_breaks_at_every_run_leaves_an_effect_that_is_tried_again(tmp_path: Path) -> None:
    """As the loop performs `Answer`: `BrokenInvariant` would end it, a refusal would cost blocks."""
    tracer, before, tries = Tracer(ChildOptions(), "tests.unit.runtime.broken_child"), Faults.count, 0
    runs = Runs(tracer, Bench(), Shelf(tmp_path, 1), lambda: 100)  # type: ignore[arg-type, return-value]

    async def answer(_effect: Any, _context: Any) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            await runs.built((A, 0), 500)  # type: ignore[arg-type]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tracer.run)
        nursery.start_soon(runs.run)
        with trio.fail_after(60):
            done = await perform(object(), MachineId("game", b"g"), b"e", answer, lambda _: 0.0)
        nursery.cancel_scope.cancel()
    assert (done, tries) == (Outcome(), 3)
    assert Faults.count == before + 2


async def test_a_trace_that_the_disk_cannot_read_is_dropped_and_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would end each child that maps it, until the clock has run out."""
    for wire in ("CASES", "VIEWS", "WORDS"):
        monkeypatch.setattr(f"provider_node.defence.tracer.{wire}", SimpleNamespace(encode=lambda _: b""))
    tracer, trace = Tracer(ChildOptions(), "tests.unit.runtime.bus_child"), tmp_path / "trace"
    kept = Kept(ITEM, trace)
    any_: Any = None
    by = Answerer(any_, any_, any_)
    asks = (
        partial(tracer.opened, kept),
        partial(tracer.answer, kept, any_, any_, any_, by),
        partial(tracer.find, kept, any_, any_, any_),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tracer.run)
        for ask in asks:
            trace.write_bytes(b"unreadable")
            with pytest.raises(ChildUnreadableError, match="check the disk"):
                await ask()
            assert not trace.exists()
        nursery.cancel_scope.cancel()


async def test_an_answer_that_cannot_be_read_is_the_child_s_fault() -> None:
    assert _move(MoveResult(None)) is None
    with pytest.raises(TransientError, match="cannot be read"):
        _move(MoveResult(b"\xff"))


@dataclass
class Jobs:
    """Two leases: one whose item takes a minute, and one whose item takes a moment."""

    paths: dict[LeaseId, Path]
    block_ms: int = 1_000

    async def numbered(self, lease: LeaseId, item: int, blocks: int = 0, doubts: int = 0) -> Item:
        program = self.paths[lease]
        return Item(str(program), str(program.with_name("inputs")), item, time_limit=blocks)

    async def mended(self, lease: LeaseId) -> bool:
        raise AssertionError("nothing is damaged here")

    def needs_ms(self, lease: LeaseId) -> int:
        return 600_000 if lease == A else 5_000

    longest_ms = needs_ms

    def memory_of(self, lease: LeaseId) -> int:
        return 0


def write_job(folder: Path, rows: int, depth: int) -> Path:
    """`depth` products in a row of `rows` x 1,024 by 1,024 x 1,024."""
    folder.mkdir()
    draw = np.random.default_rng(1)
    b = TapeBuilder()
    found = b.input(F32, (rows, 1_024))
    weights = b.constant(draw.standard_normal((1_024, 1_024)).astype(np.float32))
    for _ in range(depth):
        found = matmul(b, found, weights)
    tape, labels = b.build([found])
    write_program(folder / "program", tape, labels)
    values = draw.standard_normal((rows, 1_024)).astype(np.float32)
    (folder / "inputs").write_bytes(Items(tape.inputs, 1).head + join_item(tape.inputs, [values]))
    return folder / "program"


async def test_a_long_run_of_a_real_worker_gives_way_at_once_and_is_wanted_still(tmp_path: Path) -> None:
    jobs = Jobs({A: write_job(tmp_path / "long", 2_048, 200), B: write_job(tmp_path / "short", 1, 2)})
    shelf, tracer = Shelf(tmp_path / "traces", 1 << 30), Tracer(ChildOptions())
    runs = Runs(tracer, jobs, shelf, lambda: BlockNo(100))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tracer.run)
        nursery.start_soon(runs.run)
        nursery.start_soon(runs.built, (A, 0), BlockNo(100 + 7_200))
        with trio.fail_after(100):
            while not tracer.alive:
                await trio.sleep(0.01)
            path = await runs.built((B, 0), BlockNo(100 + 60))
        assert path.exists()
        assert not shelf.has((A, 0))
        assert runs.waiting == 1
        nursery.cancel_scope.cancel()
