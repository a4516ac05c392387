"""Slots, their nonces, and the stake that open bids may lock."""

from dataclasses import replace
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from protocol.auction.bidding import Slot
from protocol.lease.provider import WORKING
from protocol.lease.provider_types import Phase, ProviderLease
from provider_node.capacity import Capacity, promised
from tests.strategies.provider import fresh


def lease(nonce: int, phase: Phase, bond: int = 10, token: int = 0) -> ProviderLease:
    state = fresh()
    bid = replace(state.bid, capacity_nonce=nonce, bond=bond, token=token)
    return replace(state, bid=bid, phase=phase)


def test_bids_of_one_slot_share_its_nonce_until_one_is_opened() -> None:
    capacity = Capacity.fresh(2, first=5)
    bids = [lease(5, Phase.BID), lease(5, Phase.BID), lease(6, Phase.BID)]
    assert capacity.free(bids) == (Slot(5, 2), Slot(6, 1))
    assert capacity.free([*bids, lease(5, Phase.RUNNING)]) == (Slot(6, 1),)
    assert capacity.renewed(bids) == capacity


def test_a_slot_gets_a_new_nonce_once_its_work_is_over() -> None:
    capacity = Capacity.fresh(2, first=5)
    assert capacity.renewed([lease(5, Phase.RUNNING)]) == capacity
    for phase in (Phase.POSTED, Phase.SETTLED, Phase.CLOSED, Phase.ABORTING, Phase.FAILING):
        assert capacity.renewed([lease(5, phase)]) == Capacity((7, 6), 8)
    # A bid that nobody took has spent nothing.
    assert capacity.renewed([lease(5, Phase.LAPSED)]) == capacity


def test_a_changed_number_of_slots_keeps_what_is_promised() -> None:
    capacity = Capacity((5, 9), 10)
    assert capacity.resized(1, []) == Capacity((5,), 10)
    assert capacity.resized(3, []) == Capacity((5, 9, 10), 11)
    assert capacity.resized(1, [lease(9, Phase.BID)]) == Capacity((9,), 10)
    assert capacity.resized(1, [lease(5, Phase.BID), lease(9, Phase.RUNNING)]) == Capacity((9,), 10)
    assert Capacity((3, 5, 9), 10).resized(2, [lease(9, Phase.BID)]) == Capacity((3, 9), 10)


def test_what_was_promised_beyond_the_slots_takes_their_room() -> None:
    capacity = Capacity((5, 6), 10)
    assert capacity.free([], exposed=1) == (Slot(5, 0),)
    assert capacity.free([], exposed=3) == ()
    # A lease at work on a nonce that is no slot's any more.
    assert capacity.free([lease(9, Phase.RUNNING)]) == (Slot(5, 0),)
    assert capacity.free([lease(9, Phase.RUNNING), lease(5, Phase.RUNNING)]) == ()


def test_a_nonce_that_was_spent_elsewhere_is_replaced() -> None:
    capacity = Capacity.fresh(2, first=5)
    assert capacity.renewed([], gone=[6]) == Capacity((5, 7), 8)
    assert capacity.renewed([lease(6, Phase.BID)], gone=[6]) == Capacity((5, 7), 8)
    assert capacity.renewed([lease(6, Phase.RUNNING)], gone=[6]) == capacity


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from([each for each in Phase if each != Phase.BID])),
        max_size=12,
    ),
    st.integers(1, 4),
)
def test_no_slot_that_is_free_has_a_spent_nonce(found: list[tuple[int, Phase]], slots: int) -> None:
    leases = [lease(nonce, phase) for nonce, phase in found]
    capacity = Capacity.fresh(slots, first=0)
    for _ in range(12):
        capacity = capacity.renewed(leases)
    spent = {nonce for nonce, phase in found if phase not in (Phase.LAPSED, *WORKING)}
    busy = {nonce for nonce, phase in found if phase in WORKING}
    free = {slot.nonce for slot in capacity.free(leases)}
    assert not free & busy
    assert not free & spent
    assert len(set(capacity.nonces)) == slots
    assert Capacity.decode(capacity.encode()) == capacity


def test_stake_is_promised_once_a_slot_whatever_the_number_of_its_bids() -> None:
    bids = [
        lease(5, Phase.BID, 10),
        lease(6, Phase.BID, 20),
        lease(6, Phase.BID, 30),
        lease(6, Phase.BID, 25),
        lease(7, Phase.BID, 40, token=1),
        lease(8, Phase.RUNNING, 50),
    ]
    slots = (Slot(5, 1), Slot(6, 3), Slot(7, 1))
    # The next bid goes to slot 5; of slot 6 the largest bond may be locked. Running ones are locked already.
    for order in permutations(bids):
        assert promised(slots, order, token=0) == 30
    assert promised((), bids, token=0) == 0
