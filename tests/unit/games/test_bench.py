"""Turns between tasks: who gives way is stopped, waits, and begins anew."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from protocol.games.bench import Bench
from protocol.games.turns import SHARE, Claim, Seats
from protocol.types import Address

pytestmark = pytest.mark.trio


def claim(due: int, owner: int = 1, window_s: float = 800.0) -> Claim:
    return Claim(Address(bytes([owner]) * 20), due, window_s)


class Jobs:
    """What works, in the order in which it began and ended."""

    def __init__(self, bench: Bench, nursery: trio.Nursery) -> None:
        self.bench, self.nursery = bench, nursery
        self.log, self.ends = list[str](), dict[str, trio.Event]()

    async def start(self, name: str, wanted: Claim) -> None:
        self.ends[name] = trio.Event()

        async def job() -> None:
            self.log.append(f"{name} begins")
            try:
                await self.ends[name].wait()
            except trio.Cancelled:
                self.log.append(f"{name} gives way")
                raise
            self.log.append(f"{name} ends")

        self.nursery.start_soon(self.bench.work, wanted, job)
        await wait_all_tasks_blocked()

    async def end(self, name: str) -> None:
        self.ends[name].set()
        await wait_all_tasks_blocked()


async def test_who_gives_way_is_done_again_when_there_is_room() -> None:
    async with trio.open_nursery() as nursery:
        jobs = Jobs(Bench(Seats(1, 1, 1 / 10)), nursery)
        await jobs.start("lure", claim(90))
        await jobs.start("soon", claim(10))
        assert set(jobs.log) == {"lure begins", "lure gives way", "soon begins"}
        await jobs.end("soon")
        await jobs.end("lure")
        assert jobs.log[3:] == ["soon ends", "lure begins", "lure ends"]


async def test_a_wait_ends_by_time_when_the_bench_is_looked_at(mock_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        jobs = Jobs(Bench(Seats(1, 2, 1 / 10)), nursery)
        await jobs.start("soon", claim(10))
        await jobs.start("late", claim(90))
        mock_clock.jump(79)
        jobs.bench.look(1)
        await wait_all_tasks_blocked()
        assert jobs.log == ["soon begins"]
        mock_clock.jump(1)
        jobs.bench.look(1)
        await wait_all_tasks_blocked()
        assert jobs.log == ["soon begins", "late begins"]
        nursery.cancel_scope.cancel()


async def test_what_ends_while_it_waits_takes_no_place() -> None:
    async with trio.open_nursery() as nursery:
        jobs = Jobs(Bench(Seats(1, 1, 1.0)), nursery)
        await jobs.start("first", claim(10))
        with trio.move_on_after(0):
            await jobs.bench.work(claim(20), trio.sleep_forever)
        await jobs.start("third", claim(30))
        await jobs.end("first")
        assert jobs.log == ["first begins", "first ends", "third begins"]
        nursery.cancel_scope.cancel()


async def test_room_is_made_by_whoever_has_to_give_way_and_once(mock_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        jobs = Jobs(Bench(Seats(4, 4, 0.0)), nursery)
        await jobs.start("lure", claim(10))
        mine = claim(20, owner=2)
        made = list[bool]()

        async def big() -> None:
            made.append(await jobs.bench.make_room(mine))
            mock_clock.jump(800 / SHARE)
            made.append(await jobs.bench.make_room(mine))
            assert jobs.log[-1] == "lure gives way", "it holds nothing any more"
            made.append(await jobs.bench.make_room(mine))

        await jobs.bench.work(mine, big)
        await wait_all_tasks_blocked()
        assert made == [False, True, False]
        assert jobs.log == ["lure begins", "lure gives way", "lure begins"]
        nursery.cancel_scope.cancel()


async def test_whoever_gave_way_after_its_share_makes_no_room(mock_clock: MockClock) -> None:
    """Two that are large could oust each other for ever."""
    async with trio.open_nursery() as nursery:
        jobs = Jobs(Bench(Seats(2, 2, 0.0)), nursery)
        mine, made, tries = claim(20, owner=2), list[bool](), list[float]()

        async def large() -> None:
            tries.append(trio.current_time())
            if len(tries) == 1:
                await trio.sleep_forever()
            made.append(await jobs.bench.make_room(mine))

        nursery.start_soon(jobs.bench.work, mine, large)
        await wait_all_tasks_blocked()
        mock_clock.jump(1)
        await jobs.start("other", claim(20))
        mock_clock.jump(800 / SHARE)
        await jobs.start("third", claim(10, owner=3))
        assert (len(tries), jobs.log) == (1, ["other begins", "third begins"]), "the large one gave way"
        await jobs.end("third")
        assert (len(tries), made) == (2, [False])
        assert jobs.log[2:] == ["third ends"], "and the other, which has had its share too, works on"
        nursery.cancel_scope.cancel()
