"""A job whose result could not be defended is closed before it is started."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from protocol.auction.defence import Means
from protocol.lease.provider_types import (
    ChainLease,
    CheckJob,
    DidCheck,
    DidRun,
    Phase,
    ProviderLease,
    ReleaseArtifacts,
    RunItems,
    Stage,
)
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Context
from protocol.store import Artifacts, QuotaExceededError
from protocol.types import BlockNo, Blocks, InputError, LeaseId, TransientError
from provider_node.executors.executor import Job, Measured
from provider_node.jobs import Jobs
from tests.strategies.provider import SPEC, fresh

pytestmark = pytest.mark.trio

MEANS = Means(
    Blocks(60),
    Blocks(6),
    block_ms=1_000,
    memory_bytes=8 << 30,
    disk_bytes=64 << 30,
    answer_bytes=4 << 30,
)
SMALL = Measured(
    400, 1 << 20, item_ms=100, worst_item_ms=24_000, trace_bytes=1 << 30, value_bytes=80 << 20, hash_ms=200
)
FOUND = DidCheck(400, 1 << 20, 100, 400, trace_bytes=1 << 30, value_bytes=80 << 20)


@dataclass
class Here:
    """One lease, one executor that measures what the test says, a store where all artifacts lie."""

    lease: ProviderLease
    measured: Measured
    others: dict[bytes, ProviderLease] = field(default_factory=dict)

    def state(self, _: MachineId) -> ProviderLease:
        return self.lease

    def states(self, _: str) -> dict[bytes, ProviderLease]:
        return {bytes(32): self.lease, **self.others}

    async def of(self, _: LeaseId) -> "Here":
        return self

    async def check(self, _: Job) -> Measured:
        return self.measured

    def put_file(self, _: Path, reason: str = "") -> bytes:
        return bytes(32)

    def pin(self, *_: object) -> None:
        pass

    def room(self) -> int:
        return 10_000

    def most(self) -> int:
        return 10_000

    def held(self, _: str) -> int:
        return 0

    def reserve(self, _: str, size: int) -> bool:
        return size <= self.room()

    def unreserve(self, _: str) -> None:
        pass

    def release(self, *_: object, **__: object) -> None:
        pass

    def sound(self, _: bytes, *, afresh: bool = False) -> bool:
        return True

    def path(self, artifact: bytes) -> Path:
        return Path(artifact.hex())


def checked(
    measured: Measured,
    means: Means | None = MEANS,
    verification: int = 1,
    others: dict[bytes, ProviderLease] | None = None,
) -> Callable[[], Any]:
    state = fresh()
    bid = replace(state.bid, verification=verification)
    here: Any = Here(replace(state, bid=bid, spec=SPEC), measured, others or {})
    jobs = Jobs(here, here, here, here, here, Path(), means)
    return lambda: jobs.check(CheckJob(1), Context(MachineId("lease", bytes(32)), bytes(32), 0))


async def test_what_can_be_defended_is_started() -> None:
    assert await checked(SMALL)() == FOUND
    assert await checked(replace(SMALL, reading_ms=9))() == replace(FOUND, reading_ms=9)


async def test_what_takes_too_long_to_be_read_is_refused() -> None:
    """A client picks the tape: one of 65,000 nodes has few bytes, and takes seconds to be decoded."""
    with pytest.raises(InputError, match="clock"):
        await checked(replace(SMALL, reading_ms=40_000))()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trace_bytes": 9 << 30}, "there are 8192 MiB for it"),
        ({"answer_bytes": 5 << 30}, "answering for an item takes 5120 MiB, there are 4096 MiB for it"),
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


async def test_rule_13_traces_that_do_not_fit_beside_those_of_other_leases_are_not_started() -> None:
    """Four of 80 MiB, and three more: either fits, together they are made again, with no allowance."""
    small = replace(MEANS, increment=Blocks(11), disk_bytes=559 << 20)
    assert await checked(SMALL, small)() == FOUND
    other = {b"\x02" * 32: replace(fresh(), phase=Phase.FETCHING, value_bytes=80 << 20)}
    other = {id: replace(each, offer=replace(each.offer, item_count=3)) for id, each in other.items()}
    assert await checked(SMALL, small, others=other)() == FOUND, "they take no time"
    other = {id: replace(each, item_ms=100, trace_ms=400) for id, each in other.items()}
    with pytest.raises(InputError, match=r"were it and 1 other leases .* their 7 traces would take 560 MiB"):
        await checked(SMALL, small, others=other)()
    assert await checked(SMALL, replace(small, disk_bytes=560 << 20), others=other)() == FOUND
    assert await checked(SMALL, replace(small, increment=Blocks(14)), others=other)() == FOUND
    bids = {id: replace(each, phase=Phase.BID) for id, each in other.items()}
    assert await checked(SMALL, small, others=bids)() == FOUND, "bids cost nothing"


async def test_rule_13_of_two_jobs_checked_at_once_the_second_is_weighed_beside_the_first_as_measured() -> (
    None
):
    """What was measured of the first is not journaled yet; its offer said less."""
    lease = replace(fresh(), spec=SPEC, phase=Phase.CHECKING, item_ms=100, trace_ms=400)
    here: Any = Here(lease, SMALL, {b"\x02" * 32: lease})
    jobs = Jobs(here, here, here, here, here, Path(), replace(MEANS, disk_bytes=639 << 20))
    first, second = (Context(MachineId("lease", id), id, 0) for id in (bytes(32), b"\x02" * 32))
    assert await jobs.check(CheckJob(1), first) == FOUND
    with pytest.raises(InputError, match=r"were it and 1 other leases .* their 8 traces would take 640 MiB"):
        await jobs.check(CheckJob(1), second)
    jobs.forget(LeaseId(bytes(32)))
    assert await jobs.check(CheckJob(1), second) == FOUND


@pytest.mark.parametrize(
    ("over", "slow", "posted"),
    [(54_000, 54_000, True), (57_001, 0, False), (0, 1_000, True), (0, 1_001, False)],
)
async def test_a_result_whose_items_were_too_slow_to_be_defended_is_not_posted(
    tmp_path: Path, over: int, slow: int, posted: bool
) -> None:
    """What an earlier life ran is held to it as well; of traces that are made again any slow item."""
    output = {
        "output_root": "09" * 32,
        "cpu_ms": 1,
        "gpu_ms": 0,
        "wall_ms": 1,
        "peak_bytes": 1,
        "resumed": 0,
        "over_ms": over,
        "slow_ms": slow,
    }
    meter = {"energy_milliwatt_hours": 1, "energy_grade": 2, "device": "cpu"}
    name = bytes(32).hex()
    (tmp_path / f"{name}.json").write_text(json.dumps({"output": output, "meter": meter}))
    (tmp_path / f"{name}.out").write_bytes(b"outputs")
    state = replace(fresh(), spec=SPEC, phase=Phase.RUNNING, item_ms=100, trace_ms=400, value_bytes=80 << 20)
    here: Any = Here(state, SMALL)
    means = MEANS if over else replace(MEANS, increment=Blocks(13), disk_bytes=319 << 20)
    jobs = Jobs(here, here, here, here, here, tmp_path, means)
    run = jobs.run(RunItems(1, 1), Context(MachineId("lease", bytes(32)), bytes(32), 0))
    if posted:
        found = await run
        assert isinstance(found, DidRun)
        assert (found.result.over_ms, found.result.slow_ms) == (over, slow)
    else:
        with pytest.raises(InputError, match="not be executed again in time" if over else "for each answer"):
            await run


async def test_outputs_that_find_no_room_now_are_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work is done: to give the lease up would cost the penalty, and room may come."""

    def full(*_: object) -> bytes:
        raise QuotaExceededError("artifact of 9 bytes does not fit")

    monkeypatch.setattr(Here, "put_file", full)
    with pytest.raises(TransientError, match="no room for the outputs"):
        await test_a_result_whose_items_were_too_slow_to_be_defended_is_not_posted(tmp_path, 0, 0, True)


async def test_a_job_whose_outputs_would_find_no_room_is_not_started() -> None:
    """A start without a result costs the penalty; until the start is due there may be room."""
    assert await checked(replace(SMALL, output_bytes=5_000))()
    with pytest.raises(TransientError, match="no room for 2 copies of 5001 bytes of outputs: 10000 are left"):
        await checked(replace(SMALL, output_bytes=5_001))()


async def test_outputs_take_the_room_that_was_kept_for_them(tmp_path: Path) -> None:
    name = bytes(32).hex()
    output = {"output_root": "09" * 32, "cpu_ms": 1, "gpu_ms": 0, "wall_ms": 1, "peak_bytes": 1, "resumed": 0}
    meter = {"energy_milliwatt_hours": 1, "energy_grade": 2, "device": "cpu"}
    (tmp_path / f"{name}.json").write_text(json.dumps({"output": {**output, "over_ms": 0}, "meter": meter}))
    (tmp_path / f"{name}.out").write_bytes(b"outputs")
    store = Artifacts(tmp_path / "store", quota=10)
    assert store.reserve(name, 7)
    here: Any = Here(replace(fresh(), spec=SPEC), SMALL)
    jobs = Jobs(here, here, store, here, here, tmp_path, MEANS)
    for _ in range(2):
        # The second time, as after a power cut: it was in the store, and not in the journal yet.
        await jobs.run(RunItems(1, 1), Context(MachineId("lease", bytes(32)), bytes(32), 0))
        assert (store.held(name), store.room()) == (7, 3)
    store.close()


async def test_a_lease_that_is_over_gives_kept_room_back(tmp_path: Path) -> None:
    store = Artifacts(tmp_path / "store", quota=10)
    assert store.reserve(bytes(32).hex(), 7)
    here: Any = Here(replace(fresh(), spec=SPEC), SMALL)
    jobs = Jobs(here, here, store, here, here, tmp_path, MEANS)
    await jobs.release(ReleaseArtifacts(BlockNo(0)), Context(MachineId("lease", bytes(32)), bytes(32), 0))
    assert store.room() == 10
    store.close()


async def test_slow_inputs_can_be_left_out_of_account() -> None:
    trusting = replace(MEANS, slow_inputs=False)
    assert await checked(replace(SMALL, worst_item_ms=64_000), trusting)()


def posted(items: int) -> ProviderLease:
    """Another lease in its window."""
    state = replace(fresh(), item_ms=2_000, trace_ms=8_000, phase=Phase.POSTED)
    chain = ChainLease(Stage.POSTED, started_at=10, posted_at=40, window_end=99)
    return replace(state, offer=replace(state.offer, item_count=items), chain=chain)


async def test_rule_13_what_cannot_be_defended_beside_other_leases_is_not_started() -> None:
    """Each by itself could be: 30 s for the one that is posted, two seconds for this, of a minute."""
    call = checked(SMALL, others={b"\x02" * 32: posted(3)})
    assert await call()
    call = checked(SMALL, others={bytes([n]) * 32: posted(3) for n in (2, 3, 4)})
    with pytest.raises(InputError, match=r"were it and 3 other leases .* until block 99 or later") as refusal:
        await call()
    assert "0x02020202, 0x03030303" in str(refusal.value)
    few = replace(MEANS, at_once=3)
    assert await checked(SMALL, few, others={bytes([n]) * 32: posted(3) for n in (2, 3, 4)})()


@pytest.mark.parametrize(("others", "kept"), [(1, True), (3, False), (6, True)])
async def test_rule_13_slow_items_are_weighed_beside_other_leases_before_the_result_is_posted(
    tmp_path: Path, others: int, kept: bool
) -> None:
    """What was too much without them is kept all the same: it was promised."""
    output = {
        "output_root": "09" * 32,
        "cpu_ms": 1,
        "gpu_ms": 0,
        "wall_ms": 1,
        "peak_bytes": 1,
        "resumed": 0,
        "over_ms": 30_000,
    }
    meter = {"energy_milliwatt_hours": 1, "energy_grade": 2, "device": "cpu"}
    name = bytes(32).hex()
    (tmp_path / f"{name}.json").write_text(json.dumps({"output": output, "meter": meter}))
    (tmp_path / f"{name}.out").write_bytes(b"outputs")
    state = replace(fresh(), spec=SPEC, item_ms=10, trace_ms=40, phase=Phase.RUNNING)
    here: Any = Here(state, SMALL, {bytes([n + 1]) * 32: posted(2) for n in range(others)})
    jobs = Jobs(here, here, here, here, here, tmp_path, MEANS)
    run = jobs.run(RunItems(1, 1), Context(MachineId("lease", bytes(32)), bytes(32), 0))
    if kept:
        done = await run
        assert isinstance(done, DidRun)
        assert done.result.over_ms == 30_000
    else:
        with pytest.raises(InputError, match="its items took 30000 ms longer than expected: were it and 3"):
            await run
