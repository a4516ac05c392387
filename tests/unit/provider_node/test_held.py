"""A job that waits for a challenged item is not taken for one whose inputs are slow."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.engines.worker.interface import CheckArgs, ProgramInfo, RunResult, to_wire
from provider_node.executors import tape
from provider_node.executors.executor import Job
from provider_node.executors.tape import TapeExecutor, TapeOptions
from tests.strategies.provider import SPEC

pytestmark = pytest.mark.trio

INFO = ProgramInfo(bytes(32), (), (), 1, 0, 1, 1, 1, 1, 1, 0.5, 9.0, 1)
JOB = Job(replace(SPEC, item_count=3), Path("program"), Path("inputs"), "cpu", item_ms=1_000)


class Worker:
    """A child that takes a second for each item; it may be stopped during the second one."""

    def __init__(self) -> None:
        self.during: Callable[[], None] = lambda: None
        self.waited_s = 0.0
        self.stopped = False

    def hold(self) -> bool:
        self.stopped = True
        return True

    def go_on(self) -> None:
        self.stopped = False

    async def call(self, op: str, _: Any, on_progress: Callable[[Any], None] | None = None) -> Any:
        if op == CheckArgs.OP:
            return to_wire(INFO)
        assert on_progress is not None
        for number in range(3):
            if number == 1:
                self.during()
            wall = number + 1 + (self.waited_s if number else 0.0)
            on_progress({"done": number + 1, "total": 3, "resumed": 0, "wall_seconds": wall})
        return to_wire(RunResult(bytes(32), 3, 0, 1.0, 3.0, 1))


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
async def test_the_time_for_which_a_job_is_held_is_not_its_items(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    clock = [100.0]
    monkeypatch.setattr(tape, "time", type("Clock", (), {"monotonic": staticmethod(lambda: clock[0])}))
    worker: Any = Worker()
    executor = TapeExecutor(worker, TapeOptions(1, 1, {}))

    def during() -> None:
        executor.hold(kind)
        executor.hold(kind)
        assert worker.stopped == (kind == "cpu"), "jobs on another kind of device go on"
        clock[0] += 40
        executor.go_on()
        assert not worker.stopped

    worker.during, worker.waited_s = during, 40.0
    output = await executor.run(JOB, Path("out"), lambda *_: None)
    assert output.over_ms == (0 if kind == "cpu" else 40_000)
