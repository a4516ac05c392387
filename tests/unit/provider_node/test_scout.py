"""The look at the games: nothing is executed inside it, since all games of all leases wait for it."""

from types import SimpleNamespace
from typing import Any

import pytest
import trio

from protocol.types import BlockNo, LeaseId, TransientError
from provider_node.defence.scout import Scout
from tests.unit.provider_node.test_runs import Bench, opened

pytestmark = pytest.mark.trio

LEASE = LeaseId(b"a" * 32)


async def test_a_move_that_no_transaction_shows_is_looked_for_in_a_trace_that_is_made_meanwhile(
    tmp_path: Any,
) -> None:
    """Wallet contracts can open many such games: each look only asks for the runs that it needs."""
    bench = Bench()
    case: Any = SimpleNamespace(lease_id=LEASE, item=3)
    view: Any = SimpleNamespace(game=b"g", challenger=b"c")
    step: Any = SimpleNamespace(
        at=SimpleNamespace(tx=b"t", index=0), state=SimpleNamespace(moved_at=100, mover_left=60)
    )
    asked: list[Any] = []

    class Found:
        async def of(self, *_: Any) -> str:
            return "item"

        async def find(self, kept: Any, *_: Any) -> None:
            asked.append(kept)

    async with opened(bench, tmp_path) as world:
        found: Any = Found()
        none: Any = None
        scout = Scout(none, none, none, found, found, world.runs, 1)
        with trio.fail_after(5):
            with pytest.raises(TransientError, match="item 3 is executed"):
                await scout._find(case, view, step)
            await world.until(lambda: bench.begun == [("a", 3)])
            with pytest.raises(TransientError):
                await scout._find(case, view, step)
        assert not asked
        bench.end(LEASE, 3).set()
        await world.runs.built((LEASE, 3), BlockNo(160))
        assert await scout._find(case, view, step) is None
        assert [each.path for each in asked] == [world.runs.shelf.path((LEASE, 3))]
