"""What is an attempt at a job, of which there are few, and what is none."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from protocol.games.line import Line
from protocol.lease.provider_types import DidNotRun, RunItems
from protocol.runtime.child import ChildDiedError, ChildUnreadableError
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Context
from protocol.types import LeaseId, TransientError
from provider_node.jobs import Jobs
from provider_node.workers import Workers
from tests.strategies.provider import fresh

pytestmark = pytest.mark.trio

CONTEXT = Context(MachineId("lease", bytes(32)), bytes(32), 0)
NOTHING: Any = None
LEASE = LeaseId(bytes(32))


class World:
    """Jobs whose runs die at once, beside challenged items that are executed for so many seconds."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, killed: bool = True) -> None:
        self.line, self.ran = Line(), list[float]()
        loop: Any = SimpleNamespace(state=lambda _: fresh())
        self.jobs = Jobs(loop, NOTHING, NOTHING, NOTHING, NOTHING, folder, None, running=self.line)

        async def died(*_: object) -> Any:
            self.ran.append(trio.current_time())
            fault = ChildDiedError("it died")
            fault.killed = killed
            raise fault

        monkeypatch.setattr(Jobs, "_executed", died)

    async def items(self, seconds: float) -> None:
        async with self.line.place(5):
            await trio.sleep(seconds)

    async def run(self, attempt: int = 1) -> DidNotRun:
        found = await self.jobs.run(RunItems(1, attempt), CONTEXT)
        assert isinstance(found, DidNotRun)
        return found


@pytest.mark.parametrize(("after", "until"), [(0, 310), (295, 310), (305, 310)])
async def test_a_job_that_is_killed_beside_challenged_items_loses_no_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, after: float, until: float
) -> None:
    """It is run again after them: it would be in their way."""
    world = World(tmp_path, monkeypatch)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.items, 300)
        await wait_all_tasks_blocked()
        await trio.sleep(after)
        with pytest.raises(ChildDiedError):
            await world.run()
        assert trio.current_time() - began == until


@pytest.mark.parametrize("killed", [True, False])
async def test_any_other_end_is_an_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock, killed: bool
) -> None:
    world = World(tmp_path, monkeypatch, killed=killed)
    await world.items(1)
    await trio.sleep(10 if killed else 0)
    assert not (await world.run()).final


async def test_attempts_do_not_follow_each_other_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    world = World(tmp_path, monkeypatch)
    began = trio.current_time()
    for attempt in (1, 2, 3):
        await world.run(attempt)
    assert [each - began for each in world.ran] == [0, 5, 15]


async def test_room_is_made_by_ending_all_jobs() -> None:
    ended = list[int]()
    executors: Any = [SimpleNamespace(stop=lambda slot=slot: ended.append(slot)) for slot in range(2)]
    Workers(executors).make_room()
    assert ended == [0, 1]


@pytest.mark.parametrize("damaged", [True, False])
async def test_a_job_that_a_child_cannot_read_is_looked_at_and_fetched_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    """Else each attempt would end over the same sector."""
    looked = list[bytes]()

    async def mended(lease: bytes, _: object) -> bool:
        looked.append(lease)
        return damaged

    async def unreadable(*_: object) -> Any:
        raise ChildUnreadableError("check the disk")

    files: Any = SimpleNamespace(mended=mended)
    monkeypatch.setattr(Jobs, "files", files, raising=False)
    monkeypatch.setattr(Jobs, "_execute", unreadable)
    jobs = Jobs(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, tmp_path, None)
    with pytest.raises(TransientError, match="fetched again" if damaged else "^check the disk"):
        await jobs._executed(LEASE, fresh())
    assert looked == [LEASE]
