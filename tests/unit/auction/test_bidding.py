"""What a provider bids, what it declines, and why."""

from dataclasses import replace

import pytest

from protocol.auction.bidding import (
    UINT32,
    Capability,
    DeviceSpeed,
    House,
    MarketView,
    PricePolicy,
    Refusal,
    Slot,
    Terms,
    TokenTerms,
    answer,
    rate_per_block,
)
from protocol.auction.money import Unit
from protocol.dispute.audits import AuditClocks
from protocol.dispute.windows import Judging, demand_rounds
from protocol.messages import JobSpec, Offer
from protocol.types import InputError

CPU = DeviceSpeed("cpu", 10**9, 10**8, 8 << 30, 60_000)
GPU = DeviceSpeed("cuda:0", 10**12, 10**11, 80 << 30, 700_000)
OWNER = b"\x0a" * 20
HOUR = 3_600_000

OFFER = Offer(
    client=b"\x0c" * 20,
    seal_key=b"\x01" * 32,
    job_hash=b"\x02" * 32,
    spec=b"\x03" * 32,
    token=0,
    lease_class=1,
    verification=1,
    flags=0,
    delegates=bytes(32),
    item_count=100,
    item_fma=10**8,
    item_elements=0,
    memory_bytes=1 << 30,
    transfer_bytes=10**7,
    max_blocks=200,
    challenge_window=300,
    min_bond_blocks=10,
    auction_ms=1_000,
    expiry=1_020,
    device="any",
    addrs=("/ip4/127.0.0.1/tcp/1",),
)
HOUSE = House(OWNER, Capability((CPU,), 10**7), PricePolicy({"cpu": 3_600_000}))
USD = Unit("USD", 3)
MARKET = MarketView(1_000, 1_000, (TokenTerms(USD, 5_000, 10**9, 10**9),))
SLOTS = (Slot(7),)


def bid_for(offer: Offer = OFFER, house: House = HOUSE, market: MarketView = MARKET) -> Terms:
    terms = answer(offer, house, market, SLOTS)
    assert isinstance(terms, Terms), terms
    terms.bid.check()
    terms.bid.packed()
    return terms


def refusal(offer: Offer = OFFER, house: House = HOUSE, market: MarketView = MARKET, slots=SLOTS) -> str:
    found = answer(offer, house, market, slots)
    assert isinstance(found, Refusal), found
    assert "\n" not in found.reason
    return found.reason


def with_policy(**changes: object) -> House:
    return replace(HOUSE, policy=replace(HOUSE.policy, **changes))


def test_a_plain_job_is_bid_on_with_deadlines_from_its_estimate() -> None:
    terms = bid_for()
    # 100 items of 0.1 s: 10 s, 10 blocks; three times that and 20 blocks to post.
    assert terms.bid.result_deadline == 50
    assert terms.bid.max_blocks == 50
    assert terms.bid.rate_per_block == 1_000
    assert terms.bid.deposit() == 50_000
    assert (terms.bid.owner, terms.bid.client, terms.bid.job_hash) == (OWNER, OFFER.client, OFFER.job_hash)
    assert terms.bid.capacity_nonce == 7
    assert terms.bid.expiry == 1_000 + 1 + 10
    assert terms.expected_ms == 10_000 + 1_000 + 3_000


def test_the_bond_covers_the_reserve_and_everything_that_can_be_withdrawn() -> None:
    terms = bid_for(house=with_policy(top_up_percent=200))
    assert terms.bid.top_up_cap == 100
    assert terms.bid.bond == 5_000 + 1_000 * 100


def test_a_small_stake_bids_with_what_the_client_insists_on() -> None:
    small = replace(MARKET, tokens=(TokenTerms(USD, 5_000, 20_000, 10**9),))
    assert bid_for(market=small).bid.bond == 20_000
    capped = replace(MARKET, tokens=(TokenTerms(USD, 5_000, 10**9, 16_000),))
    assert bid_for(market=capped).bid.bond == 16_000
    poor = replace(MARKET, tokens=(TokenTerms(USD, 5_000, 14_999, 10**9),))
    takes = "too small for the bond: it takes 15 USD, 14.999 USD are free"
    assert refusal(market=poor) == f"stake {takes}"
    held = replace(MARKET, tokens=(replace(poor.tokens[0], is_capped=True),))
    assert refusal(market=held) == f"the owner's cap on all leases (max_locked) {takes}"
    tight = replace(MARKET, tokens=(TokenTerms(USD, 5_000, 10**9, 14_999, is_capped=True),))
    assert refusal(market=tight) == f"the owner's cap on one lease (max_per_lease) {takes}"


def test_price_counts_hours_energy_and_margin_and_rounds_up() -> None:
    # 1 unit an hour in blocks of one second is less than one unit a block: never free.
    assert rate_per_block(PricePolicy({"cpu": 1}), CPU, 1_000) == 1
    # 60 W at 1e9 a kWh is 6e7 an hour, which a margin of 10 % raises with the rest.
    policy = PricePolicy({"cpu": 3_000_000}, margin_percent=10, energy_per_kwh=10**9)
    assert rate_per_block(policy, CPU, 1_000) == -(-(3_000_000 + 60_000_000) * 11 * 1_000 // (HOUR * 10))


def test_the_minimum_is_reached_by_the_completion_fee() -> None:
    assert bid_for(house=with_policy(completion_fee=5)).bid.completion_fee == 5
    # The job brings ten blocks of 1,000 by itself.
    assert bid_for(house=with_policy(minimum=25_000, completion_fee=5)).bid.completion_fee == 15_000


def test_an_auction_that_would_hold_the_bids_place_for_weeks_is_declined() -> None:
    """A bid stays open until the auction's end, and asking for one costs nothing."""
    assert bid_for(replace(OFFER, auction_ms=120_000)).bid.expiry == MARKET.height + 120 + 10
    assert refusal(replace(OFFER, auction_ms=UINT32)) == (
        "an auction of 4294968 s is too long, at most 120 s are bid in"
    )


def test_artifacts_that_the_store_has_no_room_for_are_declined() -> None:
    needed = OFFER.transfer_bytes + JobSpec.MAX_BYTES
    assert bid_for(market=replace(MARKET, store_bytes=needed))
    assert refusal(market=replace(MARKET, store_bytes=needed - 1)) == (
        "has 10 MiB of artifacts, this provider's store has room for 9 MiB in a slot, "
        "beside what it holds and has promised"
    )


def test_funded_blocks_stop_where_the_client_stops_paying() -> None:
    terms = bid_for(replace(OFFER, max_blocks=12))
    assert terms.bid.max_blocks == 12
    assert terms.bid.result_deadline == 50


def test_grace_is_never_below_what_the_chain_needs() -> None:
    assert bid_for(market=replace(MARKET, grace_min=64)).bid.grace == 64


def test_the_trace_allowance_is_six_item_times() -> None:
    slow = replace(OFFER, item_count=2, item_fma=5 * 10**9)
    assert bid_for(slow).bid.trace_allowance == 30


def test_energy_and_carbon_follow_from_the_run() -> None:
    house = replace(HOUSE, capability=replace(HOUSE.capability, carbon_grams_per_kwh=400))
    terms = bid_for(house=house)
    # 60 W for 10 s is 166.7 mWh; 167 mWh at 400 g a kWh are 66.8 mg. Both are rounded up.
    assert (terms.energy_milliwatt_hours, terms.carbon_milligrams) == (167, 67)


def test_bids_spread_over_free_slots_before_they_exclude_each_other() -> None:
    def chosen(slots: tuple[Slot, ...]) -> int:
        terms = answer(OFFER, HOUSE, MARKET, slots)
        assert isinstance(terms, Terms)
        return terms.bid.capacity_nonce

    assert chosen((Slot(3, open_bids=1), Slot(9))) == 9
    assert chosen((Slot(3, open_bids=2), Slot(9, open_bids=2))) == 3


def test_the_quickest_device_that_fits_is_taken() -> None:
    both = House(OWNER, Capability((CPU, GPU), 10**7), PricePolicy({"cpu": 3_600_000, "cuda": 36_000_000}))
    assert bid_for(house=both).device == "cuda:0"
    assert bid_for(replace(OFFER, device="cpu"), both).device == "cpu"
    unpriced = replace(both, policy=PricePolicy({"cpu": 3_600_000}))
    assert bid_for(house=unpriced).device == "cpu"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"expiry": 999}, "offer expired at block 999, now is 1000"),
        ({"lease_class": 2}, "this provider takes job leases only, the offer asks for a service"),
        ({"verification": 0}, "verification kind 0 is not taken here"),
        ({"token": 3}, "unknown token 3: this deployment lists 1"),
        ({"item_count": 1 << 21}, "2097152 items are too many, at most 1048576 are taken"),
        ({"device": "cuda"}, "needs cuda, this provider offers cpu"),
        ({"memory_bytes": 9 << 30}, "needs 9216 MiB of memory, this provider lends 8192 MiB"),
        ({"max_blocks": 9}, "would take about 10 blocks, the offer funds 9"),
        (
            {"challenge_window": 49},
            "challenge window of 49 blocks is too short, at least 50: "
            "the lease may take 50, an item 6 to be traced",
        ),
        (
            {"challenge_window": 300, "item_count": 1, "item_fma": 51 * 10**9},
            "challenge window of 300 blocks is too short, at least 306: "
            "the lease may take 173, an item 306 to be traced",
        ),
        ({"delegates": b"\x01" * 32}, "delegates are named, but the job is not private"),
    ],
)
def test_declines_say_why(changes: dict[str, object], reason: str) -> None:
    assert refusal(replace(OFFER, **changes)) == reason


def test_a_window_longer_than_the_owner_likes_is_declined() -> None:
    house = with_policy(window_max=200_000)
    why = refusal(replace(OFFER, challenge_window=200_001), house)
    assert why == "challenge window of 200001 blocks is too long, at most 200000"
    bid_for(replace(OFFER, challenge_window=200_001))


def test_rule_14_a_window_holds_lease_demands_and_one_redrawn_audit() -> None:
    """Lease 50, allowance 6, 100 items: 2 rounds down to an item, its roots, its leaves."""
    audits = AuditClocks(draw=8, commit=10, reveal=10, contest=10, game_span=999)
    judged = replace(MARKET, judging=Judging(demand_clock=20, audits=audits))
    needed = 50 + (4 + 1) * (20 + 6) + (2 * 8 + 10 + 2 * 6 + 10 + 10)
    assert bid_for(replace(OFFER, challenge_window=needed), market=judged).bid.result_deadline == 50
    assert refusal(replace(OFFER, challenge_window=needed - 1), market=judged) == (
        f"challenge window of {needed - 1} blocks is too short, at least {needed}: "
        "the lease may take 50, an item 6 to be traced"
    )
    # However much is lacking, what is named is enough.
    assert f"at least {needed}:" in refusal(replace(OFFER, challenge_window=5), market=judged)
    # Outsiders cannot audit a private lease, so its window need not hold an audit.
    private = replace(OFFER, flags=1, challenge_window=needed - 58)
    assert bid_for(private, market=judged)
    assert refusal(replace(private, challenge_window=needed - 59), market=judged)


@pytest.mark.parametrize(
    ("items", "rounds"), [(1, 3), (2, 4), (24, 4), (25, 3), (32, 3), (33, 4), (800, 4), (1 << 20, 6)]
)
def test_rule_14_counts_the_demands_from_a_result_to_any_leaf(items: int, rounds: int) -> None:
    assert demand_rounds(items) == rounds


def test_declines_by_policy() -> None:
    two = replace(MARKET, tokens=(TokenTerms(USD, 0, 0, 0), *MARKET.tokens))
    assert refusal(replace(OFFER, token=1), market=two) == (
        "this provider takes USD only, the offer pays token 1"
    )
    assert refusal(slots=()) == "no free capacity: every slot is working"
    assert refusal(house=with_policy(window_min=301)) == (
        "challenge window of 300 blocks is too short, at least 301"
    )
    private = replace(OFFER, flags=1)
    assert refusal(private, with_policy(private=False)) == "this provider takes no private jobs"
    assert bid_for(private).bid.flags == 1


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"per_hour": {}}, "price.per_hour"),
        ({"margin_percent": -1}, "price.margin_percent"),
        ({"safety_percent": 99}, "price.safety_percent"),
        ({"grace": 0}, "price.grace"),
        ({"grace": 1 << 16}, "price.grace"),
        ({"minimum": -1}, "price.minimum"),
        ({"per_hour": {"cpu": 1 << 90}}, "price.per_hour.cpu"),
    ],
)
def test_a_policy_that_no_bid_can_carry_is_refused_by_name(changes: dict[str, object], names: str) -> None:
    HOUSE.policy.check()
    with pytest.raises(InputError, match=names):
        replace(HOUSE.policy, **changes).check()
