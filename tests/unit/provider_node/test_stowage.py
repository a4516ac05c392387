"""What of the store's room is promised: a job whose artifacts find none is closed at the show-up sum."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.auction.bidding import stored_bytes
from protocol.lease.provider_types import FetchArtifacts, Phase, ProviderLease
from protocol.messages import JobSpec
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Context
from protocol.store import Artifacts, QuotaExceededError
from protocol.types import LeaseId, TransientError
from provider_node.disk import open_store
from provider_node.holdings import Holdings
from provider_node.jobs import Jobs
from provider_node.market import Market
from provider_node.stowage import promised_bytes
from tests.small_mount import small_disk
from tests.strategies.provider import RESULT, SPEC, fresh

MIB = 1 << 20
MORE = JobSpec.MAX_BYTES
NOTHING: Any = None


def lease(phase: Phase, mib: int, nonce: int = 1) -> ProviderLease:
    state = fresh()
    offer = replace(state.offer, transfer_bytes=mib * MIB)
    return replace(state, offer=offer, bid=replace(state.bid, capacity_nonce=nonce), phase=phase)


def promised(*leases: ProviderLease, held: int = 0, nonce: int = 9) -> int:
    named = {LeaseId(bytes([n]) * 32): each for n, each in enumerate(leases)}
    return promised_bytes(named, lambda _: held, nonce)


def test_of_the_bids_of_a_slot_the_largest_counts_and_none_of_the_slot_that_is_bid_for() -> None:
    bids = [lease(Phase.BID, 3), lease(Phase.BID, 5), lease(Phase.BID, 7, nonce=2)]
    assert promised(*bids) == 12 * MIB + 2 * MORE
    assert promised(*bids, nonce=2) == 5 * MIB + MORE
    assert promised(*bids, nonce=1) == 7 * MIB + MORE


def test_of_a_lease_what_has_not_come_yet_counts() -> None:
    fetching = lease(Phase.FETCHING, 3)
    assert promised(fetching) == stored_bytes(fetching.offer)
    assert promised(fetching, held=2 * MIB) == MIB + MORE
    known = replace(fetching, spec=replace(SPEC, program_bytes=MIB, input_bytes=MIB), phase=Phase.POSTED)
    assert known.spec is not None
    here = len(known.spec.encode()) + 2 * MIB
    assert promised(known, held=here) == 0
    assert promised(known, held=here - MIB) == MIB, "it was damaged, and is fetched again"
    assert promised(replace(known, result=RESULT), held=here) == RESULT.output_bytes


def room_of(store: Artifacts, *leases: ProviderLease, nonce: int = 9, slots: int = 2) -> int:
    """What a market of `slots` slots lets a bid with this nonce take. Leases are named by their order."""
    named = {LeaseId(bytes([n]) * 32): each for n, each in enumerate(leases)}
    chain: Any = SimpleNamespace(blocking=NOTHING)
    rules: Any = SimpleNamespace(
        house=SimpleNamespace(policy=SimpleNamespace(token=0)), listings=(SimpleNamespace(reserve=1),)
    )
    mine: Any = SimpleNamespace(count=slots)
    return Market(chain, NOTHING, NOTHING, NOTHING, rules, mine, store)._room(named, nonce)


def hold(store: Artifacts, number: int, count: int) -> None:
    store.pin(store.put_bytes(bytes([number]) * count), bytes([number] * 32).hex())


def test_no_bid_is_made_that_would_close_the_other_slots(tmp_path: Path) -> None:
    """What an offer has to transfer is free to say, and a bid for it costs nothing."""
    store = Artifacts(tmp_path, quota=100 * MIB)
    greedy = lease(Phase.BID, 99)
    assert stored_bytes(greedy.offer) > room_of(store, nonce=1), (
        "beside nothing, too: it would be opened late"
    )
    assert room_of(store, slots=1) == 100 * MIB
    largest = lease(Phase.BID, 49)
    assert stored_bytes(largest.offer) <= room_of(store, nonce=1) == 50 * MIB
    for taken in (largest, replace(largest, phase=Phase.FETCHING)):
        assert room_of(store, taken, nonce=2) == 50 * MIB, "the other slot has its own share"
    hold(store, 7, 40 * MIB)
    left = 60 * MIB - stored_bytes(largest.offer)
    assert room_of(store, largest, nonce=2) == left, "what is kept of this slot's jobs is of its own share"
    store.close()


def test_who_has_fetched_its_share_leaves_others_theirs(tmp_path: Path) -> None:
    store = Artifacts(tmp_path, quota=20_000)
    hold(store, 0, 10_000)
    known = replace(SPEC, program_bytes=5_000, input_bytes=5_000 - len(SPEC.encode()))
    at_work = replace(lease(Phase.RUNNING, 0), spec=known)
    assert room_of(store, at_work) == 10_000
    assert room_of(store, replace(at_work, phase=Phase.POSTED)) == 5_000, "its slot is free again"
    store.close()


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_of_all_that_was_bid_for_nothing_fails_to_find_room(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever is asked for and opened, in any order: strangers are as greedy as the rule lets them be."""
    slots, quota = 3, 300_000
    store = Artifacts(tmp_path_factory.mktemp("store"), quota=quota)
    leases: list[ProviderLease] = []
    for _ in range(data.draw(st.integers(8, 30))):
        number = len(leases)
        nonce = data.draw(st.integers(1, slots))
        of_slot = [n for n, each in enumerate(leases) if each.bid.capacity_nonce == nonce]
        at_work = [n for n in of_slot if leases[n].phase in (Phase.FETCHING, Phase.CHECKING)]
        if not at_work:
            found = room_of(store, *leases, nonce=nonce, slots=slots)
            most = max(found - MORE, 0)
            wanted = data.draw(st.sampled_from([most, most // 3, 0]))
            if found >= wanted + MORE:
                offered = lease(Phase.BID, 0, nonce)
                leases.append(replace(offered, offer=replace(offered.offer, transfer_bytes=wanted)))
                of_slot.append(number)
        if not of_slot:
            continue
        n = data.draw(st.sampled_from(of_slot))
        if leases[n].phase == Phase.BID and not at_work:
            leases = [
                replace(each, phase=Phase.LAPSED)
                if k in of_slot and each.phase == Phase.BID and k != n
                else each
                for k, each in enumerate(leases)
            ]
            leases[n] = replace(leases[n], phase=Phase.FETCHING)
        elif leases[n].phase == Phase.FETCHING:
            hold(store, n, stored_bytes(leases[n].offer))
            spec = replace(SPEC, program_bytes=leases[n].offer.transfer_bytes, input_bytes=0)
            leases[n] = replace(leases[n], phase=Phase.CHECKING, spec=spec)
        elif leases[n].phase == Phase.CHECKING:
            leases[n] = replace(leases[n], phase=Phase.POSTED, spec=None)
    assert store.pinned() <= quota
    store.close()


def require(store: Artifacts, number: int, output_bytes: int, *leases: ProviderLease, slots: int = 2) -> None:
    named = {LeaseId(bytes([n]) * 32): each for n, each in enumerate(leases)}
    jobs = Jobs(NOTHING, NOTHING, store, NOTHING, NOTHING, store.work, None, slots)
    jobs._require_room(LeaseId(bytes([number]) * 32), named, output_bytes)


def test_outputs_are_held_to_what_is_on_the_disk_and_not_to_what_others_said_they_would_serve(
    tmp_path: Path,
) -> None:
    """Or whoever opens a lease and serves nothing has the leases of others closed, at their show-up sums."""
    store = Artifacts(tmp_path, quota=1_000 * MIB)
    hold(store, 1, 40 * MIB)
    leases = lease(Phase.FETCHING, 499), lease(Phase.CHECKING, 40, nonce=2)
    require(store, 1, 230 * MIB, *leases)
    require(store, 1, 230 * MIB, *leases)
    with pytest.raises(TransientError, match="no room for 2 copies of 263192576 bytes of outputs"):
        require(store, 0, 251 * MIB, *leases)
    store.close()


def test_a_job_s_outputs_take_its_slot_s_share_and_nothing_that_opened_leases_have_to_fetch(
    tmp_path: Path,
) -> None:
    """What a program makes is in no offer: one small job would close all other slots till its window ends."""
    store = Artifacts(tmp_path, quota=100 * MIB)
    greedy, opened = lease(Phase.CHECKING, 1), lease(Phase.FETCHING, 20, nonce=2)
    hold(store, 0, MIB)
    with pytest.raises(TransientError, match="51380224 are left in its slot's share"):
        require(store, 0, 25 * MIB, greedy, opened)
    assert store.room() == 99 * MIB, "what is refused is not kept"
    require(store, 0, 49 * MIB // 2, greedy, opened)
    assert room_of(store, greedy, nonce=3) == 51 * MIB // 2, "nobody's bids end"
    store.release(bytes(32).hex())
    hold(store, 7, 60 * MIB)
    left = 40 * MIB - stored_bytes(opened.offer)
    with pytest.raises(TransientError, match=f" {left} are left"):
        require(store, 0, left // 2 + 1, greedy, opened)
    require(store, 0, left // 2, greedy, opened)
    hold(store, 1, stored_bytes(opened.offer))
    store.close()


def test_what_is_made_of_what_is_reserved_lies_on_the_disk_once_and_finds_its_room(tmp_path: Path) -> None:
    """Where the disk is the bound, its free bytes fall by what a run writes, and that was reserved."""
    with small_disk(tmp_path / "disk", megabytes=32) as disk:
        store = Artifacts(disk / "store", spare=lambda: 2 * MIB)
        for number in range(6):
            store.put_bytes(bytes([number]) * 4 * MIB)
        room = store.room()
        assert 28 * MIB < room < 30 * MIB
        assert not store.reserve("a", 30 * MIB)
        assert store.reserve("a", 24 * MIB)
        assert shutil.disk_usage(disk).free >= 26 * MIB, (
            "nobody else makes room for who writes past the store"
        )
        store.put_bytes(b"l" * 4 * MIB)
        left = store.room()
        store.work.mkdir()
        part, whole = (store.work / f"a.out{end}" for end in (".part", ""))
        for done in (6, 12):
            part.write_bytes(b"o" * done * MIB)
            assert store.room() == pytest.approx(left, abs=MIB // 8)
        part.rename(whole)
        with pytest.raises(QuotaExceededError):
            store.put_bytes(b"f" * 7 * MIB)
        outputs = store.put_file(whole, "a")
        store.pin(outputs, "a")
        store.unreserve("a")
        assert store.room() == pytest.approx(left, abs=MIB // 8)
        store.release("a")
        whole.unlink()
        assert store.room() == pytest.approx(room, abs=MIB // 8)
        store.close()


def test_room_for_outputs_is_kept_until_they_are_there(tmp_path: Path) -> None:
    """Neither what is fetched meanwhile nor other outputs take it: the job was started, and owes a result."""
    store = Artifacts(tmp_path, quota=10_000)
    assert not store.reserve("a", 10_001)
    assert store.room() == 10_000, "what was refused is not kept"
    assert store.reserve("a", 6_000)
    assert store.reserve("a", 6_000), "again, after an attempt"
    assert store.room() == 4_000
    assert not store.reserve("b", 4_001)
    with pytest.raises(QuotaExceededError):
        store.put_bytes(b"f" * 4_001)
    store.close()
    store = Artifacts(tmp_path, quota=10_000)
    assert store.room() == 4_000, "after a restart"
    file = tmp_path / "out"
    file.write_bytes(b"o" * 6_000)
    with pytest.raises(QuotaExceededError):
        store.put_file(file, "b")
    store.pin(store.put_file(file, "a"), "a")
    store.unreserve("a")
    assert store.room() == 4_000
    assert store.reserve("c", 4_000)
    store.release("c")
    assert store.room() == 4_000
    store.close()


def test_outputs_of_a_former_version_are_taken_over(tmp_path: Path) -> None:
    """They were written beside the store, where no room is kept for them."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a.out.part").write_bytes(b"half")
    for _ in range(2):
        store = open_store(tmp_path, 10 * MIB, MIB)
        assert (store.work / "a.out.part").read_bytes() == b"half"
        store.close()
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    "phase", [Phase.ABORTING, Phase.FAILING, Phase.LAPSED, Phase.SETTLED, Phase.CLOSED, Phase.CONVICTED]
)
def test_for_what_is_over_nothing_comes(phase: Phase) -> None:
    assert promised(lease(phase, 3)) == 0


def test_a_store_says_what_it_has_room_for(tmp_path: Path) -> None:
    store = Artifacts(tmp_path, quota=10_000)
    assert store.room() == 10_000
    kept, loose = store.put_bytes(b"k" * 3_000), store.put_bytes(b"l" * 2_000)
    assert store.room() == 10_000, "what nothing holds makes room"
    for reason in ("a", "b"):
        store.pin(kept, reason)
    store.pin(loose, "b")
    assert (store.held("a"), store.held("b"), store.held("c")) == (3_000, 5_000, 0)
    assert store.room() == 5_000
    store.close()


@pytest.mark.trio
async def test_artifacts_that_find_no_room_are_waited_for_until_the_start_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Closing the lease burns the show-up sum, whenever it is done; room may come before."""

    async def full(*_: object) -> Path:
        raise QuotaExceededError("artifact of 9 bytes does not fit")

    class Loop:
        def state(self, _: MachineId) -> ProviderLease:
            return fresh()

    monkeypatch.setattr(Holdings, "get", full)
    loop: Any = Loop()
    jobs = Jobs(loop, NOTHING, NOTHING, NOTHING, NOTHING, Path(), None)
    with pytest.raises(TransientError, match="no room for the artifacts"):
        await jobs.fetch(FetchArtifacts(1), Context(MachineId("lease", bytes(32)), bytes(32), 0))
