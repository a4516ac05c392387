"""The auction machine: who is opened, who next, and what is said when nobody is."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.auction.auction import (
    ALLOWED,
    MAX_BIDDERS,
    MAX_JUNK,
    MAX_PER_BIDDER,
    AskedOpen,
    AskedStop,
    Collecting,
    DidClose,
    FailedOpen,
    GotDecline,
    GotEntry,
    GotJunk,
    Junk,
    Lost,
    OpenFailure,
    Opening,
    OpenLease,
    Proposed,
    ReadMarket,
    Rejected,
    SawBacking,
    SawMarket,
    SawOpened,
    State,
    Weighing,
    Won,
    step,
)
from protocol.auction.quotes import Declined
from protocol.runtime.codec import Codec
from protocol.types import Address, Amount, BlockNo, Hash32
from tests.unit.auction.answers import HEIGHT, OFFER, TOKEN, WISH, entry, market, operator, owner, standing

NOW = BlockNo(HEIGHT)


def run(*inputs, state=None):
    state = state or Collecting(WISH)
    effects = ()
    for each in inputs:
        done = step(state, each)
        state, effects = done.state, done.effects
    return state, effects


def proposed(*numbers, **changes):
    inputs = [GotEntry(entry(number, **changes)) for number in numbers]
    return run(*inputs, DidClose(), SawMarket(market(*map(standing, numbers))))[0]


def lease(number, **changes):
    return entry(number, **changes).bid.lease_id()


def test_best_bid_is_opened_and_won():
    state, effects = run(AskedOpen(NOW), state=proposed(4, 3))
    assert effects == (OpenLease(entry(3)),)
    state, effects = run(SawOpened(lease(3)), state=state)
    assert isinstance(state, Won)
    assert (state.lease, effects) == (lease(3), ())


def test_chain_is_asked_about_every_bidder_and_nonce():
    _, effects = run(GotEntry(entry(3)), GotEntry(entry(4, capacity_nonce=9)), DidClose())
    assert effects == (ReadMarket(((owner(3), 7), (owner(4), 9))),)


@pytest.mark.parametrize("failure", [OpenFailure.NONCE_SPENT, OpenFailure.EXPIRED, OpenFailure.BID_VOID])
def test_next_bid_is_opened_unasked_when_the_best_is_gone(failure):
    state, _ = run(AskedOpen(NOW), state=proposed(3, 4, 5))
    state, effects = run(FailedOpen(lease(3), failure, "gone", NOW), state=state)
    assert effects == (OpenLease(entry(4)),)
    state, _ = run(SawOpened(lease(4)), state=state)
    assert isinstance(state, Won)
    assert [(each.owner, each.reason) for each in state.tried] == [(owner(3), "gone")]


def test_no_other_bid_is_tried_when_the_fault_is_not_the_bids():
    state, _ = run(AskedOpen(NOW), state=proposed(3, 4))
    state, effects = run(FailedOpen(lease(3), OpenFailure.REFUSED, "not listed", NOW), state=state)
    assert isinstance(state, Lost)
    assert (state.reason, effects) == ("not listed", ())


def unproven(*prices):
    """Proposed bids in this order, best first: who asks less has failed so much more often."""
    numbers = range(3, 3 + len(prices))
    bids = [entry(n, rate_per_block=price * TOKEN // 100) for n, price in zip(numbers, prices, strict=True)]
    stands = [standing(n, finalized=0 if n > 3 else 900, failed=5 * (n - 3)) for n in numbers]
    state, _ = run(*map(GotEntry, bids), DidClose(), SawMarket(market(*stands)))
    assert [each.entry for each in state.ranking.ranked] == bids
    return state, [OpenLease(each) for each in bids]


def cannot_pay(opened):
    bid = opened.entry.bid
    return FailedOpen(bid.lease_id(), OpenFailure.CANNOT_PAY, f"lacking {bid.deposit()}", NOW)


def test_what_the_wallet_cannot_pay_leads_to_the_next_that_is_cheaper():
    state, (best, _dearer, _same, cheaper) = unproven(50, 51, 50, 49)
    state, effects = run(AskedOpen(NOW), cannot_pay(best), state=state)
    assert effects == (cheaper,), "and none that costs as much"
    lost_, effects = run(cannot_pay(cheaper), state=state)
    assert isinstance(lost_, Lost)
    assert effects == ()
    assert lost_.reason == f"lacking {49 * TOKEN // 10}", "what would have done, at the least"
    assert [each.owner for each in lost_.tried] == [owner(3), owner(6)]


CROWD = tuple(entry(number) for number in range(3, 9))


@settings(max_examples=50)
@given(st.lists(st.integers(0, 60), min_size=6, max_size=6), st.integers(2, 9))
def test_whoever_can_pay_any_bid_gets_the_best_of_those(failed, purse):
    stands = [standing(3 + index, failed=count) for index, count in enumerate(failed)]
    state, _ = run(*map(GotEntry, CROWD), DidClose(), SawMarket(market(*stands)))
    payable = [each for each in state.ranking.ranked if each.price <= purse * TOKEN // 10]
    state, effects = run(AskedOpen(NOW), state=state)
    while effects:
        bid = effects[0].entry.bid
        paid = SawOpened(bid.lease_id()) if bid.deposit() <= purse * TOKEN // 10 else cannot_pay(effects[0])
        state, effects = run(paid, state=state)
    assert (state.choice if isinstance(state, Won) else None) == (payable[0] if payable else None)


def test_what_could_not_be_paid_is_remembered_while_others_are_gone():
    state, (best, cheaper, dearer, cheapest) = unproven(50, 48, 49, 47)
    gone = FailedOpen(cheaper.entry.bid.lease_id(), OpenFailure.NONCE_SPENT, "gone", NOW)
    state, effects = run(AskedOpen(NOW), cannot_pay(best), state=state)
    assert effects == (cheaper,)
    state, effects = run(gone, state=state)
    assert effects == (dearer,), "it was not this one's price that could not be paid"
    state, effects = run(cannot_pay(dearer), state=state)
    assert effects == (cheapest,)
    state, _ = run(SawOpened(cheapest.entry.bid.lease_id()), state=state)
    assert isinstance(state, Won)
    assert [each.failure.name for each in state.tried] == ["CANNOT_PAY", "NONCE_SPENT", "CANNOT_PAY"]


def test_who_can_pay_no_bid_that_is_left_hears_what_is_missing():
    state, (best, cheaper) = unproven(50, 49)
    gone = FailedOpen(cheaper.entry.bid.lease_id(), OpenFailure.NONCE_SPENT, "gone", NOW)
    state, _ = run(AskedOpen(NOW), cannot_pay(best), gone, state=state)
    assert isinstance(state, Lost)
    assert state.reason == f"lacking {5 * TOKEN}"


def test_all_bids_gone_is_said_with_each_reason():
    state, _ = run(AskedOpen(NOW), state=proposed(3, 4))
    for number in (3, 4):
        state, _ = run(
            FailedOpen(lease(number), OpenFailure.NONCE_SPENT, f"spent {number}", NOW), state=state
        )
    assert isinstance(state, Lost)
    assert [each.reason for each in state.tried] == ["spent 3", "spent 4"]


def test_bids_that_expired_while_the_user_thought_are_passed_over():
    best, next_one = entry(3, expiry=HEIGHT + 1), entry(4, expiry=HEIGHT + 9)
    state, _ = run(
        GotEntry(best), GotEntry(next_one), DidClose(), SawMarket(market(standing(3), standing(4)))
    )
    _, effects = run(AskedOpen(BlockNo(HEIGHT + 1)), state=state)
    assert effects == (OpenLease(next_one),)
    late, effects = run(AskedOpen(BlockNo(HEIGHT + 9)), state=state)
    assert isinstance(late, Lost)
    assert effects == ()


def test_no_bids_at_all():
    state, _ = run(DidClose())
    assert isinstance(state, Lost)
    assert state.reason == "no bids"


def test_only_declines_are_shown_with_each_reason():
    words = Declined(Address(b"\x01" * 20), owner(3), OFFER, "no GPU")
    state, _ = run(GotDecline(words), DidClose())
    assert isinstance(state, Lost)
    assert state.reason == "nobody can serve it: 1 provider declined"
    assert state.declines == (words,)


def test_only_unusable_bids():
    state, _ = run(GotEntry(entry(3, expiry=1)), DidClose(), SawMarket(market(standing(3))))
    assert isinstance(state, Lost)
    assert state.refused[0].reason == "expired: good until block 1, now is 100"


def test_replays_and_floods_are_rejected_aloud():
    state = Collecting(WISH)
    foreign = Hash32(b"\x01" * 32)
    for value in (GotEntry(entry(3, offer=foreign)), GotDecline(Declined(owner(3), owner(3), foreign, "x"))):
        after, effects = run(value, state=state)
        assert after == state
        assert isinstance(effects[0], Rejected)
    junk = [GotJunk(Junk(Address(bytes([i]) * 20), "no message")) for i in range(MAX_JUNK)]
    full, _ = run(*junk)
    after, effects = run(GotJunk(Junk(owner(9), "one more")), state=full)
    assert after == full
    assert isinstance(effects[0], Rejected)
    once, _ = run(GotEntry(entry(3)))
    twice, effects = run(GotEntry(entry(3)), state=once)
    assert twice == once
    assert isinstance(effects[0], Rejected)


def crowd(count):
    """Bids of `count` owners, none of them one of the small numbers."""
    names = (Address(index.to_bytes(20, "big")) for index in range(1, count + 1))
    return [replace(entry(3), bid=replace(entry(3).bid, owner=name)) for name in names]


@pytest.mark.parametrize("told", ["before", "between", "after", "never"])
@pytest.mark.parametrize("place", [0, 10, 400])
def test_no_crowd_without_stake_keeps_a_staked_bid_out(told, place):
    """Registrations cost little: whoever makes hundreds gets no place before one that has a stake."""
    honest, inputs = entry(5), []
    for each in crowd(400):
        unbacked = [SawBacking(each.bid.owner, Amount(TOKEN - 1))] if told != "never" else []
        inputs += [*unbacked, GotEntry(each)] if told == "before" else [GotEntry(each), *unbacked]
    if told == "after":
        inputs.sort(key=lambda each: isinstance(each, SawBacking))
    mine = [GotEntry(honest), SawBacking(owner(5), Amount(5 * TOKEN)), GotEntry(honest)]
    inputs[place:place] = mine
    state, _ = run(*inputs)
    assert honest in state.entries
    assert len(state.entries) <= MAX_BIDDERS
    assert told == "never" or state.entries == (honest,)
    assert len(state.junk) <= MAX_JUNK


def test_a_larger_stake_displaces_a_smaller_one_only_when_no_place_is_left():
    small = [SawBacking(each.bid.owner, Amount(2 * TOKEN)) for each in crowd(MAX_BIDDERS)]
    full, _ = run(*small, *map(GotEntry, crowd(MAX_BIDDERS)))
    assert len(full.entries) == MAX_BIDDERS
    equal, effects = run(SawBacking(owner(9), Amount(2 * TOKEN)), GotEntry(entry(9)), state=full)
    assert entry(9) not in equal.entries
    assert isinstance(effects[0], Rejected)
    larger, _ = run(SawBacking(owner(9), Amount(2 * TOKEN + 1)), GotEntry(entry(9)), state=full)
    assert entry(9) in larger.entries
    assert len(larger.entries) == MAX_BIDDERS


def test_one_owner_holds_its_newest_few_bids():
    every = [entry(3, expiry=120 + index) for index in range(MAX_PER_BIDDER + 2)]
    state, _ = run(*map(GotEntry, every))
    assert state.entries == tuple(every[2:])


def test_stake_that_backs_no_bond_is_named():
    state, _ = run(GotEntry(entry(3)), SawBacking(owner(3), Amount(TOKEN // 2)), DidClose())
    assert isinstance(state, Lost)
    assert state.reason == "no usable bid"
    assert [each.reason for each in state.junk] == [
        "stake too small: 0.5 GVL can be locked, any bond takes 1 GVL at least"
    ]


def test_user_can_stop_until_the_opening_is_sent():
    for state in (Collecting(WISH), run(GotEntry(entry(3)), DidClose())[0], proposed(3)):
        assert isinstance(run(AskedStop(), state=state)[0], Lost)
    opening, _ = run(AskedOpen(NOW), state=proposed(3))
    after, effects = run(AskedStop(), state=opening)
    assert after == opening
    assert isinstance(effects[0], Rejected)


def test_opening_listens_to_its_own_lease_only():
    opening, _ = run(AskedOpen(NOW), state=proposed(3, 4))
    for value in (SawOpened(lease(4)), FailedOpen(lease(4), OpenFailure.EXPIRED, "x", NOW)):
        after, effects = run(value, state=opening)
        assert after == opening
        assert isinstance(effects[0], Rejected)


def test_every_state_survives_the_journal():
    """The machine is total over its states, and each can be read back after a crash."""
    codec: Codec[State] = Codec(State)
    opening, _ = run(AskedOpen(NOW), state=proposed(3, 4))
    states = [
        Collecting(WISH, (entry(3),)),
        run(GotEntry(entry(3)), DidClose())[0],
        proposed(3, 4),
        opening,
        run(SawOpened(lease(3)), state=opening)[0],
        run(DidClose())[0],
    ]
    assert {type(each) for each in states} == set(ALLOWED)
    for each in states:
        assert codec.decode(codec.encode(each)) == each


def test_the_table_is_what_step_does():
    """Every (state, input) either keeps to the table or is rejected without change."""
    lease_id = lease(3)
    opening = run(AskedOpen(NOW), state=proposed(3, 4))[0]
    states = [
        Collecting(WISH, (entry(3),)),
        run(GotEntry(entry(3)), DidClose())[0],
        proposed(3, 4),
        opening,
        run(SawOpened(lease_id), state=opening)[0],
        run(DidClose())[0],
    ]
    inputs = [
        GotEntry(entry(5)),
        GotDecline(Declined(operator(3)[:20], owner(3), OFFER, "no")),
        GotJunk(Junk(owner(1), "x")),
        DidClose(),
        SawMarket(market(standing(3))),
        AskedOpen(NOW),
        AskedStop(),
        SawOpened(lease_id),
        FailedOpen(lease_id, OpenFailure.EXPIRED, "late", NOW),
    ]
    for state in states:
        for value in inputs:
            done = step(state, value)
            rejected = any(isinstance(effect, Rejected) for effect in done.effects)
            allowed = ALLOWED[type(state)].get(type(value), frozenset())
            assert (not rejected and type(done.state) in allowed) or (rejected and done.state is state)
            assert rejected or allowed
    assert {Collecting, Weighing, Proposed, Opening, Won, Lost} == set(ALLOWED)
