"""A job whose result could not be defended is closed before it is started."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from protocol.auction.defence import Means
from protocol.lease.provider_types import CheckJob, DidCheck, ProviderLease
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


async def test_slow_inputs_can_be_left_out_of_account() -> None:
    trusting = replace(MEANS, slow_inputs=False)
    assert await checked(replace(SMALL, worst_item_ms=64_000), trusting)()
