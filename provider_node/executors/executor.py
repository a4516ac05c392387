"""What runs jobs of one kind. A new kind (containers, a cluster) is a new module with this shape."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from protocol.auction.bidding import DeviceSpeed
from protocol.messages import JobSpec
from protocol.types import Hash32, JobKind

Progress = Callable[[int, int], None]
"""Called with (items done, items in all)."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job with its bytes on disk. `device` is a key of `DeviceSpeed.name`."""

    spec: JobSpec
    program: Path
    inputs: Path
    device: str
    item_ms: int = 0
    """What an item may take for the result to be defended easily; 0: any time."""
    slow_ms: int = 0
    """What it may take where traces are made again; 0: any time."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What a program turned out to need, by this machine's own figures."""

    run_ms: int
    peak_bytes: int
    item_ms: int
    worst_item_ms: int
    """An item whose inputs a client chose to be slow."""
    trace_bytes: int
    """To execute one item again with every value kept."""
    value_bytes: int
    """All values of one item, and their roots: what its trace takes on disk."""
    hash_ms: int
    """To hash them, and write them."""
    output_hash_ms: int = 0
    """To hash the outputs of one item."""
    reading_ms: int = 0
    """To read the program again and plan it, and to hash the inputs."""
    output_bytes: int = 0
    """The outputs of all items."""
    answer_bytes: int = 0
    """Memory to answer for a result, its traces on the disk."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a run made and cost. `resumed` items came from an earlier attempt, whose cost is not in here."""

    output_root: Hash32
    cpu_ms: int
    gpu_ms: int
    wall_ms: int
    peak_bytes: int
    resumed: int
    over_ms: int = 0
    """By how much items took longer than `Job.item_ms`, over all items of this attempt."""
    slow_ms: int = 0
    """By how much they took longer than `Job.slow_ms`."""


class Executor(Protocol):
    """Runs jobs of one kind, one at a time; a provider has one per slot.

    All methods may be cancelled, which ends the work at once. They raise `InputError` for what would fail
    again, `TransientError` for what may not (a child that died).
    """

    kind: JobKind
    verification: int
    """Verification kind under which its results can be judged."""

    async def calibrate(self) -> tuple[DeviceSpeed, ...]:
        """Return the devices of this machine that it can use, with their measured speed."""
        ...

    async def check(self, job: Job) -> Measured:
        """Recompute every root of the job from the bytes and measure the program."""
        ...

    async def run(self, job: Job, output: Path, on_progress: Progress) -> Output:
        """Run all items and write their outputs to `output`; goes on from what an earlier call left."""
        ...

    def stop(self) -> None:
        """End whatever runs."""
        ...
