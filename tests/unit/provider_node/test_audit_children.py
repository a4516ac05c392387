"""Each audited item of a provider has a child process of its own: no long run makes a short one late."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from protocol.dispute.audits import Part, Stage
from protocol.dispute.names import Case
from protocol.engines.worker.dispute_records import Item
from protocol.runtime.child import ChildOptions
from protocol.types import BlockNo, LeaseId
from provider_node.auditing.answering import Auditing
from provider_node.defence import tracer
from tests.held_runs import CHILD, HeldRuns, until
from tests.strategies.provider import BID
from tests.unit.dispute.test_audits import sight

pytestmark = pytest.mark.trio
STATE: Any = SimpleNamespace(bid=BID, result=SimpleNamespace(outputs=b"o"))
NOTHING: Any = None


async def test_an_audited_item_that_is_due_first_waits_for_no_other_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = HeldRuns.under(tmp_path, monkeypatch)
    monkeypatch.setattr(tracer, "WORKER", CHILD)

    async def of(case: Case, blocks: int, doubts: int) -> Item:
        return Item(str(held.program(case.lease_id.hex())), "i", case.item)

    store = SimpleNamespace(path=lambda _: Path("o"))
    items: Any = SimpleNamespace(of=of, store=store)
    watcher: Any = SimpleNamespace(height=BlockNo(100))
    desk = Auditing(NOTHING, NOTHING, watcher, NOTHING, items, ChildOptions(), b"key")

    def begin(nursery: trio.Nursery, number: int, until_: int) -> tuple[LeaseId, bool]:
        name = (LeaseId(bytes([number]) * 32), True)
        seen = sight(Stage.DRAWN, Part.ASSIGNED, audit={"commit_until": BlockNo(until_)})
        desk._begin(nursery, name, STATE, seen)
        return name

    async with trio.open_nursery() as nursery:
        long = [begin(nursery, number, 1_000) for number in (1, 2, 3)]
        for lease, _ in long:
            await held.begun(lease.hex())
        late = begin(nursery, 4, 2_000)
        held.let_go((bytes([5]) * 32).hex())
        first = begin(nursery, 5, 500)
        await until(lambda: first in desk._runs)
        assert set(desk._runs) == {first}
        assert not held.has_begun(late[0].hex())
        nursery.cancel_scope.cancel()
    assert desk.trouble == ""
