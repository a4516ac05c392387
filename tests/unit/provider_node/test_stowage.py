"""What of the store's room is promised: a job whose artifacts find none is closed at the show-up sum."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.auction.bidding import stored_bytes
from protocol.lease.provider_types import FetchArtifacts, Phase, ProviderLease
from protocol.messages import JobSpec
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Context
from protocol.store import Artifacts, QuotaExceededError
from protocol.types import LeaseId, TransientError
from provider_node.holdings import Holdings
from provider_node.jobs import Jobs
from provider_node.stowage import promised_bytes
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
