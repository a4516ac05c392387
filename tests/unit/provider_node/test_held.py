"""A job that waits for a challenged item is not taken for one whose inputs are slow, or that hangs."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from protocol.engines.worker.interface import CheckArgs, ProgramInfo, RunResult, to_wire
from protocol.types import TransientError
from provider_node.executors.executor import Job
from provider_node.executors.held import Held, TooLongError
from provider_node.executors.tape import TapeExecutor, TapeOptions
from tests.strategies.provider import SPEC

pytestmark = pytest.mark.trio

INFO = ProgramInfo(bytes(32), (), (), 1, 0, 1, 1, 1, 1, 1, 0.5, 9.0, 1)
JOB = Job(replace(SPEC, item_count=3), Path("program"), Path("inputs"), "cpu", item_ms=1_000)


LIMIT_S = 120 + 4 * 3 * 9.002
"""Of the run of that job."""


async def nothing() -> None:
    return


class Worker:
    """A child that takes a second for each item; something may happen during the second one."""

    def __init__(self) -> None:
        self.during: Callable[[], Awaitable[None]] = nothing
        self.stopped = False

    def hold(self) -> bool:
        self.stopped = True
        return True

    def go_on(self) -> None:
        self.stopped = False

    async def call(self, op: str, args: Any, on_progress: Callable[[Any], None] | None = None) -> Any:
        if op == CheckArgs.OP:
            return to_wire(INFO)
        assert on_progress is not None
        began, count = trio.current_time(), args["count"]
        for number in range(count):
            await trio.sleep(1)
            if number == 1:
                await self.during()
            wall = trio.current_time() - began
            on_progress({"done": number + 1, "total": count, "resumed": 0, "wall_seconds": wall})
        return to_wire(RunResult(bytes(32), count, 0, 1.0, wall, 1))


@pytest.fixture
def worker() -> Any:
    return Worker()


@pytest.fixture
def executor(worker: Any) -> TapeExecutor:
    return TapeExecutor(worker, TapeOptions(1, 1, {}))


async def run(executor: TapeExecutor, job: Job = JOB) -> int:
    return (await executor.run(job, Path("out"), lambda *_: None)).over_ms


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
async def test_the_time_for_which_a_job_is_held_is_not_its_items(
    worker: Worker, executor: TapeExecutor, kind: str, autojump_clock: MockClock
) -> None:
    async def during() -> None:
        executor.hold(kind)
        executor.hold(kind)
        assert worker.stopped == (kind == "cpu"), "jobs on another kind of device go on"
        await trio.sleep(40)
        executor.go_on()
        assert not worker.stopped

    worker.during = during
    assert await run(executor) == (0 if kind == "cpu" else 40_000)


@pytest.mark.parametrize("work", ["run", "check"])
async def test_the_time_for_which_a_job_is_held_counts_against_no_limit(
    worker: Worker, executor: TapeExecutor, work: str, autojump_clock: MockClock
) -> None:
    async def during() -> None:
        for _ in range(2):
            executor.hold("cpu")
            await trio.sleep(LIMIT_S)
            executor.go_on()

    worker.during = during
    if work == "run":
        assert await run(executor) == 0
    else:
        assert (await executor.check(JOB)).item_ms == 1_000


async def test_one_that_was_held_is_still_ended_once_its_own_time_is_over(
    worker: Worker, executor: TapeExecutor, autojump_clock: MockClock
) -> None:
    async def during() -> None:
        executor.hold("cpu")
        await trio.sleep(3_600)
        executor.go_on()
        await trio.sleep_forever()

    worker.during = during
    with pytest.raises(TransientError, match=r"the time limit of 228\.024 s is over"):
        await run(executor)
    assert trio.current_time() == pytest.approx(3_600 + LIMIT_S)


async def test_a_limit_that_begins_while_work_is_held_has_all_its_time_afterwards(
    autojump_clock: MockClock,
) -> None:
    """The child was stopped after its last answer, and before the next call."""
    held, began = Held(), trio.current_time()

    async def hangs() -> None:
        with held.within(120):
            await trio.sleep(3_600)
            held.give_back()
            await trio.sleep_forever()

    with held.within(9), trio.move_on_after(7):
        held.begin()
        await trio.sleep_forever()
    held.give_back()
    held.begin()
    with pytest.raises(TooLongError):
        await hangs()
    assert trio.current_time() - began == pytest.approx(7 + 3_600 + 120)


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
async def test_none_begins_while_its_device_is_taken(
    executor: TapeExecutor, kind: str, autojump_clock: MockClock
) -> None:
    executor.hold(kind)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, executor)
        await trio.sleep(50)
        executor.go_on()
    took = trio.current_time() - began
    assert took == pytest.approx(53 if kind == "cpu" else 50)
