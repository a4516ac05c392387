"""The desk of the defence: the most urgent game is served first."""

import pytest
import trio
import trio.testing

from provider_node.defence.desk import Desk

pytestmark = pytest.mark.trio


async def wait_blocked() -> None:
    await trio.testing.wait_all_tasks_blocked()


async def test_the_most_urgent_is_served_first_and_equals_as_they_came() -> None:
    desk, served = Desk(), []

    async def work(name: str, deadline: int) -> None:
        async with desk.turn(deadline):
            served.append(name)
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery, desk.turn(0):
        for name, deadline in (("late", 9), ("soon", 3), ("soon too", 3), ("now", 1)):
            nursery.start_soon(work, name, deadline)
            await wait_blocked()
    assert served == ["now", "soon", "soon too", "late"]


async def test_one_at_a_time() -> None:
    desk, inside = Desk(), 0

    async def work() -> None:
        nonlocal inside
        async with desk.turn(1):
            inside += 1
            assert inside == 1
            await trio.lowlevel.checkpoint()
            inside -= 1

    async with trio.open_nursery() as nursery:
        for _ in range(9):
            nursery.start_soon(work)


async def test_who_gives_up_waiting_takes_no_turn_along() -> None:
    """An effect that is no longer wanted is cancelled: before its turn, or just as it was called."""
    desk, served = Desk(), []

    async def work(name: str, scope: trio.CancelScope) -> None:
        with scope:
            async with desk.turn(1):
                served.append(name)

    gone, called = trio.CancelScope(), trio.CancelScope()
    async with trio.open_nursery() as nursery:
        async with desk.turn(0):
            nursery.start_soon(work, "called", called)
            await wait_blocked()
            nursery.start_soon(work, "gone", gone)
            await wait_blocked()
            nursery.start_soon(work, "stays", trio.CancelScope())
            await wait_blocked()
            gone.cancel()
            await wait_blocked()
        called.cancel()  # its turn has been given to it, and it has not run yet
    assert served in (["stays"], ["called", "stays"])
    async with desk.turn(0):
        served.append("free again")


async def test_work_that_fails_gives_its_turn_back() -> None:
    desk = Desk()
    with pytest.raises(ValueError, match="broken"):
        async with desk.turn(1):
            raise ValueError("broken")
    async with desk.turn(1):
        pass
