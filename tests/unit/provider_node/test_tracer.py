"""Whatever the children of the defence answer, the daemon lives, and its games are tried again."""

from pathlib import Path
from typing import Any

import pytest
import trio

from protocol.engines.worker.dispute_records import Item, MoveResult
from protocol.runtime.child import ChildOptions, Faults
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Outcome, perform
from protocol.types import TransientError
from provider_node.defence.runs import Runs
from provider_node.defence.shelf import Shelf
from provider_node.defence.tracer import Tracer, _move
from tests.unit.provider_node.test_runs import A, Bench

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


async def test_an_answer_that_cannot_be_read_is_the_child_s_fault() -> None:
    assert _move(MoveResult(None)) is None
    with pytest.raises(TransientError, match="cannot be read"):
        _move(MoveResult(b"\xff"))
