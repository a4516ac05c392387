"""What the journal says of the clocks that are promised."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.auction.clocks import Promise, load
from protocol.auction.defence import Means
from protocol.auction.traces import traces_flaw
from protocol.lease.provider_types import ChainLease, Phase, ProviderLease, Stage
from protocol.types import BidFlags, Blocks, LeaseId
from provider_node.promises import answering_ms, bound, possible, promise_of
from tests.strategies.provider import RESULT, fresh

LEASE = LeaseId(b"\x01" * 32)
STATE = replace(fresh(), item_ms=100, trace_ms=400, trace_bytes=8_000, value_bytes=9_000)
TRACES = {"trace_bytes": 8_000, "value_bytes": 9_000, "again_ms": 500}
"""To make one again takes 400 ms, and 100 more if the item is slow."""
POSTED = ChainLease(Stage.POSTED, started_at=100, posted_at=110, window_end=170)


def test_a_lease_promises_its_items_by_measure_and_clocks_by_the_chain() -> None:
    """Allowance 6 blocks of a second; 4 items of a tenth: 2.4 s until the chain says how long the job ran."""
    before = promise_of(LEASE, STATE, audits=True)
    assert before == Promise(LEASE, 4, 400, 6_000, 2_400, audited=True, until=0, **TRACES)
    large = replace(STATE, offer=replace(STATE.offer, transfer_bytes=80_000_000))
    assert (found := promise_of(LEASE, large, audits=True)) is not None
    assert found.reading_ms == 200
    many = promise_of(LEASE, replace(large, reading_ms=8_500), audits=True)
    assert many is not None
    assert many.reading_ms == 8_500, "a program of many nodes takes longer than its bytes"
    posted = replace(STATE, phase=Phase.POSTED, chain=POSTED, result=replace(RESULT, over_ms=70, slow_ms=90))
    after = promise_of(LEASE, posted, audits=True)
    assert after == Promise(
        LEASE, 4, 400, 6_000, 60_000, over_ms=70, slow_ms=90, audited=True, until=170, **TRACES
    )
    started = replace(STATE, phase=Phase.RUNNING, chain=ChainLease(Stage.STARTED, result_by=150))
    assert (found := promise_of(LEASE, started, audits=True)) is not None
    assert found.until == 150 + 60
    offered = promise_of(LEASE, replace(STATE, trace_bytes=0), audits=True)
    assert offered is not None
    assert offered.trace_bytes == STATE.offer.memory_bytes, "it is not measured yet"


def test_an_answer_to_a_demand_is_waited_for_as_long_as_hashing_an_item_takes() -> None:
    """A child that hashed narrow outputs for minutes was ended as one that hangs, and began anew."""
    wide = replace(STATE, result=replace(RESULT, output_bytes=800_000_000))
    assert answering_ms(wide) == 2_000
    assert answering_ms(replace(wide, trace_ms=290_000)) == 290_000


@pytest.mark.parametrize("phase", [Phase.FINALIZING, Phase.ABORTING, Phase.FAILING, Phase.SETTLED])
def test_what_can_not_be_challenged_any_more_promises_nothing(phase: Phase) -> None:
    assert promise_of(LEASE, replace(STATE, phase=phase, chain=POSTED), audits=True) is None


def test_only_what_a_judge_may_audit_is_audited() -> None:
    assert promise_of(LEASE, replace(STATE, bid=replace(STATE.bid, verification=0)), audits=True) is None
    private = replace(STATE, bid=replace(STATE.bid, flags=int(BidFlags.PRIVATE)))
    for state, audits in ((private, True), (STATE, False)):
        found = promise_of(LEASE, state, audits)
        assert found is not None
        assert not found.audited


def test_of_the_bids_of_a_slot_one_counts_and_none_of_the_slot_that_is_bid_for() -> None:
    def bid(nonce: int, trace_ms: int) -> ProviderLease:
        return replace(STATE, bid=replace(STATE.bid, capacity_nonce=nonce), trace_ms=trace_ms)

    leases = {
        LeaseId(bytes([n]) * 32): each
        for n, each in enumerate(
            [bid(1, 400), bid(1, 900), bid(2, 300), replace(bid(3, 50), phase=Phase.POSTED, chain=POSTED)]
        )
    }
    assert [each.run_ms for each in bound(leases, audits=True)] == [50]
    assert [each.run_ms for each in possible(leases, True, nonce=2)] == [50, 900]
    assert [each.run_ms for each in possible(leases, True, nonce=1)] == [50, 300]
    assert [each.run_ms for each in possible(leases, True)] == [50, 900, 300]


@given(
    st.lists(
        st.tuples(st.integers(1, 99), st.integers(0, 9_000), st.integers(1, 99), st.integers(0, 10**9)),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 60_000),
    st.integers(0, 3),
)
def test_what_stands_for_the_bids_of_a_slot_is_no_lighter_than_any(
    bids: list[tuple[int, int, int, int]], clock: int, beside: int
) -> None:
    states = [
        replace(
            STATE,
            offer=replace(STATE.offer, item_count=items, transfer_bytes=count),
            bid=replace(STATE.bid, trace_allowance=allowance),
            trace_ms=trace,
        )
        for items, trace, allowance, count in bids
    ]
    leases = {LeaseId(bytes([n]) * 32): each for n, each in enumerate(states)}
    others = [Promise(LEASE, 3, 900, 6_000, 9_000)] * beside
    together = load([*others, *possible(leases, audits=True)], clock)
    for id, each in leases.items():
        alone = promise_of(id, each, audits=True)
        assert alone is not None
        assert load([*others, alone], clock).percent <= together.percent


@given(
    st.lists(
        st.tuples(st.integers(1, 9), st.integers(0, 900), st.integers(0, 90), st.integers(0, 10**7)),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 12),
    st.integers(0, 2),
    st.integers(0, 100),
    st.integers(0, 4_000),
)
def test_the_traces_of_what_stands_for_the_bids_of_a_slot_are_no_lighter(
    bids: list[tuple[int, int, int, int]], at_once: int, beside: int, room: int, increment: int
) -> None:
    """If they find room, on the disk or in the time to make them again, so do those of any."""
    states = [
        replace(
            STATE,
            offer=replace(STATE.offer, item_count=items, transfer_bytes=count),
            trace_ms=trace,
            value_bytes=size,
        )
        for items, trace, size, count in bids
    ]
    leases = {LeaseId(bytes([n]) * 32): each for n, each in enumerate(states)}
    others = [Promise(LEASE, 3, 900, 6_000, 9_000, value_bytes=50, again_ms=800)] * beside
    block = Blocks(10 * increment)
    means = Means(Blocks(1), block, 1, memory_bytes=1, disk_bytes=10 * room, at_once=at_once)
    if traces_flaw([*others, *possible(leases, audits=True)], means):
        return
    for id, each in leases.items():
        alone = promise_of(id, each, audits=True)
        assert alone is not None
        assert traces_flaw([*others, alone], means) == ""
