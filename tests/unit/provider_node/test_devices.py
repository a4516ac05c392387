"""Which devices a provider measures and offers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.engines.worker.interface import (
    CalibrateArgs,
    CheckArgs,
    DevicesArgs,
    DevicesResult,
    ProgramInfo,
    Rehearsed,
    RunProgress,
    RunResult,
    Speed,
    from_wire,
    to_wire,
)
from protocol.runtime.child import ChildFaultError
from protocol.types import GavelError, InputError
from provider_node.executors.executor import Job
from provider_node.executors.tape import TapeExecutor, TapeOptions, chosen
from tests.strategies.provider import SPEC

GIB = 1 << 30
OPTIONS = TapeOptions(threads=1, memory=16 * GIB, milliwatts={"cpu": 1, "cuda": 2}, gpus=True)


class Worker:
    """Answers as a worker with two GPUs, the second of which fails."""

    def __init__(self, fault: GavelError | None = None) -> None:
        self.fault, self.killed = fault, 0

    async def call(self, op: str, args: dict[str, Any]) -> dict[str, Any]:
        if op == DevicesArgs.OP:
            return to_wire(DevicesResult(("cpu", "cuda:0", "cuda:1")))
        assert op == CalibrateArgs.OP
        if args["device"] == "cuda:1" and self.fault is not None:
            raise self.fault
        memory = 0 if args["device"] == "cpu" else 8 * GIB
        return to_wire(Speed(args["device"], 1, 10.0, 10.0, 80.0, memory))

    def kill(self) -> None:
        self.killed += 1


def executor(worker: Worker, **changes: Any) -> TapeExecutor:
    options = {"threads": 1, "memory": 16 * GIB, "milliwatts": OPTIONS.milliwatts, "gpus": True} | changes
    return TapeExecutor(worker, TapeOptions(**options))  # type: ignore[arg-type]


@pytest.mark.trio
async def test_a_gpu_offers_its_own_memory_and_the_processor_the_process_s() -> None:
    found = await executor(Worker()).calibrate()
    assert [(each.name, each.memory_bytes >> 30) for each in found] == [
        ("cpu", 16),
        ("cuda:0", 8),
        ("cuda:1", 8),
    ]


@pytest.mark.trio
@pytest.mark.parametrize("fault", [ChildFaultError("other bits"), InputError("too old")])
async def test_a_gpu_that_fails_is_left_out_and_the_worker_started_again(fault: GavelError) -> None:
    worker = Worker(fault)
    found = await executor(worker).calibrate()
    assert [each.name for each in found] == ["cpu", "cuda:0"]
    assert worker.killed == 1


@pytest.mark.trio
async def test_a_gpu_that_was_named_and_fails_stops_the_provider() -> None:
    with pytest.raises(InputError, match="other bits"):
        await executor(Worker(ChildFaultError("other bits")), devices=("cuda:1",)).calibrate()


def test_named_devices_are_the_only_ones_and_must_be_there() -> None:
    found = ("cpu", "cuda:0", "cuda:1")
    assert chosen(found, OPTIONS) == found
    named = TapeOptions(1, GIB, {}, gpus=True, devices=("cuda:1",))
    assert chosen(found, named) == ("cuda:1",)
    with pytest.raises(InputError, match="no device 'cuda:1' here; there is cpu"):
        chosen(("cpu",), named)
    without = TapeOptions(1, GIB, {}, gpus=False)
    assert chosen(found, without) == ("cpu",)


class SlowWorker(Worker):
    """Runs three items, of which the second takes long."""

    async def call(self, op: str, args: dict[str, Any], on_progress: Any = None) -> dict[str, Any]:
        if op == CheckArgs.OP:
            info = dict.fromkeys(ProgramInfo.__struct_fields__, 0)
            return {**info, "program_root": b"", "inputs": (), "outputs": ()}
        for done, wall in enumerate((0.5, 9.5, 10.0), 1):
            on_progress(to_wire(RunProgress(done, 3, 0, wall)))
        return to_wire(RunResult(bytes(32), 3, 0, 1.0, 10.0, 1))


@pytest.mark.trio
@pytest.mark.parametrize(("item_ms", "over"), [(0, 0), (3_000, 6_000), (400, 8_800), (20_000, 0)])
async def test_it_is_known_by_how_much_items_took_longer_than_is_easily_defended(
    item_ms: int, over: int
) -> None:
    job = Job(replace(SPEC, item_count=3), Path("p"), Path("i"), "cpu", item_ms, slow_ms=400)
    found = await executor(SlowWorker()).run(job, Path("o"), lambda _, __: None)
    assert (found.over_ms, found.slow_ms) == (over, 8_800)
    kept = await executor(SlowWorker()).run(replace(job, slow_ms=0), Path("o"), lambda _, __: None)
    assert (kept.over_ms, kept.slow_ms) == (over, 0)


class PlanningWorker(Worker):
    """Notes what it is asked to rehearse."""

    async def call(self, op: str, args: dict[str, Any], on_progress: Any = None) -> dict[str, Any]:
        if op != CheckArgs.OP:
            return await super().call(op, args)
        self.engines = from_wire(args, CheckArgs).engines
        info = dict.fromkeys(ProgramInfo.__struct_fields__, 0)
        times = {"item_seconds": 9.0, "read_seconds": 0.5, "plan_seconds": 2.0}
        return {**info, **times, "program_root": b"", "inputs": (), "outputs": ()}


@pytest.mark.trio
async def test_whatever_may_run_or_trace_a_job_is_planned_before_it_is_accepted() -> None:
    job = Job(replace(SPEC, item_count=2), Path("p"), Path("i"), "cuda:0")
    worker = PlanningWorker()
    known = executor(worker, threads=3, trace_threads=8)
    await known.calibrate()
    found = await known.check(job)
    assert (found.reading_ms, found.run_ms) == (2_500, 20_000)
    memory = 8 * GIB
    runs, last = Rehearsed("cuda:0", 3, False, memory), Rehearsed("cpu", 8, True)
    assert worker.engines == (runs, Rehearsed("cuda:0", 8, True, memory), last)
    await executor(worker, threads=3, trace_threads=8, trace_device="cpu").check(job)
    assert worker.engines == (Rehearsed("cuda:0", 3, False), last)
