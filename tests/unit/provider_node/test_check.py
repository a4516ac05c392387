"""A job whose result could not be defended is closed before it is started."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from protocol.auction.defence import Means
from protocol.lease.provider_types import CheckJob, DidCheck, DidRun, ProviderLease, RunItems
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Context
from protocol.types import Blocks, InputError, LeaseId
from provider_node.executors.executor import Job, Measured
from provider_node.jobs import Jobs
from tests.strategies.provider import SPEC, fresh

pytestmark = pytest.mark.trio

MEANS = Means(Blocks(60), block_ms=1_000, memory_bytes=8 << 30, disk_bytes=64 << 30)
SMALL = Measured(400, 1 << 20, item_ms=100, worst_item_ms=24_000, trace_bytes=1 << 30, value_bytes=80 << 20)


@dataclass
class Here:
    """One lease, one executor that measures what the test says, a store where all artifacts lie."""

    lease: ProviderLease
    measured: Measured

    def state(self, _: MachineId) -> ProviderLease:
        return self.lease

    async def of(self, _: LeaseId) -> "Here":
        return self

    async def check(self, _: Job) -> Measured:
        return self.measured

    def put_file(self, _: Path) -> bytes:
        return bytes(32)

    def pin(self, *_: object) -> None:
        pass

    def release(self, *_: object, **__: object) -> None:
        pass

    def path(self, artifact: bytes) -> Path:
        return Path(artifact.hex())


def checked(measured: Measured, means: Means | None = MEANS, verification: int = 1) -> Callable[[], Any]:
    state = fresh()
    bid = replace(state.bid, verification=verification)
    here: Any = Here(replace(state, bid=bid, spec=SPEC), measured)
    jobs = Jobs(here, here, here, here, here, Path(), means)
    return lambda: jobs.check(CheckJob(1), Context(MachineId("lease", bytes(32)), bytes(32), 0))


async def test_what_can_be_defended_is_started() -> None:
    assert await checked(SMALL)() == DidCheck(400, 1 << 20)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trace_bytes": 9 << 30}, "there are 8192 MiB for it"),
        ({"worst_item_ms": 64_000}, "cannot be executed again in time"),
        ({"item_ms": 1_600}, "the bid allows 6000 ms"),
    ],
)
async def test_what_cannot_be_defended_is_refused_with_the_reason(
    changes: dict[str, int], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        await checked(replace(SMALL, **changes))()
    assert await checked(replace(SMALL, **changes), verification=0)(), "nobody can challenge it"
    assert await checked(replace(SMALL, **changes), means=None)(), "there is no judge"


@pytest.mark.parametrize(("over", "posted"), [(57_000, True), (57_001, False)])
async def test_a_result_whose_items_were_too_slow_to_be_defended_is_not_posted(
    tmp_path: Path, over: int, posted: bool
) -> None:
    """What an earlier life ran is held to it as well."""
    output = {
        "output_root": "09" * 32,
        "cpu_ms": 1,
        "gpu_ms": 0,
        "wall_ms": 1,
        "peak_bytes": 1,
        "resumed": 0,
        "over_ms": over,
    }
    meter = {"energy_milliwatt_hours": 1, "energy_grade": 2, "device": "cpu"}
    name = bytes(32).hex()
    (tmp_path / f"{name}.json").write_text(json.dumps({"output": output, "meter": meter}))
    (tmp_path / f"{name}.out").write_bytes(b"outputs")
    here: Any = Here(replace(fresh(), spec=SPEC), SMALL)
    jobs = Jobs(here, here, here, here, here, tmp_path, MEANS)
    run = jobs.run(RunItems(1, 1), Context(MachineId("lease", bytes(32)), bytes(32), 0))
    if posted:
        assert isinstance(await run, DidRun)
    else:
        with pytest.raises(InputError, match="could not be executed again in time"):
            await run


async def test_slow_inputs_can_be_left_out_of_account() -> None:
    trusting = replace(MEANS, slow_inputs=False)
    assert await checked(replace(SMALL, worst_item_ms=64_000), trusting)()
