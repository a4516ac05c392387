"""Before a start some items are tried: the client picks the shapes that estimates stand on."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replace_info

from protocol.engines.worker.interface import CheckArgs, ProgramInfo, RunProgress, RunResult, to_wire
from protocol.runtime.child import ChildOutOfMemoryError
from protocol.types import GavelError, InputError, TransientError
from provider_node.executors import tape
from provider_node.executors.executor import Job
from provider_node.executors.tape import TapeExecutor, TapeOptions
from tests.strategies.provider import SPEC

pytestmark = pytest.mark.trio

INFO = ProgramInfo(bytes(32), (), (), 1, 0, 1, 1, 1, 1, 1, 0.5, 9.0, 1)


class Worker:
    """Items take two seconds; the first of each child one more, for its plan."""

    def __init__(self, fault: GavelError | None = None, after: Callable[[], None] = lambda: None) -> None:
        self.fault, self.after = fault, after
        self.ran: list[int] = []
        self.limits: list[float] = []
        self.info = INFO

    async def call(self, op: str, args: Any, on_progress: Callable[[Any], None] | None = None) -> Any:
        if op == CheckArgs.OP:
            return to_wire(self.info)
        assert on_progress is not None
        if self.fault is not None:
            self.after()
            raise self.fault
        wall = 0.0 if self.ran else 1.0
        count = args["count"]
        self.ran.append(count)
        self.limits.append(args["time_limit"])
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
    monkeypatch: pytest.MonkeyPatch, items: int, late: bool, kind: type[GavelError]
) -> None:
    """What is over its limit would be again; what fails otherwise may not."""
    clock = [100.0]
    monkeypatch.setattr(tape, "time", type("Clock", (), {"monotonic": staticmethod(lambda: clock[0])}))

    def after() -> None:
        clock[0] += 120.0 if late else 119.0

    with pytest.raises(kind, match="the time limit of 120 s is over"):
        await tried(Worker(TransientError("the time limit of 120 s is over"), after), items)


async def test_a_run_of_many_small_items_is_not_ended_as_hung() -> None:
    """Each takes half a millisecond on a busy machine for its root, its place in files and its report."""
    worker: Any = Worker()
    worker.info = replace_info(INFO, item_seconds_worst=1e-6)
    count = 1 << 10
    job = Job(replace(SPEC, item_count=count), Path("program"), Path("inputs"), "cpu")
    await TapeExecutor(worker, TapeOptions(1, 1, {})).run(job, Path("out"), lambda *_: None)
    assert worker.limits[0] > 120 + count * 4 * 0.5e-3


async def test_too_little_memory_is_found_out_before_the_start() -> None:
    with pytest.raises(InputError, match="memory"):
        await tried(Worker(ChildOutOfMemoryError("too little memory")), 1)
