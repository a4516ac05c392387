"""Before a start some items are tried: the client picks the shapes that estimates stand on."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace as replace_info
from trio.testing import MockClock

from protocol.engines.worker.interface import CheckArgs, ProgramInfo, RunProgress, RunResult, to_wire
from protocol.runtime.child import ChildOutOfMemoryError
from protocol.types import GavelError, InputError, TransientError
from provider_node.executors.executor import Job
from provider_node.executors.tape import TapeExecutor, TapeOptions
from tests.strategies.provider import SPEC

pytestmark = pytest.mark.trio

INFO = ProgramInfo(bytes(32), (), (), 1, 0, 1, 1, 1, 1, 1, 0.5, 9.0, 1)


async def at_once() -> None:
    return


class Worker:
    """Items take two seconds; the first of each child one more, for its plan."""

    def __init__(
        self, fault: GavelError | None = None, after: Callable[[], Awaitable[None]] = at_once
    ) -> None:
        self.fault, self.after = fault, after
        self.ran: list[int] = []
        self.info = INFO

    async def call(self, op: str, args: Any, on_progress: Callable[[Any], None] | None = None) -> Any:
        if op == CheckArgs.OP:
            return to_wire(self.info)
        assert on_progress is not None
        await self.after()
        if self.fault is not None:
            raise self.fault
        wall = 0.0 if self.ran else 1.0
        count = args["count"]
        self.ran.append(count)
        for done in range(1, count + 1):
            wall += 2.0
            on_progress(to_wire(RunProgress(done, count, 0, wall)))
        return to_wire(RunResult(bytes(32), count, 0, wall, wall, 1))


async def tried(worker: Any, items: int) -> int:
    job = Job(replace(SPEC, item_count=items), Path("program"), Path("inputs"), "cpu")
    return (await TapeExecutor(worker, TapeOptions(1, 1, {})).check(job)).item_ms


@pytest.mark.parametrize(("items", "runs"), [(1, [1, 1]), (2, [2]), (3, [3]), (4, [4]), (9, [4])])
async def test_however_few_items_a_job_has_some_are_tried(items: int, runs: list[int]) -> None:
    worker = Worker()
    assert await tried(worker, items) == 2_000, "the plan is not counted"
    assert worker.ran == runs


@pytest.mark.parametrize("items", [1, 4])
@pytest.mark.parametrize(("late", "kind"), [(True, InputError), (False, TransientError)])
async def test_items_that_go_on_far_longer_than_estimated_are_refused_before_the_start(
    items: int, late: bool, kind: type[GavelError], autojump_clock: MockClock
) -> None:
    """What is over its limit would be again; what fails otherwise may not."""

    async def after() -> None:
        await trio.sleep(121 if late else 119)

    with pytest.raises(kind, match="the time limit of 120 s is over" if late else "it died"):
        await tried(Worker(TransientError("it died"), after), items)


async def test_a_run_of_many_small_items_is_not_ended_as_hung(autojump_clock: MockClock) -> None:
    """Each takes half a millisecond on a busy machine for its root, its place in files and its report."""
    count = 1 << 10

    async def after() -> None:
        await trio.sleep(120 + count * 4 * 0.5e-3)

    worker: Any = Worker(after=after)
    worker.info = replace_info(INFO, item_seconds_worst=1e-6)
    job = Job(replace(SPEC, item_count=count), Path("program"), Path("inputs"), "cpu")
    await TapeExecutor(worker, TapeOptions(1, 1, {})).run(job, Path("out"), lambda *_: None)


async def test_reading_a_program_counts_against_no_items_limit(autojump_clock: MockClock) -> None:
    async def after() -> None:
        await trio.sleep(120 + 4 * 40)

    worker: Any = Worker(after=after)
    worker.info = replace_info(INFO, read_seconds=30.0, plan_seconds=11.0)
    assert await tried(worker, 4) == 2_000


async def test_too_little_memory_is_found_out_before_the_start() -> None:
    with pytest.raises(InputError, match="memory"):
        await tried(Worker(ChildOutOfMemoryError("too little memory")), 1)
