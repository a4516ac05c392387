"""Tape programs, in a child process: the daemon itself never loads a numerical library."""

import itertools
import logging
import math
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, ClassVar, TypeVar

import msgspec

from protocol.auction.bidding import DeviceSpeed
from protocol.engines.worker.interface import (
    RESULTS,
    CalibrateArgs,
    CheckArgs,
    DevicesArgs,
    DevicesResult,
    ProgramInfo,
    Rehearsed,
    RunArgs,
    RunProgress,
    RunResult,
    Speed,
    TensorInfo,
    from_wire,
    to_wire,
)
from protocol.runtime.child import Child, ChildFaultError, ChildOptions, open_child
from protocol.store.files import disk_errors
from protocol.tape import DType, TensorType
from protocol.tape.encoding import Items
from protocol.types import BrokenInvariant, Hash32, InputError, JobKind, TransientError, Verification
from provider_node.executors.executor import Job, Measured, Output, Progress
from provider_node.executors.held import Held, TooLongError

log = logging.getLogger(__name__)

WORKER = "protocol.engines.worker"
T = TypeVar("T")

_SLACK = 4
"""A run may take this many times what its inputs could at worst cost, then it is ended as hung."""
_FLOOR_S = 120.0
_ITEM_S = 2e-3
"""What an item may cost beside its arithmetic on a busy machine: its root, its place in files, its report."""
_IDLE_S = 20.0
"""A child holds numerical libraries in memory; starting another one takes about a second."""
_PROBE_ITEMS = 4
"""Most that are tried beforehand, in `_FLOOR_S` together."""
_PROBE_S = 5.0
"""Items that are estimated to take longer than this are not tried beforehand."""


@dataclass(frozen=True)
class TapeOptions:
    """How the child runs. `milliwatts` is the draw under load of a device kind, for estimates.

    `gpus`: whether GPUs may be used. `devices`: those that must and alone may be used; empty: all. Traces are
    made on `trace_device` (empty: where the job ran) by `trace_threads` (0: as many).
    """

    threads: int
    memory: int
    milliwatts: Mapping[str, int]
    gpus: bool = False
    devices: tuple[str, ...] = ()
    trace_device: str = ""
    trace_threads: int = 0
    env: Mapping[str, str] = field(default_factory=dict)


@asynccontextmanager
async def open_tape(options: TapeOptions) -> AsyncIterator["TapeExecutor"]:
    """Give an executor whose child is started on demand, and killed at the end of the block."""
    limits = ChildOptions(memory=options.memory or None, idle_s=_IDLE_S, env=options.env)
    async with open_child(WORKER, options=limits) as child:
        yield TapeExecutor(child, options)


class TapeExecutor:
    """Runs tape jobs one after the other. See `Executor`."""

    kind: ClassVar[JobKind] = JobKind.TAPE
    verification: ClassVar[int] = int(Verification.TAPE)

    def __init__(self, child: Child, options: TapeOptions) -> None:
        self._child, self._options = child, options
        self.speeds: dict[str, Speed] = {}
        self._checked: dict[Hash32, ProgramInfo] = {}
        self._device = ""
        self._held = Held()

    async def calibrate(self) -> tuple[DeviceSpeed, ...]:
        """Measure every device that the engine finds and the options allow.

        A device that was named must be there and pass its self-test. A GPU that was merely found and fails
        is left out: the provider would be slashed for what it computes.
        """
        found = await self._call(DevicesArgs(), DevicesResult)
        for device in chosen(found.devices, self._options):
            args = CalibrateArgs(threads=self._options.threads, device=device)
            try:
                self.speeds[device] = await self._call(args, Speed)
            except (InputError, ChildFaultError) as error:
                if not device.startswith("cuda") or device in self._options.devices:
                    raise InputError(f"{device} cannot be used: {error}") from error
                log.error("%s is not used: %s", device, error)
                self._child.kill()  # what a failed GPU left behind in it must not reach the next device
        return tuple(self.device(speed) for speed in self.speeds.values())

    def device(self, speed: Speed) -> DeviceSpeed:
        """Return a measured device as bidding wants it."""
        kind = speed.device.partition(":")[0]
        return DeviceSpeed(
            name=speed.device,
            fmas_per_second=int(speed.fmas),
            # Offers count instructions and eighths of moved bytes in one figure: the slower kind is assumed.
            elements_per_second=int(min(speed.steps, speed.moved / 8)),
            memory_bytes=min(self._options.memory, speed.memory or self._options.memory),
            milliwatts=self._options.milliwatts.get(kind, 0),
        )

    async def check(self, job: Job) -> Measured:
        """Recompute roots and measure the program; `InputError` if the job is not what its spec says.

        The estimate counts operations and allows for shapes that fit no kernel; an item may take some times
        as long, or more memory. So a few are tried, be there only one, unless they would take long: missing
        the result deadline costs more than they do.
        """
        async with self._at_work(job.device):
            info = await self._info(job)
            seconds = info.item_seconds
            if seconds < _PROBE_S:
                seconds = max(seconds, await self._probe(job, info))
        # Only processors are slow with subnormal numbers.
        worst = seconds if job.device.startswith("cuda") else max(seconds, info.item_seconds_worst)
        return Measured(
            run_ms=math.ceil((info.plan_seconds + seconds * job.spec.item_count) * 1_000),
            peak_bytes=info.peak_bytes,
            item_ms=math.ceil(seconds * 1_000),
            worst_item_ms=math.ceil(worst * 1_000),
            trace_bytes=info.trace_bytes,
            value_bytes=info.value_bytes,
            hash_ms=math.ceil(info.hash_seconds * 1_000),
            output_hash_ms=math.ceil(info.output_hash_seconds * 1_000),
            reading_ms=math.ceil((info.read_seconds + info.plan_seconds) * 1_000),
            output_bytes=_bytes(info.outputs, job.spec.item_count),
            answer_bytes=info.answer_bytes,
        )

    async def _probe(self, job: Job, info: ProgramInfo) -> float:
        """Return the seconds of the quickest item but the first: everything is warm, and noise only adds.

        `InputError` if they take far longer than was estimated, or the child dies of too little memory.
        """
        count = min(job.spec.item_count, _PROBE_ITEMS)
        limit = _FLOOR_S + _SLACK * (info.read_seconds + info.plan_seconds)
        with disk_errors(Path(gettempdir())), TemporaryDirectory(prefix="gavel-probe-") as folder:
            first, moments = await self._try(job, Path(folder) / "outputs", count, limit)
            if count > 1:
                return min(later - earlier for earlier, later in itertools.pairwise(moments))
            again, _ = await self._try(job, Path(folder) / "again", count, limit)
            return min(first, again)

    async def _try(self, job: Job, outputs: Path, count: int, limit: float) -> tuple[float, list[float]]:
        """Return the seconds that all items took, and after how many each was done."""
        args = RunArgs(
            program_path=str(job.program),
            input_path=str(job.inputs),
            output_path=str(outputs),
            count=count,
            threads=self._options.threads,
            device=job.device,
        )
        before, moments = self._held.seconds, list[float]()

        def progressed(plain: dict[str, Any]) -> None:
            held = self._held.seconds - before
            moments.append(from_wire(plain, RunProgress).wall_seconds - held)

        try:
            with self._held.within(limit):
                plain = await self._child.call(RunArgs.OP, to_wire(args), progressed)
        except TooLongError as error:
            # It would again: the job is refused while that costs nothing.
            raise InputError(f"{count} items take far longer than was estimated: {error.message}") from error
        return _read(plain, RunResult).wall_seconds - (self._held.seconds - before), moments

    async def run(self, job: Job, output: Path, on_progress: Progress) -> Output:
        """Run all items, with a time limit that only a hung child exceeds."""
        async with self._at_work(job.device):
            return await self._run(job, output, on_progress)

    async def _run(self, job: Job, output: Path, on_progress: Progress) -> Output:
        info = await self._info(job)
        worst = (info.item_seconds_worst + _ITEM_S) * job.spec.item_count
        limit = _FLOOR_S + _SLACK * (info.read_seconds + info.plan_seconds + worst)
        args = RunArgs(
            program_path=str(job.program),
            input_path=str(job.inputs),
            output_path=str(output),
            count=job.spec.item_count,
            threads=self._options.threads,
            device=job.device,
            roots=(job.spec.program_root, job.spec.input_root),
        )

        before, over, slow, held = 0.0, 0.0, 0.0, self._held.seconds

        def progressed(plain: dict[str, Any]) -> None:
            nonlocal before, over, slow, held
            seen = from_wire(plain, RunProgress)
            # Being held is not the item's fault.
            took = seen.wall_seconds - before - (self._held.seconds - held)
            over += max(took - job.item_ms / 1_000, 0.0) if job.item_ms else 0.0
            slow += max(took - job.slow_ms / 1_000, 0.0) if job.slow_ms else 0.0
            before, held = seen.wall_seconds, self._held.seconds
            on_progress(seen.done, seen.total)

        with self._held.within(limit):
            plain = await self._child.call(RunArgs.OP, to_wire(args), progressed)
        result = _read(plain, RunResult)
        if result.items != job.spec.item_count:
            raise TransientError(f"the worker made {result.items} items of {job.spec.item_count}")
        gpu = job.device.startswith("cuda")
        return Output(
            output_root=Hash32(result.output_root),
            cpu_ms=math.ceil(result.cpu_seconds * 1_000),
            gpu_ms=math.ceil(result.wall_seconds * 1_000) if gpu else 0,
            wall_ms=math.ceil(result.wall_seconds * 1_000),
            peak_bytes=result.peak_bytes,
            resumed=result.resumed,
            over_ms=math.ceil(over * 1_000),
            slow_ms=math.ceil(slow * 1_000),
        )

    def stop(self) -> None:
        """Kill the child; the next call starts a new one."""
        self._child.kill()

    def hold(self, kind: str) -> None:
        """Stop a job on this kind of device, and let none begin, until `go_on`; twice is like once."""
        self._held.take(kind)
        if self._device.partition(":")[0] == kind and self._child.hold():
            self._held.begin()

    def go_on(self) -> None:
        """Let a job that was held go on."""
        self._child.go_on()
        self._held.give_back()

    @asynccontextmanager
    async def _at_work(self, device: str) -> AsyncIterator[None]:
        """Wait until the device is free; in this block the child may be held."""
        await self._held.turn(device.partition(":")[0])
        self._device = device
        try:
            yield
        finally:
            self._device = ""

    async def _info(self, job: Job) -> ProgramInfo:
        """Return what `check_job` says; asked once for each job, and again after a restart of the daemon."""
        known = self._checked.get(job.spec.job_hash())
        if known is not None:
            return known
        args = CheckArgs(
            program_path=str(job.program),
            input_path=str(job.inputs),
            program_root=job.spec.program_root,
            input_root=job.spec.input_root,
            item_count=job.spec.item_count,
            speed=self.speeds.get(job.device),
            engines=self._engines(job.device),
        )
        info = await self._call(args, ProgramInfo)
        self._checked = {job.spec.job_hash(): info}
        return info

    def _engines(self, device: str) -> tuple[Rehearsed, ...]:
        """Return the engines that a job on a device needs: to run, and for traces wherever they are made."""
        options = self._options
        wanted = [(device, options.threads, False)]
        # Where a device contradicts what was posted, the processor has the last word (`defence.items`).
        for each in (options.trace_device or device, "cpu"):
            wanted.append((each, options.trace_threads or options.threads, True))
        memory = {name: speed.memory for name, speed in self.speeds.items()}
        return tuple(Rehearsed(*each, memory=memory.get(each[0], 0)) for each in dict.fromkeys(wanted))

    async def _call(self, args: Any, kind: type[T]) -> T:
        if RESULTS[args.OP] is not kind:
            raise BrokenInvariant(f"worker operation {args.OP} answers {RESULTS[args.OP].__name__}")
        return _read(await self._child.call(args.OP, to_wire(args)), kind)


def chosen(found: Sequence[str], options: TapeOptions) -> tuple[str, ...]:
    """Return the devices to use of those found. `InputError` for one that was named and is not there."""
    usable = [device for device in found if options.gpus or not device.startswith("cuda")]
    missing = [device for device in options.devices if device not in usable]
    if missing:
        raise InputError(f"there is no device {missing[0]!r} here; there is {', '.join(usable)}")
    return tuple(device for device in usable if not options.devices or device in options.devices)


def _read(plain: Any, kind: type[T]) -> T:
    try:
        return from_wire(plain, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"the worker's answer is no {kind.__name__}: {error}") from error


def _bytes(tensors: tuple[TensorInfo, ...], items: int) -> int:
    types = tuple(TensorType(DType[each.dtype.upper()], each.shape) for each in tensors)
    return Items(types, items).nbytes


def default_threads(slots: int) -> int:
    """Return the threads of one of `slots` jobs at a time on this machine."""
    return max(len(os.sched_getaffinity(0)) // slots, 1)
