"""What a client may spend on demands, and how long it waits for the network before it demands."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from client_sdk.demanding import DEMAND_BUDGET, budget_of
from client_sdk.job_run import JobRun
from protocol.lease.client_types import FetchOutputs
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Context
from protocol.types import Address, ArtifactId, BidFlags, Blocks, Hash32, TransientError, Verification, Wei
from tests.strategies.provider import BID

WINDOW = 3_600
ROOT = Hash32(bytes(31) + b"\x01")


def test_a_private_jobs_outputs_are_made_public_only_if_the_user_says_so() -> None:
    private = replace(BID, flags=BidFlags.PRIVATE)
    assert budget_of(None, BID) == DEMAND_BUDGET
    assert budget_of(None, private) == 0
    assert budget_of(Wei(5), private) == budget_of(Wei(5), BID) == 5
    assert budget_of(Wei(0), BID) == 0


class Dripping:
    """Outputs that come a few bytes a second, for ever."""

    def __init__(self, rate: int) -> None:
        self.rate, self.tries = rate, 0
        self.chain: Any = SimpleNamespace(
            blocking=SimpleNamespace(
                deployment=SimpleNamespace(delivery=Address(bytes(20))),
                network=SimpleNamespace(seconds=float),
            )
        )

    async def fetch(self, _: object, __: object, progress: Callable[[int, int], None] | None = None) -> None:
        self.tries += 1
        for second in itertools.count():
            await trio.sleep(1)
            if progress is not None:
                progress(second * self.rate, 1 << 40)


class DrippedJob(JobRun):
    def wanted(self) -> Any:
        return SimpleNamespace(
            bid=replace(BID, challenge_window=Blocks(WINDOW), verification=Verification.TAPE)
        )


@pytest.mark.trio
@pytest.mark.parametrize(("rate", "most_s"), [(0, 120), (13_000, 150), (1 << 30, WINDOW // 8)])
async def test_a_provider_that_drips_is_demanded_from_while_most_of_the_window_is_left(
    rate: int, most_s: int, autojump_clock: MockClock
) -> None:
    """One chunk each 18 s was no failure: what was wrong was known when nobody could challenge it."""
    nothing: Any = None
    dripping: Any = Dripping(rate)
    job = DrippedJob(nothing, nothing, nothing, dripping)
    began = trio.current_time()
    with trio.fail_after(WINDOW):
        with pytest.raises(TransientError, match="too slowly"):
            await job._fetch(FetchOutputs(ROOT, 0), Context(MachineId("lease", bytes(32)), bytes(32), 0))
    assert job.delivery._asked.is_set()
    assert trio.current_time() - began <= most_s


@pytest.mark.trio
async def test_a_try_ends_when_the_chain_has_shown_the_outputs(autojump_clock: MockClock) -> None:
    nothing: Any = None
    dripping: Any = Dripping(1 << 30)
    job = DrippedJob(nothing, nothing, nothing, dripping)
    served = partial(job._served, FetchOutputs(ROOT, 0), job.wanted(), demands=True)

    async def show() -> None:
        await trio.sleep(1)
        job.delivery.shown(ArtifactId(bytes(32)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(show)
        for _ in range(2):
            with trio.fail_after(2), pytest.raises(TransientError, match="from the chain"):
                await served()
    assert dripping.tries == 2


@pytest.mark.trio
async def test_a_provider_that_breaks_off_has_no_more_time_for_it(autojump_clock: MockClock) -> None:
    nothing: Any = None
    dripping: Any = Dripping(1 << 30)
    job = DrippedJob(nothing, nothing, nothing, dripping)
    began = trio.current_time()
    with job.delivery.patiently(demands=True) as progress:
        progress(0, 1 << 40)
        progress(1 << 30, 1 << 40)
        await trio.sleep(300)
    with pytest.raises(TransientError, match="too slowly"):
        await job._fetch(FetchOutputs(ROOT, 0), Context(MachineId("lease", bytes(32)), bytes(32), 0))
    assert trio.current_time() - began <= WINDOW // 8


@pytest.mark.trio
async def test_where_nothing_can_be_demanded_the_user_is_told_that_outputs_come_too_slowly(
    autojump_clock: MockClock,
) -> None:
    nothing: Any = None
    record: Any = SimpleNamespace(lease="")
    job = DrippedJob(nothing, record, nothing, dripping := Dripping(13_000), demand_budget=Wei(0))  # type: ignore[arg-type]
    for attempt in range(2):
        began = trio.current_time()
        with pytest.raises(TransientError, match="too slowly"):
            await job._fetch(
                FetchOutputs(ROOT, 0), Context(MachineId("lease", bytes(32)), bytes(32), attempt)
            )
        assert 120 <= trio.current_time() - began <= 150, "as long again: what came is kept"
    assert [each.text for each in job.story.events] == [
        "outputs: the outputs came too slowly: given up after 149 s"
    ]
    assert (job.delivery._asked.is_set(), dripping.tries) == (False, 2)
