"""Whatever an offer claims: the answer is a bid that the contract could take, or one line saying why not."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from protocol.auction.bidding import (
    Capability,
    DeviceSpeed,
    House,
    MarketView,
    PricePolicy,
    Refusal,
    Slot,
    TokenTerms,
    answer,
)
from protocol.auction.money import Unit
from protocol.messages import Bid, Offer
from protocol.types import InputError
from tests.strategies.messages import raw_messages

AMOUNTS = st.integers(0, (1 << 80) - 1)
SPEEDS = st.builds(
    DeviceSpeed,
    st.sampled_from(["cpu", "cuda:0", "cuda:1"]),
    st.integers(0, 10**14),
    st.integers(0, 10**13),
    st.integers(0, 1 << 40),
    st.integers(0, 10**6),
)
POLICIES = st.builds(
    PricePolicy,
    st.dictionaries(st.sampled_from(["cpu", "cuda"]), AMOUNTS, min_size=1),
    minimum=AMOUNTS,
    completion_fee=AMOUNTS,
    margin_percent=st.integers(0, 10_000),
    energy_per_kwh=AMOUNTS,
    bond=AMOUNTS,
    safety_percent=st.integers(100, 10_000),
    top_up_percent=st.integers(100, 10_000),
    token=st.integers(0, 2),
)
HOUSES = st.builds(
    House,
    st.binary(min_size=20, max_size=20),
    st.builds(Capability, st.lists(SPEEDS, max_size=3).map(tuple), st.integers(0, 10**10)),
    POLICIES,
)
TOKENS = st.builds(TokenTerms, st.just(Unit("USD", 6)), AMOUNTS, AMOUNTS, AMOUNTS)
MARKETS = st.builds(
    MarketView, st.integers(0, 1 << 40), st.integers(1, 10**5), st.lists(TOKENS, max_size=3).map(tuple)
)
SLOTS = st.lists(st.builds(Slot, st.integers(0, (1 << 64) - 1), st.integers(0, 9)), max_size=3).map(tuple)


@st.composite
def likely_offers(draw: st.DrawFn) -> Offer:
    """Offers that a client might make, so that many of them get a bid."""
    offer = draw(raw_messages(Offer))
    assert isinstance(offer, Offer)
    return replace(
        offer,
        **{
            "lease_class": 1,
            "verification": 1,
            "flags": 0,
            "delegates": bytes(32),
            "token": draw(st.integers(0, 2)),
            "item_count": draw(st.integers(1, 5_000)),
            "item_fma": draw(st.integers(0, 10**11)),
            "item_elements": draw(st.integers(0, 10**9)),
            "memory_bytes": draw(st.integers(0, 1 << 36)),
            "transfer_bytes": draw(st.integers(0, 1 << 32)),
            "max_blocks": draw(st.integers(1, 100_000)),
            "challenge_window": draw(st.integers(1, 200_000)),
            "min_bond_blocks": draw(st.integers(0, 1_000)),
            "auction_ms": draw(st.integers(0, 60_000)),
            "device": draw(st.sampled_from(["any", "cpu", "cuda"])),
            "expiry": draw(st.integers(0, (1 << 48) - 1)),
        },
    )


def check(offer: Offer, house: House, market: MarketView, slots: tuple[Slot, ...]) -> None:
    found = answer(offer, house, market, slots)
    if isinstance(found, Refusal):
        assert found.reason
        assert "\n" not in found.reason
        return
    bid, policy = found.bid, house.policy
    token = market.tokens[bid.token]
    assert Bid.from_packed(bid.packed()) == bid
    assert bid.capacity_nonce in {slot.nonce for slot in slots}
    assert token.reserve + bid.rate_per_block * offer.min_bond_blocks <= bid.bond
    assert bid.bond <= min(token.free, token.lease_cap)
    assert 0 < bid.max_blocks <= min(bid.top_up_cap, offer.max_blocks)
    assert bid.result_deadline <= bid.challenge_window == offer.challenge_window
    assert 6 <= bid.trace_allowance <= bid.challenge_window
    assert bid.completion_fee >= policy.completion_fee
    # The job is never cheaper than the owner's minimum, whatever rounding does.
    assert bid.rate_per_block * bid.max_blocks + bid.completion_fee >= policy.minimum
    assert offer.expiry >= market.height
    assert bid.expiry > market.height


@given(likely_offers(), HOUSES, MARKETS, SLOTS)
def test_likely_offers(offer: Offer, house: House, market: MarketView, slots: tuple[Slot, ...]) -> None:
    check(offer, house, market, slots)


@given(raw_messages(Offer), HOUSES, MARKETS, SLOTS)
def test_hostile_offers(offer: Offer, house: House, market: MarketView, slots: tuple[Slot, ...]) -> None:
    try:
        offer.check()
    except InputError:
        return
    check(offer, house, market, slots)
