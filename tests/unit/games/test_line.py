"""Audited items in a line: what is due first goes first, and nobody who leaves keeps a place."""

import pytest
import trio
import trio.testing

from protocol.games.line import Line
from protocol.runtime.child import ChildDiedError

pytestmark = pytest.mark.trio


class Items:
    """Items that stay in their places until they are told to go."""

    def __init__(self, line: Line, nursery: trio.Nursery) -> None:
        self.line, self.nursery, self.inside = line, nursery, list[int]()
        self._gone, self._scopes = dict[int, trio.Event](), dict[int, trio.CancelScope]()

    async def come(self, due: int, takes: int = 0) -> None:
        self.nursery.start_soon(self._come, due, takes)
        await trio.testing.wait_all_tasks_blocked()

    async def go(self, due: int) -> None:
        self._gone[due].set()
        await trio.testing.wait_all_tasks_blocked()

    async def give_up(self, due: int) -> None:
        self._scopes[due].cancel()
        await trio.testing.wait_all_tasks_blocked()

    async def _come(self, due: int, takes: int) -> None:
        self._gone[due] = trio.Event()
        with trio.CancelScope() as self._scopes[due]:
            async with self.line.place(due, takes):
                self.inside.append(due)
                await self._gone[due].wait()
        if due in self.inside:
            self.inside.remove(due)


async def test_what_is_due_first_goes_first() -> None:
    async with trio.open_nursery() as nursery:
        items = Items(Line(2, 3), nursery)
        for due in (50, 60, 70, 65):
            await items.come(due)
        assert items.inside == [50, 60]
        assert not items.line.is_full_for(40)
        await items.come(40)
        assert items.inside == [50, 60, 40], "it waits for none that is due later"
        await items.come(30)
        assert items.inside == [50, 60, 40], "but no more than so many at once"
        await items.go(60)
        assert items.inside == [50, 40, 30]
        await items.go(50)
        assert items.inside == [40, 30], "that is as many as begin whatever they are due"
        await items.go(40)
        assert items.inside == [30, 65], "and not 70, which came before it"
        nursery.cancel_scope.cancel()


async def test_who_gives_up_keeps_no_place() -> None:
    async with trio.open_nursery() as nursery:
        items = Items(Line(1, 1), nursery)
        for due in (1, 2, 3, 4):
            await items.come(due)
        await items.give_up(2)  # while it waits
        await items.give_up(1)  # while it has a place
        assert items.inside == [3]
        await items.go(3)
        assert items.inside == [4]
        nursery.cancel_scope.cancel()


async def test_what_runs_at_once_takes_no_more_memory_than_there_is() -> None:
    """But one alone always runs, and what is due first is passed by none that is smaller."""
    async with trio.open_nursery() as nursery:
        items = Items(Line(3, 8, memory=10), nursery)
        await items.come(50, 6)
        await items.come(40, 6)
        await items.come(60, 4)
        assert items.inside == [50], "60 would keep 40 out for ever, with others like it"
        await items.go(50)
        assert sorted(items.inside) == [40, 60]
        await items.come(30)
        await items.go(40)
        assert items.inside == [60], "what is not known takes all"
        await items.go(60)
        assert items.inside == [30]
        await items.come(20, 1)
        assert items.inside == [30]
        await items.come(10, 99)
        await items.go(30)
        assert items.inside == [10], "more than there is: that one is alone"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("killed", [True, False])
async def test_a_run_that_was_killed_has_others_make_room(killed: bool) -> None:
    relieved = list[int]()
    line = Line(relieve=lambda: relieved.append(1))
    fault = ChildDiedError("it died")
    fault.killed = killed
    with pytest.raises(ChildDiedError):
        async with line.place(5):
            raise fault
    assert relieved == [1] * killed
    assert not line._inside


async def test_it_is_quiet_once_all_have_left_for_a_while(autojump_clock: trio.testing.MockClock) -> None:
    line = Line()
    with trio.fail_after(0):
        await line.quiet(10)

    async def stay(seconds: float) -> None:
        async with line.place(5):
            await trio.sleep(seconds)

    async with trio.open_nursery() as nursery:
        began = trio.current_time()
        nursery.start_soon(stay, 30)
        nursery.start_soon(stay, 20)
        await trio.testing.wait_all_tasks_blocked()
        assert line.was_busy(0)
        await trio.sleep(35)
        assert line.was_busy(6)
        assert not line.was_busy(5)
        nursery.start_soon(stay, 1)
        await trio.testing.wait_all_tasks_blocked()
        await line.quiet(10)
        assert trio.current_time() - began == 46
