"""Runs of disputed items: the nearest deadline first, and no lease starves another."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio
import trio.testing

from protocol.engines.worker.dispute_records import Item, OpenTraceResult
from protocol.games.line import Line
from protocol.runtime.child import ChildUnreadableError
from protocol.types import BlockNo, InputError, LeaseId, TransientError
from provider_node.defence.runs import Runs
from provider_node.defence.schedule import Name
from provider_node.defence.shelf import Shelf

pytestmark = pytest.mark.trio

A, B = LeaseId(b"a" * 32), LeaseId(b"b" * 32)


@dataclass
class Bench:
    """Executes an item until the test lets it end. Items are known, and take `needs` each."""

    needs: dict[LeaseId, int] = field(default_factory=dict)
    block_ms: int = 1_000
    memory: int = 5
    begun: list[tuple[str, int]] = field(default_factory=list)
    ends: dict[str, trio.Event] = field(default_factory=dict)
    fault: Exception | None = None
    at_work: int = 0
    rested: int = 0
    read: list[str] = field(default_factory=list)
    """Of which leases items were looked up."""
    readable: trio.Event | None = None
    """When a look-up ends; None: at once."""
    held: list[str] = field(default_factory=list)
    """Every time that jobs were told to wait, since they last went on."""

    async def numbered(self, lease: LeaseId, item: int, blocks: int = 0, doubts: int = 0) -> Item:
        self.read.append(lease[:1].decode())
        if self.readable is not None:
            await self.readable.wait()
        return Item(lease.hex(), "", item, time_limit=blocks)

    def needs_ms(self, lease: LeaseId) -> int:
        return self.needs.get(lease, 1_000)

    longest_ms = needs_ms

    def memory_of(self, lease: LeaseId) -> int:
        return self.memory

    async def mended(self, lease: LeaseId) -> bool:
        self.read.append(f"whole {lease[:1].decode()}")
        return True

    def end(self, lease: LeaseId, item: int) -> trio.Event:
        return self.ends.setdefault(f"{lease.hex()}{item}", trio.Event())

    async def build(self, item: Item, path: Path) -> OpenTraceResult:
        lease = LeaseId(bytes.fromhex(item.program_path))
        assert not self.at_work, "one at a time"
        self.at_work += 1
        self.begun.append((lease[:1].decode(), item.item))
        try:
            if self.fault is not None:
                raise self.fault
            await self.end(lease, item.item).wait()
            path.write_bytes(b"trace")
            return OpenTraceResult(b"", b"", 0.001, 5)
        finally:
            self.at_work -= 1

    def hold(self, device: str) -> None:
        self.held.append(device)

    def go_on(self) -> None:
        self.held.clear()

    def rest(self) -> None:
        self.rested += 1


@dataclass
class World:
    bench: Bench
    runs: Runs
    nursery: trio.Nursery
    height: int = 100
    built: list[Name] = field(default_factory=list)

    def want(self, lease: LeaseId, item: int, deadline: int) -> trio.CancelScope:
        scope = trio.CancelScope()

        async def wait() -> None:
            with scope:
                await self.runs.built((lease, item), BlockNo(deadline))
                self.built.append((lease, item))

        self.nursery.start_soon(wait)
        return scope

    def waiters(self, lease: LeaseId, item: int) -> int:
        wanted = self.runs._wanted.get((lease, item))
        return len(wanted.deadlines) if wanted else 0

    async def until(self, holds: Callable[[], bool]) -> None:
        with trio.fail_after(60):
            while not holds():
                await trio.sleep(0.005)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@asynccontextmanager
async def opened(
    bench: Bench, folder: Path, room: int = 1 << 30, line: Line | None = None
) -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        shelf = Shelf(folder / "traces", room)
        world = World(bench, None, nursery)  # type: ignore[arg-type]
        world.runs = Runs(bench, bench, shelf, lambda: BlockNo(world.height), bench, line=line)
        nursery.start_soon(world.runs.run)
        yield world
        nursery.cancel_scope.cancel()


async def test_a_thousand_items_of_one_lease_do_not_starve_the_item_of_another(bench, tmp_path) -> None:
    """All of the one are challenged first. The other's is executed as soon as the run under way is over."""
    async with opened(bench, tmp_path) as world:
        world.want(A, 0, 5_000)
        await world.until(lambda: bench.begun == [("a", 0)])
        for item in range(1, 1_000):
            world.want(A, item, 5_000 + item)
        await world.until(lambda: world.runs.waiting == 1_000)
        world.want(B, 7, 200)
        await world.until(lambda: world.runs.waiting == 1_001)
        bench.end(A, 0).set()
        bench.end(B, 7).set()
        await world.until(lambda: (B, 7) in world.built)
        assert bench.begun[:2] == [("a", 0), ("b", 7)]


async def test_a_long_run_gives_way_to_one_that_would_be_late_and_is_made_again(bench, tmp_path) -> None:
    bench.needs = {A: 3_600_000, B: 10_000}
    async with opened(bench, tmp_path) as world:
        world.want(A, 0, 100 + 5 * 3_600)
        await world.until(lambda: bench.begun == [("a", 0)])
        world.want(B, 0, 100 + 60)
        await world.until(lambda: bench.begun == [("a", 0), ("b", 0)])
        bench.end(B, 0).set()
        bench.end(A, 0).set()
        await world.until(lambda: world.built == [(B, 0), (A, 0)])
        assert bench.begun == [("a", 0), ("b", 0), ("a", 0)]


async def test_time_alone_can_make_a_run_give_way(bench, tmp_path) -> None:
    bench.needs = {A: 20_000, B: 10_000}
    async with opened(bench, tmp_path) as world:
        world.want(A, 0, 1_000)
        await world.until(lambda: bench.begun == [("a", 0)])
        world.want(B, 0, 200)
        await world.until(lambda: world.runs.waiting == 2)
        world.height = 175  # it takes longer than it was expected to
        await world.until(lambda: bench.begun == [("a", 0), ("b", 0)])


async def test_no_run_gives_way_where_it_could_not_be_made_again(bench, tmp_path) -> None:
    """Else whoever challenges short items all the time could keep a long one from being executed."""
    bench.needs = {A: 600_000, B: 10_000}
    async with opened(bench, tmp_path) as world:
        world.want(A, 0, 100 + 605)
        await world.until(lambda: bench.begun == [("a", 0)])
        world.want(B, 0, 100 + 60)
        await world.until(lambda: world.runs.waiting == 2)
        await trio.sleep(0.6)  # a look
        bench.end(A, 0).set()
        await world.until(lambda: bench.begun == [("a", 0), ("b", 0)])


async def test_what_is_built_waits_for_no_run(bench, tmp_path) -> None:
    async with opened(bench, tmp_path) as world:
        bench.end(A, 0).set()
        world.want(A, 0, 500)
        await world.until(lambda: world.built == [(A, 0)])
        world.want(A, 1, 500)
        await world.until(lambda: bench.begun == [("a", 0), ("a", 1)])
        world.want(A, 0, 900)
        world.want(A, 0, 900)
        await world.until(lambda: world.built == [(A, 0)] * 3)
        assert bench.at_work == 1


async def test_one_run_serves_all_games_of_an_item_by_the_nearest_of_their_deadlines(bench, tmp_path) -> None:
    async with opened(bench, tmp_path) as world:
        world.want(B, 9, 150)
        await world.until(lambda: bench.begun == [("b", 9)])
        world.want(A, 0, 900)
        world.want(B, 0, 500)
        world.want(A, 0, 400)
        await world.until(lambda: world.runs.waiting == 3 and world.waiters(A, 0) == 2)
        for lease, item in ((B, 9), (A, 0), (B, 0)):
            bench.end(lease, item).set()
        await world.until(lambda: len(world.built) == 4)
        assert bench.begun == [("b", 9), ("a", 0), ("b", 0)]


async def test_a_run_that_nobody_waits_for_any_more_is_ended(bench, tmp_path) -> None:
    async with opened(bench, tmp_path) as world:
        first, second = world.want(A, 0, 500), world.want(A, 0, 600)
        await world.until(lambda: bench.begun == [("a", 0)] and world.waiters(A, 0) == 2)
        first.cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert bench.at_work == 1
        second.cancel()
        await world.until(lambda: not bench.at_work)
        assert world.runs.waiting == 0


async def test_what_is_asked_for_without_waiting_ends_with_its_deadline(bench, tmp_path) -> None:
    async with opened(bench, tmp_path) as world:
        assert await world.runs.asked((A, 0), BlockNo(120)) is None
        await world.until(lambda: bench.begun == [("a", 0)])
        world.height = 121
        await world.until(lambda: world.runs.waiting == 0)
        bench.end(A, 0).set()
        assert await world.runs.asked((A, 0), BlockNo(160)) is None
        await world.until(lambda: world.runs.waiting == 0)
        assert await world.runs.asked((A, 0), BlockNo(160)) == world.runs.shelf.path((A, 0))


async def test_a_job_that_the_disk_cannot_read_is_looked_at_and_leaves_nothing_half_written(
    bench: Bench, tmp_path: Path
) -> None:
    bench.fault = ChildUnreadableError("check the disk")
    async with opened(bench, tmp_path) as world:
        part = world.runs.shelf.path((A, 0)).with_name(world.runs.shelf.path((A, 0)).name + ".part")
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(b"half")
        with pytest.raises(ChildUnreadableError):
            await world.runs.built((A, 0), BlockNo(500))
        assert bench.read == ["a", "whole a"]
        assert not part.exists()
        # Nor does a run that gives way.
        bench.fault = None
        waiting = world.want(A, 1, 500)
        await world.until(lambda: bench.at_work == 1)
        other = part.with_name(part.name.replace("-0.", "-1."))
        other.write_bytes(b"half")
        waiting.cancel()
        await world.until(lambda: bench.at_work == 0 and not other.exists())


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (InputError("too large", "more memory"), InputError),
        (TransientError("the child died"), TransientError),
        (KeyError("a bug"), TransientError),
    ],
)
async def test_a_run_that_fails_fails_for_its_waiters_alone(bench, tmp_path, fault, error) -> None:
    bench.fault = fault
    async with opened(bench, tmp_path) as world:
        for _ in range(2):
            with pytest.raises(error):
                await world.runs.built((A, 0), BlockNo(500))
        bench.fault = None
        bench.end(B, 0).set()
        assert (await world.runs.built((B, 0), BlockNo(500))).exists()


async def test_traces_go_with_their_lease(bench, tmp_path) -> None:
    async with opened(bench, tmp_path) as world:
        for lease in (A, B):
            bench.end(lease, 0).set()
            await world.runs.built((lease, 0), BlockNo(500))
        await world.runs.asked((A, 1), BlockNo(500))
        await world.runs.keep([B])
        assert world.runs.shelf.names() == [(B, 0)]
        await world.until(lambda: not bench.at_work)
        await world.runs.keep([])
        assert list((tmp_path / "traces").iterdir()) == []


async def test_the_disk_is_bounded_and_what_was_used_last_stays(bench, tmp_path) -> None:
    async with opened(bench, tmp_path, room=10) as world:
        for item in range(4):
            bench.end(A, item).set()
            await world.runs.built((A, item), BlockNo(500))
            await world.runs.built((A, 0), BlockNo(500))
        assert sorted(world.runs.shelf.names()) == [(A, 0), (A, 2), (A, 3)]


async def test_traces_of_an_earlier_life_are_found_and_halves_are_not(bench, tmp_path) -> None:
    folder = tmp_path / "traces"
    folder.mkdir()
    (folder / f"{A.hex()}-3.trace").write_bytes(b"trace")
    (folder / f"{A.hex()}-4.trace.part").write_bytes(b"tra")
    async with opened(bench, tmp_path) as world:
        assert (await world.runs.built((A, 3), BlockNo(500))).exists()
        assert bench.begun == []
        await world.until(lambda: len(list(folder.iterdir())) == 1)


async def test_jobs_on_the_same_kind_of_device_wait_while_an_item_is_executed(bench, tmp_path) -> None:
    """A clock is reckoned for the whole machine. Jobs that begin during the run are held as well."""
    async with opened(bench, tmp_path) as world:
        world.want(A, 0, 1_000)
        await world.until(lambda: len(bench.held) > 1)
        assert set(bench.held) == {"cpu"}
        bench.end(A, 0).set()
        await world.until(lambda: world.built == [(A, 0)])
        await world.until(lambda: not bench.held)
        bench.fault = InputError("broken")
        with pytest.RaisesGroup(InputError, allow_unwrapped=True):
            await world.runs.built((B, 0), BlockNo(1_000))
        await world.until(lambda: not bench.held)


async def test_a_run_that_hangs_is_ended_and_told_to_who_waits(
    bench, tmp_path, autojump_clock: trio.testing.MockClock
) -> None:
    async with opened(bench, tmp_path) as world:
        with pytest.raises(TransientError, match="not answered in 64 s"):
            await world.runs.built((A, 0), BlockNo(10_000))
        bench.end(A, 0).set()
        assert (await world.runs.built((A, 0), BlockNo(10_000))).exists()
        assert bench.begun == [("a", 0), ("a", 0)]


async def test_a_run_waits_for_the_memory_of_an_audit_and_the_most_urgent_item_is_next(
    bench, tmp_path
) -> None:
    line = Line(memory=10)
    async with opened(bench, tmp_path, line=line) as world:
        async with line.place(50, takes=6):
            world.want(A, 0, 9_000)
            await world.until(lambda: bool(line._waiting))
            world.want(B, 0, 8_000)
            await world.until(lambda: [due for due, _ in line._waiting.values()] == [8_000])
            assert not bench.begun
            assert not bench.held, "jobs go on meanwhile"
        await world.until(lambda: bench.begun == [("b", 0)])
        bench.end(B, 0).set()
        bench.end(A, 0).set()
        await world.until(lambda: world.built == [(B, 0), (A, 0)])
        assert not line._inside


async def test_a_child_without_a_place_keeps_no_memory(bench, tmp_path) -> None:
    """It holds what it ran last, and others have places meanwhile."""
    line = Line(memory=10)
    async with opened(bench, tmp_path, line=line) as world:
        world.want(A, 0, 9_000)
        await world.until(lambda: bench.begun == [("a", 0)])
        world.want(A, 1, 9_000)
        await world.until(lambda: world.runs.waiting == 2)
        bench.end(A, 0).set()
        await world.until(lambda: bench.begun == [("a", 0), ("a", 1)])
        assert bench.rested == 0, "the next item needs it"
        world.want(A, 2, 9_500)
        await world.until(lambda: world.runs.waiting == 2)
        async with trio.open_nursery() as nursery:

            async def audited() -> None:
                async with line.place(9_200, takes=6):
                    await trio.sleep_forever()

            nursery.start_soon(audited)
            await world.until(lambda: bool(line._waiting))
            bench.end(A, 1).set()
            await world.until(lambda: [due for due, _ in line._waiting.values()] == [9_500])
            assert bench.rested == 1
            nursery.cancel_scope.cancel()
        bench.end(A, 2).set()
        await world.until(lambda: len(world.built) == 3)
        await world.until(lambda: bench.rested == 2)


async def test_an_item_that_is_due_sooner_meanwhile_waits_in_its_new_place(bench, tmp_path) -> None:
    """A second game about it: audits that are due in between must not go first."""
    line = Line(memory=10)
    async with opened(bench, tmp_path, line=line) as world:
        async with line.place(50, takes=6):
            world.want(A, 0, 9_000)
            await world.until(lambda: [due for due, _ in line._waiting.values()] == [9_000])
            world.want(A, 0, 300)
            await world.until(lambda: [due for due, _ in line._waiting.values()] == [300])
        bench.end(A, 0).set()
        await world.until(lambda: world.built == [(A, 0), (A, 0)])
        assert bench.begun == [("a", 0)]


async def test_a_run_is_not_begun_anew_for_the_deadline_of_the_one_before(bench, tmp_path) -> None:
    """Its job may take long to be read: it would be read again at every look, and never run."""
    async with opened(bench, tmp_path) as world:
        bench.end(A, 0).set()
        world.want(A, 0, 9_000)
        await world.until(lambda: world.built == [(A, 0)])
        bench.readable = trio.Event()
        world.want(B, 0, 8_000)
        await world.until(lambda: bench.read == ["a", "b"])
        world.want(A, 1, 9_000)
        await world.until(lambda: world.runs.waiting == 2)  # which is looked at
        await trio.testing.wait_all_tasks_blocked()
        bench.readable.set()
        await world.until(lambda: bench.begun == [("a", 0), ("b", 0)])
        assert bench.read == ["a", "b"]


async def test_an_audit_of_a_small_item_runs_beside_a_game(bench, tmp_path) -> None:
    line = Line(memory=10)
    async with opened(bench, tmp_path, line=line) as world:
        world.want(A, 0, 9_000)
        await world.until(lambda: bench.begun == [("a", 0)])
        assert not line.is_full_for(10_000, takes=5)
        assert line.is_full_for(10_000, takes=6)
        bench.end(A, 0).set()
