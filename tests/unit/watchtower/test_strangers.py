"""Slow servers and long jobs of strangers, in a whole watchtower: others are judged all the same, in time.

The chain, the servers and the worker are objects in this process, and time is the clock's of the test; what
is waited for, and by whom, is the watchtower's.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from protocol.dispute.delivery import PostedRoots
from protocol.engines.worker.interface import CompareResult, to_wire
from protocol.games.turns import Claim
from protocol.games.workshop import CaseFiles
from protocol.net import Patience
from protocol.runtime.child import ChildFaultError
from protocol.runtime.metrics import Metrics
from protocol.store.artifacts import Artifacts
from protocol.types import Address, BlockNo, Blocks, Hash32, LeaseId, TransientError, Verification, Wei
from tests.strategies.provider import BID
from tests.unit.watchtower.test_fetching import CHUNK, Slow, manifest
from watchtower import rerun
from watchtower.config import WatchtowerConfig
from watchtower.fetching import Hold
from watchtower.judge import WHOLE_SHARE, Policy, PostedResult
from watchtower.keeping import Keeping
from watchtower.obtaining import Obtained, Rig, WithheldError, _Fetch
from watchtower.spending import Spending
from watchtower.tower import Tower
from watchtower.verdicts import Finding, Verdict, Verdicts

pytestmark = pytest.mark.trio

WINDOW = 8_000
"""In blocks, of which there is one a second."""
RATE = CHUNK // 10
"""A chunk takes ten seconds for whoever is just quick enough."""


@dataclass
class Job:
    """What a result's provider serves, and what the result takes."""

    pause_s: float = 0.0
    """Seconds for a chunk."""
    size: int = CHUNK
    takes_s: float = 1.0
    """Seconds of execution."""
    withheld: bool = False
    """Whether its outputs are demanded."""
    posted: int = 0
    """From which reading on its result is there."""
    node: Any = None


@dataclass
class Market:
    """Posted results, and what becomes of them."""

    folder: Path
    jobs: dict[LeaseId, Job] = field(default_factory=dict)
    results: list[PostedResult] = field(default_factory=list)
    executing: list[LeaseId] = field(default_factory=list)
    most: int = 0
    """Most that were executed at once."""
    rollbacks: int = 0

    def __post_init__(self) -> None:
        async def run(method: Callable[..., Any], *_: Any) -> Any:
            if method != self.poll:
                return None
            now = self.height()
            return now, tuple(each for each in self.results if self.jobs[each.lease].posted <= now)

        network = SimpleNamespace(seconds=float, span=lambda seconds: Blocks(int(seconds)), look_s=1.0)
        deployment = SimpleNamespace(delivery=True)
        blocking = SimpleNamespace(network=network, deployment=deployment, standstill="")
        chain: Any = SimpleNamespace(run=run, blocking=blocking)
        nothing: Any = None
        self.store = Artifacts(self.folder / "store", 8_192 * CHUNK)
        config = WatchtowerConfig(least_rate=RATE, attempts=1)
        self.rig = Rig(chain, nothing, nothing, self.store, config, self.folder / "receipts")

    def height(self) -> BlockNo:
        return BlockNo(int(trio.current_time() - self.began) + 1)

    def poll(self) -> None:
        """What the tower's scan is asked for."""

    def is_following(self, lease: LeaseId) -> bool:
        return lease in self.jobs

    def post(self, number: int, end: int, job: Job, owner: int = 0) -> LeaseId:
        """Post a result whose window ends then; its owner is a new one if none is named."""
        lease = LeaseId(number.to_bytes(32, "big"))
        address = Address((owner or number).to_bytes(20, "big"))
        bid = replace(
            BID, owner=address, challenge_window=Blocks(WINDOW), verification=Verification.TAPE, flags=0
        )
        self.jobs[lease] = job
        self.results.append(PostedResult(lease, bid, Hash32(lease), BlockNo(end)))
        return lease

    async def judged(self, lease: LeaseId, within: float) -> Verdict:
        """Run a watchtower until it has judged a lease right or wrong."""
        self.began = trio.current_time()
        scan: Any = self
        verdicts = Verdicts(self.folder / "verdicts")
        async with trio.open_nursery() as nursery:
            rules = Policy(b"\1" * 32, WHOLE_SHARE, frozenset())
            tower = Tower(self.rig, scan, rules, verdicts, nursery, Metrics(), demand_budget=Wei(1))
            nursery.start_soon(tower.run)
            with trio.move_on_after(within):
                while lease not in tower.known or tower.known[lease].finding.is_open:
                    await trio.sleep(1)
            nursery.cancel_scope.cancel()
        assert lease in tower.known, f"nobody looked at it in {within} seconds"
        return tower.known[lease]

    # -- what stands in for provider and worker

    async def obtain(
        self, rig: Rig, _: Any, result: PostedResult, hold: Hold, patience: Patience, *, claim: Claim
    ) -> Any:
        job = self.jobs[result.lease]
        job.node = job.node or Slow(job.pause_s, job.size)
        files = CaseFiles(self.folder / result.lease.hex(), Path("i"), Path("o"), 1)
        spec: Any = SimpleNamespace(program_root=bytes(32), input_root=bytes(32), item_count=1)
        found = Obtained(spec, files, b"")
        if job.withheld:
            raise WithheldError("no outputs", found, again=False)
        artifact = manifest(job.size).id()
        served = replace(rig, node=job.node)
        fetch = _Fetch(served, result, hold, patience, claim, [result.bid.owner])
        await fetch.get(artifact, job.size)
        return found

    @asynccontextmanager
    async def open_child(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        yield self

    def blame(self, op: str, why: object) -> ChildFaultError:
        raise AssertionError(op, why)

    async def call(self, op: str, args: dict[str, Any]) -> Any:
        lease = LeaseId(bytes.fromhex(Path(args["program_path"]).name))
        self.executing.append(lease)
        self.most = max(self.most, len(self.executing))
        try:
            await trio.sleep(self.jobs[lease].takes_s)
        finally:
            self.executing.remove(lease)
        return to_wire(CompareResult(bytes(32), bytes(32), 1, None, None, None, 0.0, 0.0))


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Market:
    market = Market(tmp_path)

    async def inline(work: Callable[..., Any], *args: Any, **_: Any) -> Any:
        return work(*args)

    async def terms(*_: Any) -> Any:
        return SimpleNamespace(shape=SimpleNamespace(big=False, filled=(0,)))

    async def demanded(_: Any, result: PostedResult, *__: Any) -> PostedRoots:
        return PostedRoots(result.output_root, {})

    monkeypatch.setattr(trio.to_thread, "run_sync", inline)  # time is not to pass while a thread works
    for name, stand_in in (
        ("obtain", market.obtain),
        ("open_child", market.open_child),
        ("demand_terms", terms),
        ("demanded", demanded),
    ):
        monkeypatch.setattr(rerun, name, stand_in)
    return market


async def test_servers_that_are_just_quick_enough_keep_nobody_from_being_judged(
    autojump_clock: MockClock, market: Market
) -> None:
    for number in range(1, 9):
        market.post(number, WINDOW - number, Job(pause_s=9.9, size=(40 + number) * CHUNK))
    last = market.post(9, WINDOW, Job())
    assert (await market.judged(last, 60)).finding is Finding.MATCH


async def test_one_owner_with_many_slow_servers_keeps_nobody_from_being_judged(
    autojump_clock: MockClock, market: Market
) -> None:
    for number in range(1, 81):
        market.post(number, WINDOW - 100 + number, Job(pause_s=1e9, size=number * CHUNK), owner=1)
    last = market.post(81, WINDOW, Job(), owner=2)
    assert (await market.judged(last, 120)).finding is Finding.MATCH


async def test_lures_that_take_long_keep_no_result_from_being_executed_in_its_window(
    autojump_clock: MockClock, market: Market
) -> None:
    for number in range(1, 20):
        market.post(number, WINDOW - number, Job(takes_s=1e9, size=number * CHUNK))
    last = market.post(20, WINDOW, Job(takes_s=500.0))
    assert (await market.judged(last, WINDOW / 2)).finding is Finding.MATCH
    assert market.most == 6, "one, and five beside it where windows press"


async def test_of_results_that_are_demanded_the_window_that_ends_first_is_served_first(
    autojump_clock: MockClock, market: Market
) -> None:
    market.post(1, WINDOW, Job(takes_s=1e9, withheld=True))
    soon = market.post(2, WINDOW - 100, Job(takes_s=10.0, withheld=True, posted=50))
    assert (await market.judged(soon, 100)).finding is Finding.MATCH


async def test_without_press_no_more_is_executed_at_once_than_the_operator_says(
    autojump_clock: MockClock, market: Market
) -> None:
    leases = [
        market.post(number, WINDOW + number, Job(takes_s=10.0, size=number * CHUNK)) for number in range(1, 9)
    ]
    assert (await market.judged(leases[-1], 200)).finding is Finding.MATCH
    assert market.most == 1


async def test_room_that_others_hold_is_had_by_the_result_whose_window_ends_first(
    autojump_clock: MockClock, market: Market
) -> None:
    """A server takes as much room as it says that it will send."""
    market.store.quota = 64 * CHUNK
    market.post(1, WINDOW, Job(pause_s=9.9, size=60 * CHUNK))
    soon = market.post(2, WINDOW - 1, Job(size=30 * CHUNK, posted=50))
    assert (await market.judged(soon, 60)).tries == 1


async def test_room_is_held_for_a_share_of_the_window_while_others_want_it(
    autojump_clock: MockClock, market: Market
) -> None:
    market.store.quota = 64 * CHUNK
    market.post(1, WINDOW - 1, Job(takes_s=1e9, size=60 * CHUNK))
    last = market.post(2, WINDOW, Job(size=30 * CHUNK, posted=50))
    assert (await market.judged(last, WINDOW / 4)).finding is Finding.MATCH


async def test_a_result_without_a_window_ends_no_watchtower(
    autojump_clock: MockClock, market: Market
) -> None:
    """It looks open where the clock was read before the block that it came in."""
    market.post(1, 2, Job(takes_s=1e9))
    only = market.results[0]
    market.results[0] = replace(only, bid=replace(only.bid, challenge_window=Blocks(0)))
    for number in range(2, 9):
        market.post(number, WINDOW - number, Job(takes_s=1e9, posted=20))
    last = market.post(9, WINDOW, Job(posted=300))
    assert (await market.judged(last, WINDOW / 2)).finding is Finding.MATCH


@pytest.mark.parametrize("broken", ["release", "pinned"])
async def test_a_full_disk_ends_no_watchtower_that_would_let_artifacts_go(
    autojump_clock: MockClock, market: Market, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.store.quota = 64 * CHUNK
    market.post(1, WINDOW, Job(pause_s=9.9, size=60 * CHUNK))
    market.post(2, WINDOW - 1, Job(withheld=True, posted=50))
    last = market.post(3, WINDOW - 2, Job(size=2 * CHUNK, posted=60))

    def full(*_: object) -> Any:
        raise TransientError("index.db cannot be written: database or disk is full")

    if broken == "release":
        monkeypatch.setattr(market.store, "is_half_held", lambda: True)
        monkeypatch.setattr(market.store, "release", full)
        market.post(4, WINDOW - 3, Job(size=30 * CHUNK, posted=70))
    else:
        monkeypatch.setattr(market.store, "is_half_held", full)
    assert (await market.judged(last, WINDOW / 4)).finding is Finding.MATCH


async def test_who_is_to_be_demanded_holds_no_more_than_half_of_what_the_disk_has(
    autojump_clock: MockClock, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small disk is full long before half of the quota is: the store's own rule is the one that counts."""
    monkeypatch.setattr(market.store, "most", lambda: 64 * CHUNK)
    job = Job(withheld=True, size=40 * CHUNK)
    lease = market.post(1, WINDOW, job)
    held_ = []

    async def demanded(_: Any, result: PostedResult, *__: Any) -> PostedRoots:
        held_.append(market.store.reasons())
        return PostedRoots(result.output_root, {})

    monkeypatch.setattr(rerun, "demanded", demanded)
    artifact = market.store.put_bytes(bytes(40 * CHUNK))
    market.store.pin(artifact, rerun.held(market.results[0]).reason, WINDOW)
    assert (await market.judged(lease, 60)).finding is Finding.MATCH
    assert held_ == [set()]


async def test_games_that_could_not_be_read_are_gone_on_with_at_the_next_turn(
    autojump_clock: MockClock, market: Market
) -> None:
    """One node that was busy at the start, or after a re-org, cost every game under way its clock."""
    tried: list[int] = []

    class Games:
        async def resume(self) -> None:
            tried.append(len(tried))
            if len(tried) < 3:
                raise TransientError("busy")

        async def look_after(self, *_: object) -> None:
            pass

    market.began = trio.current_time()
    scan, games = market, Games()
    async with trio.open_nursery() as nursery:
        rules = Policy(b"\1" * 32, WHOLE_SHARE, frozenset())
        verdicts = Verdicts(market.folder / "verdicts")
        tower = Tower(market.rig, scan, rules, verdicts, nursery, Metrics(), games)  # type: ignore[arg-type]
        nursery.start_soon(tower.run)
        await trio.sleep(300)
        nursery.cancel_scope.cancel()
    assert tried == [0, 1, 2], "until it was read, and not again"


async def test_nothing_is_remembered_of_leases_that_are_over(
    autojump_clock: MockClock, market: Market
) -> None:
    """Each turn looks at all that is known: over months that would be every verdict that was ever found."""
    lease = market.post(1, WINDOW, Job())
    over = market.post(2, WINDOW, Job())
    await market.judged(over, 60)
    del market.jobs[over]
    market.results = [each for each in market.results if each.lease != over]
    market.began = trio.current_time()
    scan: Any = market
    async with trio.open_nursery() as nursery:
        rules = Policy(b"\1" * 32, WHOLE_SHARE, frozenset())
        verdicts = Verdicts(market.folder / "verdicts")
        assert over in verdicts.by_lease()
        tower = Tower(market.rig, scan, rules, verdicts, nursery, Metrics())
        tower.passed[over] = "not drawn"
        nursery.start_soon(tower.run)
        await trio.sleep(60)
        assert (set(tower.known), set(tower.passed)) == ({lease}, set())
        nursery.cancel_scope.cancel()


async def test_nor_of_what_held_a_lease_that_is_held_no_more(tmp_path: Path) -> None:
    nothing: Any = None
    gas = Spending(tmp_path / "gas.json", Wei(1), "idle_gas_per_day", lambda: 0.0)
    keeping = Keeping(nothing, b"s" * 32, gas, nothing, Metrics())
    lease = LeaseId(bytes(32))
    keeping._next[lease] = 7
    keeping._tell(lease, ["settled the lease as convicted"])
    keeping.look_after(BlockNo(5), [], frozenset())
    assert (keeping._next, keeping._told) == ({}, set())
