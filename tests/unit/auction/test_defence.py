"""A provider promises no result that it could not defend (rule 13)."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.auction.bidding import Capability, House, Refusal, answer
from protocol.auction.clocks import Promise
from protocol.auction.defence import (
    RAN_FACTOR,
    STARTUP_MS,
    Burden,
    Means,
    easy_item_ms,
    job_flaw,
    offer_flaw,
    run_flaw,
    trace_ms,
    worst_ms,
)
from protocol.auction.room import room_flaw
from protocol.types import BlockNo, Blocks, LeaseId
from tests.unit.auction.test_bidding import CPU, GPU, HOUSE, MARKET, OFFER, SLOTS, bid_for

MEANS = Means(Blocks(60), Blocks(6), block_ms=1_000, memory_bytes=8 << 30, disk_bytes=64 << 30)
"""A minute for all moves, and six seconds for each."""
GUARDED = replace(HOUSE, means=MEANS)
BURDEN = Burden(
    100, item_ms=100, worst_item_ms=24_000, trace_bytes=2 << 30, value_bytes=80 << 20, hash_ms=200
)
ALLOWANCE = Blocks(6)


def refusal(house: House = GUARDED, **changes: object) -> str:
    found = answer(replace(OFFER, **changes), house, MARKET, SLOTS)  # type: ignore[arg-type]
    assert isinstance(found, Refusal), found
    return found.reason


def test_rule_13_no_bid_where_an_item_cannot_be_executed_again_within_the_clocks() -> None:
    """A tenth of a second is defended in a minute, also if its inputs are slow; half a second is not."""
    assert bid_for(OFFER, GUARDED)
    slow = {"item_fma": 5 * 10**8, "item_count": 10}
    assert "cannot be executed again in time" in refusal(**slow)
    assert bid_for(replace(OFFER, **slow)), "where nothing is judged by games"
    trusting = replace(HOUSE, means=replace(MEANS, slow_inputs=False))
    assert bid_for(replace(OFFER, **slow), trusting)
    two_hours = {"item_fma": 10**9 * 7_200, "item_count": 1, "max_blocks": 10**6, "challenge_window": 10**5}
    assert "cannot be executed again in time" in refusal(**two_hours)
    day = replace(MEANS, move_clock=Blocks(86_400), slow_inputs=False)
    patient = replace(HOUSE, means=day)
    assert bid_for(replace(OFFER, **two_hours), patient).bid.trace_allowance == 6 * 7_200


def test_rule_13_no_bid_where_the_trace_cannot_be_held() -> None:
    small = replace(HOUSE, means=replace(MEANS, memory_bytes=1 << 29))
    assert refusal(small) == "defending an item takes 1024 MiB or more, there are 512 MiB"
    assert bid_for(replace(OFFER, verification=0), replace(small, capability=unjudged())).bid


def unjudged() -> Capability:
    return replace(HOUSE.capability, verifications=frozenset({0, 1}))


def test_the_bound_is_that_of_the_device_that_defends() -> None:
    """A job for the GPU, defended on the processor, is as slow as that."""
    fast = House(OFFER.client, Capability((CPU, GPU), 10**7), HOUSE.policy)
    fast = replace(fast, policy=replace(HOUSE.policy, per_hour={"cuda": HOUSE.policy.per_hour["cpu"]}))
    offer = replace(OFFER, item_fma=10**10, item_count=10)
    on_gpu = replace(fast, means=MEANS)
    assert bid_for(offer, on_gpu).device == "cuda:0"
    on_cpu = replace(fast, means=replace(MEANS, device="cpu"))
    found = answer(offer, on_cpu, MARKET, SLOTS)
    assert isinstance(found, Refusal)
    assert "again in time" in found.reason


def test_only_processors_are_slow_with_subnormal_numbers() -> None:
    assert worst_ms(10, "cpu", MEANS) == 2_400
    assert worst_ms(10, "cuda", MEANS) == worst_ms(10, "cpu", replace(MEANS, slow_inputs=False)) == 10


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"trace_bytes": 9 << 30}, "defending an item takes 9216 MiB, there are 8192 MiB for it"),
        ({"value_bytes": 65 << 30, "trace_bytes": 1}, "on disk"),
        ({"hash_ms": 5_901}, "an item's trace takes about 6001 ms, the bid allows 6000 ms"),
        ({"output_hash_ms": 28_501}, "two answers to demands takes about 60002 ms, the clock is 60000 ms"),
        ({"item_ms": 1_501}, "an item's trace takes about 6004 ms, the bid allows 6000 ms"),
        ({"worst_item_ms": 63_000}, "up to 66200 ms, the clock is 66000 ms"),
        # On a GPU an item may take less than hashing its trace does: all of them at once are too many.
        ({"items": 10_000, "item_ms": 1, "worst_item_ms": 1}, "the traces of all items take about"),
    ],
)
def test_rule_13_what_was_measured_is_held_to_the_clocks_before_the_start(
    changes: dict[str, int], reason: str
) -> None:
    found = job_flaw(replace(BURDEN, **changes), ALLOWANCE, replace(MEANS, demand_clock=Blocks(60)))
    assert reason in found
    assert bool(found) == bool(reason)


def test_what_passes_by_the_client_s_figures_passes_by_the_same_figures_measured() -> None:
    """Else every honest offer would cost a show-up sum."""
    for item_ms in (1, 10, 100, 200, 230):
        worst = worst_ms(item_ms, "cpu", MEANS)
        assert offer_flaw(item_ms, worst, 1 << 30, MEANS) == ""
        allowance = Blocks(6 * -(-item_ms // MEANS.block_ms))
        burden = Burden(10, item_ms, worst, 1 << 30, 1 << 20, hash_ms=3)
        assert job_flaw(burden, allowance, MEANS) == ""


def test_a_named_device_that_is_not_here_changes_nothing() -> None:
    house = replace(GUARDED, means=replace(MEANS, device="cuda:7"))
    assert bid_for(OFFER, house) == bid_for(OFFER, GUARDED)


def test_rule_13_many_slow_items_are_noticed_in_the_run() -> None:
    """One of them fits into a move clock, many at once do not; allowances are for plain ones."""
    easy = easy_item_ms(ALLOWANCE, MEANS)
    assert easy == 3_000
    assert run_flaw(0, MEANS) == run_flaw(57_000, MEANS) == ""
    assert "could not be executed again in time" in run_flaw(57_001, MEANS)


@given(
    st.lists(st.integers(1, 30_000), min_size=1, max_size=20),
    st.sets(st.integers(0, 19)),
    st.integers(1, 900),
)
def test_rule_13_whatever_is_challenged_of_a_result_that_passes_is_defended(
    took: list[int], challenged: set[int], plain_ms: int
) -> None:
    """Executed one after the other, from a child that is not there yet, each within the clock of its game."""
    allowance = Blocks(6 * -(-plain_ms // MEANS.block_ms))
    easy = easy_item_ms(allowance, MEANS)
    if run_flaw(sum(max(each - easy, 0) for each in took), MEANS):
        return
    beyond, spent = trace_ms(plain_ms) - plain_ms, STARTUP_MS
    for number, item in enumerate(sorted(challenged & set(range(len(took)))), 1):
        spent += took[item] + beyond
        assert spent <= MEANS.clock_ms + number * allowance * MEANS.block_ms


def promised(count: int, **changes: object) -> tuple[Promise, ...]:
    """Leases of ten items, each four seconds to execute again."""
    plain = Promise(LeaseId(bytes(32)), 10, 4_000, 6_000, 60_000, audited=False, until=BlockNo(500))
    found = (replace(plain, **changes) for _ in range(count))  # type: ignore[arg-type]
    return tuple(replace(each, lease=LeaseId(bytes([n]) * 32)) for n, each in enumerate(found, 1))


def test_rule_13_no_bid_where_its_items_could_not_be_executed_beside_those_of_other_leases() -> None:
    """Each of the others can be defended, and so could this one by itself."""
    assert answer(OFFER, GUARDED, replace(MARKET, promises=promised(1)), SLOTS) == bid_for(OFFER, GUARDED)
    found = answer(OFFER, GUARDED, replace(MARKET, promises=promised(4)), SLOTS)
    assert isinstance(found, Refusal)
    assert (
        "were it and 4 other leases (0x01010101, 0x02020202, 0x03030303, ..., until block 500 or later)"
        in (found.reason)
    )
    assert "challenged at once" in found.reason


def test_rule_13_no_bid_that_fits_only_while_its_items_are_as_slow_as_the_offer_says() -> None:
    """A quicker job leaves shorter clocks: it would be won, measured, and given up for the show-up sum."""
    offer, bids = replace(OFFER, item_fma=10**8, item_count=1_000, max_blocks=10**6), 0
    offer = replace(offer, challenge_window=10**5)
    for count, run in itertools.product((4, 5, 6, 7), range(20, 200, 10)):
        held = promised(count, items=1_000, run_ms=run, cap_ms=6 * 1_000 * run)
        terms = answer(offer, GUARDED, replace(MARKET, promises=held), SLOTS)
        if isinstance(terms, Refusal):
            continue
        bids += 1
        for part in (1, 2, 4, 8):
            quick = Promise(
                terms.bid.lease_id(),
                offer.item_count,
                terms.trace_ms // part,
                terms.bid.trace_allowance * MEANS.block_ms,
                RAN_FACTOR * offer.item_count * (terms.item_ms // part),
                audited=False,
            )
            assert room_flaw(quick, held, MEANS) == "", (count, run, part)
    assert bids


def test_who_reckons_with_fewer_challenges_at_once_bids_on_more() -> None:
    market = replace(MARKET, promises=promised(20))
    some = replace(HOUSE, means=replace(MEANS, at_once=12))
    assert isinstance(answer(OFFER, GUARDED, market, SLOTS), Refusal)
    assert isinstance(answer(OFFER, replace(some, means=MEANS), market, SLOTS), Refusal)
    assert not isinstance(answer(OFFER, some, market, SLOTS), Refusal)
    more = replace(HOUSE, means=replace(MEANS, at_once=16))
    assert isinstance(answer(OFFER, more, market, SLOTS), Refusal), "16 runs of four seconds in a minute"


def test_audits_are_reckoned_with_where_there_are_any() -> None:
    """Two for each public lease, and half as much again since they run beside each other."""
    held = promised(3, items=1, run_ms=8_000)
    assert room_flaw(held[0], held[1:], MEANS) == ""
    audited = [replace(each, audited=True) for each in held]
    assert "of the 66000 ms" in room_flaw(audited[0], audited[1:], MEANS)
    assert room_flaw(audited[0], audited[1:], replace(MEANS, move_clock=Blocks(90))) == ""
    crowded = replace(MEANS, move_clock=Blocks(90), jobs=4)
    assert "of the 96000 ms" in room_flaw(audited[0], audited[1:], crowded)
    brief = replace(MEANS, move_clock=Blocks(90), audit_clock=Blocks(60))
    assert "of the 66000 ms" in room_flaw(audited[0], audited[1:], brief)


def test_a_lease_that_does_not_fit_by_itself_is_told_so() -> None:
    (alone,) = promised(1, items=100, cap_ms=0)
    assert room_flaw(alone, (), MEANS).startswith("were its items and audits challenged at once")
