"""The desk of the defence: the most urgent game is served first."""

import pytest
import trio
import trio.testing

from protocol.types import TransientError
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


async def test_who_makes_jobs_alternate_does_not_have_them_brought_in_for_every_turn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The worker keeps two jobs, and bringing in one takes long: three of them, all due in turns."""
    desk, kept, served = Desk(), [], []

    async def work(deadline: int, job: str) -> None:
        async with desk.turn(deadline, job):
            if job not in kept:
                await trio.sleep(8)
                kept[:] = [*kept[-1:], job]
            await trio.sleep(0.1)
            served.append(deadline)

    async with trio.open_nursery() as nursery:
        for number in range(90):
            nursery.start_soon(work, number, "abc"[number % 3])
            await wait_blocked()
    assert trio.current_time() - 90 * 0.1 < 5 * 8.2, "it is not brought in for each of the turns"
    assert served[0] == 0
    assert sorted(served) == list(range(90))


async def test_a_job_that_stays_keeps_what_is_due_no_longer_than_it_took_to_bring_in(
    autojump_clock: trio.testing.MockClock,
) -> None:
    desk, when = Desk(), {}

    async def work(name: str, deadline: int, job: str, takes: float) -> None:
        async with desk.turn(deadline, job):
            await trio.sleep(takes)
            when[name] = trio.current_time()

    start = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(work, "first", 50, "a", 8)
        await wait_blocked()
        for number in range(1_000):
            nursery.start_soon(work, f"sham {number}", 51 + number, "a", 0.1)
        nursery.start_soon(work, "urgent", 1, "b", 0.1)
        await wait_blocked()
    assert when["urgent"] - start < 8 + 8 + 0.3


async def test_a_turn_that_hangs_ends_and_the_same_job_may_take_twice_as_long_the_next_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Others wait behind it: a worker that never answers would be the end of all games."""
    desk, began = Desk(), trio.current_time()
    for seconds in (60 + 4 * 5, 2 * (60 + 4 * 5)):
        with pytest.raises(TransientError, match=f"not answered in {seconds} s"):
            async with desk.turn(1, "job", 5):
                await trio.sleep_forever()
        assert trio.current_time() == pytest.approx(began + seconds)
        began = trio.current_time()
    async with desk.turn(1, "job", 5):
        await trio.sleep(300)  # and is still waited for
    with pytest.raises(TransientError, match="not answered in 80 s"):
        async with desk.turn(1, "job", 5):
            await trio.sleep_forever()
    async with desk.turn(1, "other"):
        await trio.sleep(10_000)
