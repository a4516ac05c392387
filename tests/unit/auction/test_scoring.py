"""Each way in which a bid is worthless is named, and the order of the good ones is what the formula says."""

from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.auction.money import Unit
from protocol.auction.quotes import Declined, entry_of, open_answer, readable
from protocol.auction.scoring import Flaw, flaw, rank, risk_ppm, score
from protocol.crypto import address_of, seal, sealing_public
from protocol.dispute.audits import AuditClocks
from protocol.messages import Decline, SealedAnswer, seal_context, sign
from protocol.types import Amount, BlockNo, Blocks, Hash32, InputError, Verification
from tests.unit.auction.answers import (
    DOMAIN,
    HEIGHT,
    OFFER,
    TOKEN,
    UNIT,
    WISH,
    bid,
    entry,
    market,
    operator,
    owner,
    quote,
    standing,
)

SEAL_KEY = b"\x05" * 32


def flaw_of(each, stands=None, wish=WISH):
    found = flaw(each, wish, market(stands or standing(3)))
    return found and found[0]


def test_honest_bid_is_taken():
    assert flaw_of(entry(3)) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"client": b"\x01" * 20}, Flaw.WRONG_CLIENT),
        ({"job_hash": b"\x01" * 32}, Flaw.WRONG_JOB),
        ({"delegates": b"\x01" * 32}, Flaw.WRONG_JOB),
        ({"token": 1}, Flaw.WRONG_TOKEN),
        ({"lease_class": 2}, Flaw.WRONG_TERMS),
        ({"verification": 0}, Flaw.WRONG_TERMS),
        ({"flags": 1}, Flaw.WRONG_TERMS),
        ({"challenge_window": 299}, Flaw.WRONG_TERMS),
        ({"max_blocks": 101, "top_up_cap": 101}, Flaw.WRONG_TERMS),
        ({"max_blocks": 0}, Flaw.WRONG_TERMS),
        ({"start_deadline": 3601}, Flaw.WRONG_TERMS),
        ({"start_deadline": 0}, Flaw.WRONG_TERMS),
        ({"grace": 0}, Flaw.WRONG_TERMS),
        ({"grace": 1}, Flaw.WRONG_TERMS),
        ({"result_deadline": 0}, Flaw.WRONG_TERMS),
        ({"result_deadline": 301}, Flaw.WRONG_TERMS),
        ({"trace_allowance": 301}, Flaw.WRONG_TERMS),
        ({"completion_fee": 10 * TOKEN}, Flaw.OVER_CAP),
        ({"bond": TOKEN}, Flaw.BOND_TOO_LOW),
        ({"expiry": HEIGHT}, Flaw.EXPIRED),
        ({"bond": 51 * TOKEN}, Flaw.STAKE_TOO_SMALL),
    ],
)
def test_each_term_that_differs_is_refused(changes, expected):
    assert flaw_of(entry(3, **changes)) == expected


def test_rule_14_a_bid_leaves_time_for_the_audit_that_was_asked_for():
    """Or a cheat would state an allowance in which none can be ordered. Window 300."""
    audits = AuditClocks(
        draw=Blocks(30), commit=Blocks(30), reveal=Blocks(30), contest=Blocks(30), game_span=Blocks(9)
    )
    wish = replace(WISH, audits=audits)
    allowances = {150: None, 151: Flaw.WRONG_TERMS}
    assert {each: flaw_of(entry(3, trace_allowance=each), wish=wish) for each in allowances} == allowances
    assert flaw_of(entry(3, trace_allowance=151)) is None, "no audit was asked for"


def test_grace_is_held_to_the_deployments_least_and_the_clients_most():
    """Below the least the Escrow reverts; above the most a close takes effect too late (RULES 5, 15)."""
    wish = replace(WISH, min_grace=Blocks(20), max_grace=Blocks(40))
    graces = {19: Flaw.WRONG_TERMS, 20: None, 40: None, 41: Flaw.WRONG_TERMS}
    assert {each: flaw_of(entry(3, grace=each), wish=wish) for each in graces} == graces


@pytest.mark.parametrize("kind", Verification)
def test_result_deadline_is_bounded_whoever_verifies(kind):
    """Without a judge no window bounds it: 2^32 - 1 blocks would lock the deposit for centuries."""
    wish = replace(WISH, verification=kind, max_result=Blocks(100))
    ends = {100: None, 101: Flaw.WRONG_TERMS, (1 << 32) - 1: Flaw.WRONG_TERMS}
    assert {
        each: flaw_of(entry(3, verification=kind, result_deadline=each), wish=wish) for each in ends
    } == ends


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"operator": bytes(20)}, Flaw.UNREGISTERED),
        ({"operator": b"\x09" * 20}, Flaw.FORGED),
        ({"staked": 0, "free": 0}, Flaw.UNSTAKED),
        ({"free": 5 * TOKEN - 1}, Flaw.STAKE_TOO_SMALL),
        ({"spent": frozenset({7})}, Flaw.NONCE_SPENT),
    ],
)
def test_each_failing_of_the_bidder_is_refused(changes, expected):
    assert flaw_of(entry(3), standing(3, **changes)) == expected


def test_cap_is_met_exactly():
    price = entry(3).bid.deposit()
    assert flaw_of(entry(3), wish=replace(WISH, cap=price)) is None
    assert flaw_of(entry(3), wish=replace(WISH, cap=Amount(price - 1))) == Flaw.OVER_CAP


def test_bid_to_another_offer_is_a_replay():
    assert flaw_of(entry(3, offer=Hash32(b"\x01" * 32))) == Flaw.REPLAYED


def test_bid_signed_by_somebody_else_is_forged():
    forged = entry_of(quote(bid(3), operator(4)), address_of(operator(4)), DOMAIN)
    assert flaw_of(forged) == Flaw.FORGED


def test_bid_copied_by_somebody_else_is_not_taken():
    """A rival re-sends an honest provider's signed bid with figures of its own."""
    copied = entry_of(quote(bid(3), operator(3)), address_of(operator(4)), DOMAIN)
    assert flaw_of(copied) == Flaw.WRONG_SIGNER


def test_a_changed_bid_is_no_longer_signed():
    honest = quote(bid(3), operator(3))
    cheaper = replace(honest, bid=bid(3, rate_per_block=1).packed())
    assert flaw_of(entry_of(cheaper, address_of(operator(3)), DOMAIN)) == Flaw.FORGED


def test_cheapest_wins_and_each_loser_is_told_why():
    ranking = rank((entry(5), entry(3), entry(4)), WISH, market(*map(standing, (3, 4, 5))))
    assert [each.entry.bid.owner for each in ranking.ranked] == [owner(3), owner(4), owner(5)]
    assert ranking.ranked[0].why == "cheapest of 3 by 0.1 GVL (no history yet)"
    assert ranking.ranked[2].why == "0.2 GVL dearer than the winner (no history yet)"
    assert ranking.ranked[0].price == 3 * TOKEN // 10
    assert ranking.ranked[0].per_hour == 108 * TOKEN


def test_record_outweighs_a_small_difference_in_price():
    bad = standing(3, finalized=5, failed=5)
    good = standing(4, finalized=50)
    ranking = rank((entry(3), entry(4)), WISH, market(bad, good))
    assert ranking.ranked[0].entry.bid.owner == owner(4)
    assert "record: 5 done, 5 failed" in ranking.ranked[1].why


def test_cancellations_count():
    """RULES 10: whoever baits with ten bids on one nonce and cancels falls behind."""
    assert risk_ppm(standing(3, cancelled=10)) > risk_ppm(standing(3))
    same_price = entry(4, rate_per_block=3 * TOKEN // 100)
    ranking = rank((entry(3), same_price), WISH, market(standing(3, cancelled=10), standing(4)))
    assert ranking.ranked[0].entry.bid.owner == owner(4)
    assert ranking.ranked[1].why == "no dearer, but record: 0 done, 10 cancelled"


def test_a_tie_goes_to_the_larger_bond_then_to_the_lower_address_and_never_by_arrival():
    low, high = entry(3, bond=3 * TOKEN // 2), entry(4, rate_per_block=3 * TOKEN // 100)
    same = entry(5, rate_per_block=3 * TOKEN // 100)
    stands = market(*map(standing, (3, 4, 5)))
    for arrived in permutations((low, high, same)):
        ranked = rank(arrived, WISH, stands).ranked
        assert len({each.score for each in ranked}) == 1, "a tie"
        assert [each.entry for each in ranked] == [high, same, low]


def test_carbon_counts_only_for_whoever_pays_for_it():
    dirty, clean = entry(3, carbon=900_000), entry(4, carbon=1_000)
    stands = market(standing(3), standing(4))
    assert rank((dirty, clean), WISH, stands).ranked[0].entry == dirty
    green = replace(WISH, carbon_per_kg=Amount(TOKEN))
    ranking = rank((dirty, clean), green, stands)
    assert ranking.ranked[0].entry == clean
    assert "900.0 g CO2 against 1.0" in ranking.ranked[1].why


def test_newer_bid_of_the_same_provider_replaces_the_older():
    old, new = entry(3), entry(3, rate_per_block=TOKEN // 200)
    ranking = rank((old, new), WISH, market(standing(3)))
    assert [each.entry for each in ranking.ranked] == [new]
    assert ranking.refused[0].flaw == Flaw.OUTDATED


def test_only_the_bond_beyond_the_reserve_covers():
    """The reserve pays for a dispute (RULES 4): a bond of the reserve alone covers nothing of the price."""
    price = entry(3).bid.deposit()

    def points(beyond):
        return score(entry(3, bond=WISH.reserve + beyond), standing(3), WISH)

    risky = price * (1_000_000 + 2 * risk_ppm(standing(3))) // 1_000_000
    assert points(0) == risky
    assert points(-1) == risky
    assert points(price // 2) == risky * 99 // 100
    assert points(price) == points(2 * price) == risky * 98 // 100


@given(
    st.integers(0, 2**90),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(0, 1000),
    st.integers(0, 2**90),
)
def test_score_grows_with_price_and_failures_and_shrinks_with_bond(rate, done, failed, cancelled, bond):
    stands = standing(3, finalized=done, failed=failed, cancelled=cancelled)
    plain = score(entry_with(rate, bond), stands, WISH)
    assert score(entry_with(rate + 1, bond), stands, WISH) >= plain
    assert score(entry_with(rate, bond + TOKEN), stands, WISH) <= plain
    assert score(entry_with(rate, bond), replace(stands, failed=failed + 1), WISH) >= plain
    assert score(entry_with(rate, bond), replace(stands, finalized=done + 1), WISH) <= plain


_BASE = entry(3)


def entry_with(rate, bond):
    return replace(_BASE, bid=replace(_BASE.bid, rate_per_block=rate, bond=bond))


def test_answer_opens_and_a_foreign_or_replayed_one_does_not():
    key = operator(3)
    context = seal_context(OFFER)
    box = seal(
        sealing_public(SEAL_KEY), b"\x07" * 32, sign(quote(bid(3), key), DOMAIN, key).encode(), context
    )
    payload = SealedAnswer(OFFER, box).encode()
    assert open_answer(payload, SEAL_KEY, OFFER, DOMAIN) == entry(3)
    with pytest.raises(InputError, match="replayed"):
        open_answer(payload, SEAL_KEY, Hash32(b"\x01" * 32), DOMAIN)
    with pytest.raises(InputError, match="does not open"):
        open_answer(payload, b"\x06" * 32, OFFER, DOMAIN)


def test_quote_to_another_offer_that_is_sealed_anew_is_a_replay():
    key, old = operator(3), Hash32(b"\x01" * 32)
    envelope = sign(quote(bid(3), key, old), DOMAIN, key).encode()
    box = seal(sealing_public(SEAL_KEY), b"\x07" * 32, envelope, seal_context(OFFER))
    with pytest.raises(InputError, match="replayed"):
        open_answer(SealedAnswer(OFFER, box).encode(), SEAL_KEY, OFFER, DOMAIN)


def test_refusal_is_read_and_cleaned_for_the_terminal():
    key = operator(3)
    words = Decline(OFFER, owner(3), "busy\x1b[2J\nnow")
    sealed = seal(
        sealing_public(SEAL_KEY), b"\x07" * 32, sign(words, DOMAIN, key).encode(), seal_context(OFFER)
    )
    got = open_answer(SealedAnswer(OFFER, sealed).encode(), SEAL_KEY, OFFER, DOMAIN)
    assert got == Declined(address_of(key), owner(3), OFFER, "busy [2J now")
    assert len(readable("x" * 5000)) == 200


@given(st.binary(max_size=300))
def test_junk_is_an_input_error_and_nothing_else(junk):
    with pytest.raises(InputError):
        open_answer(junk, SEAL_KEY, OFFER, DOMAIN)


@given(st.integers(0, 10**30), st.integers(0, 20))
def test_sums_survive_their_text(amount, decimals):
    unit = Unit("T", decimals)
    assert unit.parse(unit.plain(amount), "sum") == amount


@pytest.mark.parametrize("text", ["", "-1", "1e3", "0x1", "1.2.3", "NaN", ".", "1,5", "١"])
def test_sum_that_is_no_number_is_refused(text):
    with pytest.raises(InputError, match="must be a number"):
        UNIT.parse(text, "--max-price")


def test_sum_finer_than_the_token_is_refused():
    with pytest.raises(InputError, match="more than the 2 decimals"):
        Unit("T", 2).parse("0.123", "--max-price")
    assert Unit("T", 8).short(1) == "0.000001"


def test_expiry_is_judged_at_the_height_given():
    assert flaw(entry(3), WISH, market(standing(3), height=149)) is None
    assert flaw(entry(3), WISH, market(standing(3), height=150))[0] == Flaw.EXPIRED
    assert BlockNo(150) == entry(3).bid.expiry


def test_a_history_that_could_not_be_read_comes_after_all_others() -> None:
    """Who gave up thousands of nonces can make that take longer than bids are good for."""
    cheap, dear = entry(1, rate_per_block=Amount(TOKEN // 1000)), entry(2)
    found = rank((cheap, dear), WISH, market(standing(1, unread=True), standing(2, failed=3)))
    assert [each.entry for each in found.ranked] == [dear, cheap]
    assert "history could not be read" in found.ranked[1].why
    (alone,) = rank((cheap,), WISH, market(standing(1, unread=True))).ranked
    assert alone.why == "the only usable bid (history could not be read)"
