"""Which bid a client takes. Pure, in integers.

    score = price * (1 + RISK * p) * (1 - COVER * c) + carbon price * carbon

price: the whole deposit (rate x funded blocks + completion fee), the one figure that the contract
       enforces; what a provider merely claims (expected time) never moves the score
p:     how likely the owner is to fail, from its history on chain with a prior of one failure in 20 leases:
       (1 + failed + doubtful / 4) / (20 + finalized + failed + doubtful); doubtful are missed starts (nobody
       can tell whose fault one was) and cancelled nonces (an honest provider cancels too when it stops)
       (RULES 1, 10)
c:     the bond beyond the dispute reserve as a share of the deposit, at most 1: what no bond covers cannot be
       paid back early
carbon: the provider's own figure; it counts only for a client that sets a carbon price
The lowest score wins. Bids of owners whose history could not be read come after all others: an owner can make
so many events that nobody reads them in time. Ties go to the larger bond, then to the lower owner address, so
that order of arrival (which a network attacker controls) decides nothing.
"""

from dataclasses import dataclass
from enum import IntEnum

from protocol.auction.quotes import Entry, Market, Standing, Wish
from protocol.dispute.audits.names import span_of
from protocol.types import (
    ZERO_ADDRESS,
    Address,
    Amount,
    LeaseClass,
    Verification,
    to_hex,
)

PPM = 1_000_000
RISK = 2
"""A failure costs the client its waiting time: twice the price is set against it."""
COVER_PPM = 20_000
"""A fully bonded bid counts as two percent cheaper."""
PRIOR_FAILED, PRIOR_LEASES = 1, 20


class Flaw(IntEnum):
    """Why a bid cannot be taken."""

    REPLAYED = 1
    FORGED = 2
    UNREGISTERED = 3
    WRONG_SIGNER = 4
    WRONG_CLIENT = 5
    WRONG_JOB = 6
    WRONG_TOKEN = 7
    WRONG_TERMS = 8
    OVER_CAP = 9
    EXPIRED = 10
    NONCE_SPENT = 11
    UNSTAKED = 12
    STAKE_TOO_SMALL = 13
    BOND_TOO_LOW = 14
    OUTDATED = 15


@dataclass(frozen=True, slots=True)
class Refused:
    """A bid that was not considered."""

    owner: Address
    flaw: Flaw
    reason: str


@dataclass(frozen=True, slots=True)
class Ranked:
    """A bid that can be opened, with its place and the words for it."""

    entry: Entry
    standing: Standing
    price: Amount
    per_hour: Amount
    score: int
    why: str


@dataclass(frozen=True, slots=True)
class Ranking:
    """All bids, best first, and those that were refused."""

    ranked: tuple[Ranked, ...] = ()
    refused: tuple[Refused, ...] = ()


def rank(entries: tuple[Entry, ...], wish: Wish, market: Market) -> Ranking:
    """Return the bids that may be opened, best first, each with its why, and the others with their flaws."""
    refused: list[Refused] = []
    good: list[tuple[Entry, Standing, int]] = []
    newest = {(each.bid.owner, each.signer): index for index, each in enumerate(entries)}
    for index, entry in enumerate(entries):
        standing = market.of(entry.bid.owner)
        found = flaw(entry, wish, market)
        if found is None and newest[entry.bid.owner, entry.signer] != index:
            found = Flaw.OUTDATED, "the same provider sent a newer bid"
        if found is None:
            good.append((entry, standing, score(entry, standing, wish)))
        else:
            refused.append(Refused(entry.bid.owner, *found))
    good.sort(
        key=lambda each: (each[1].unread, each[2], -each[0].bid.bond, each[0].bid.owner, each[0].bid.packed())
    )
    ranked = tuple(
        Ranked(
            entry,
            standing,
            entry.bid.deposit(),
            wish.per_hour(entry.bid.rate_per_block),
            points,
            _why(place, good, wish),
        )
        for place, (entry, standing, points) in enumerate(good)
    )
    return Ranking(ranked, tuple(refused))


def flaw(entry: Entry, wish: Wish, market: Market) -> tuple[Flaw, str] | None:
    """Return what makes a bid worthless to this client, or None. The first flaw found is named."""
    return (
        _signature_flaw(entry, wish, market.of(entry.bid.owner))
        or _terms_flaw(entry, wish)
        or _chain_flaw(entry, wish, market)
    )


def _signature_flaw(entry: Entry, wish: Wish, standing: Standing) -> tuple[Flaw, str] | None:
    if entry.offer != wish.offer:
        return Flaw.REPLAYED, "replayed: it answers another offer"
    if standing.operator == ZERO_ADDRESS:
        return Flaw.UNREGISTERED, "its owner is not registered, or has revoked its operator key"
    if entry.bid_signer != standing.operator:
        return Flaw.FORGED, (
            f"forged: the bid is signed by {to_hex(entry.bid_signer)}, "
            f"the owner's operator is {to_hex(standing.operator)}"
        )
    if entry.signer != standing.operator:
        return (
            Flaw.WRONG_SIGNER,
            f"the quote is sent by {to_hex(entry.signer)}, who is not the owner's operator",
        )
    return None


def _terms_flaw(entry: Entry, wish: Wish) -> tuple[Flaw, str] | None:
    bid, unit = entry.bid, wish.unit
    if bid.client != wish.client:
        return Flaw.WRONG_CLIENT, f"it names another client, {to_hex(bid.client)}"
    if bid.job_hash != wish.job_hash or bid.delegates != wish.delegates:
        return Flaw.WRONG_JOB, "it is for another job"
    if bid.token != wish.token:
        return Flaw.WRONG_TOKEN, f"it asks for token {bid.token}, offered is token {wish.token}"
    wrong = _wrong_terms(entry, wish)
    if wrong:
        return Flaw.WRONG_TERMS, wrong
    if bid.deposit() > wish.cap:
        return Flaw.OVER_CAP, (
            f"over the cap: {unit.show(bid.deposit())} for the whole job, at most {unit.show(wish.cap)}"
        )
    least = wish.reserve + bid.rate_per_block * wish.min_bond_blocks
    if bid.bond < least:
        return Flaw.BOND_TOO_LOW, f"its bond of {unit.show(bid.bond)} is below {unit.show(least)}"
    return None


def _wrong_terms(entry: Entry, wish: Wish) -> str:
    bid = entry.bid
    if (
        bid.lease_class != wish.lease_class
        or bid.verification != wish.verification
        or bid.flags != wish.flags
    ):
        return "lease class, verification or privacy is not what was offered"
    if bid.challenge_window != wish.challenge_window:
        return f"challenge window of {bid.challenge_window} blocks, offered are {wish.challenge_window}"
    if not 0 < bid.max_blocks <= wish.max_blocks:
        return f"it funds {bid.max_blocks} blocks, offered are 1 to {wish.max_blocks}"
    if not 0 < bid.start_deadline <= wish.max_start:
        return f"start deadline of {bid.start_deadline} blocks, at most {wish.max_start} are accepted"
    if not max(wish.min_grace, 1) <= bid.grace <= wish.max_grace:
        return f"grace of {bid.grace} blocks, accepted are {wish.min_grace} to {wish.max_grace}"
    if bid.lease_class == LeaseClass.JOB and bid.result_deadline == 0:
        return "it leaves no time for a result"
    if bid.result_deadline > wish.max_result:
        return f"result deadline of {bid.result_deadline} blocks, at most {wish.max_result} are accepted"
    # RULES 14: what is judged in the window must not take longer than the window.
    longest = max(bid.result_deadline, bid.trace_allowance)
    if bid.verification != Verification.NONE and longest > wish.challenge_window:
        return f"deadlines of {longest} blocks do not fit the challenge window of {wish.challenge_window}"
    if wish.audits is not None:
        # A cheat would state an allowance in which no audit can be ordered.
        needed = span_of(wish.audits, bid.trace_allowance, by_client=True, redrawn=True)
        if needed > wish.challenge_window:
            return (
                f"its trace allowance leaves no time for an audit: {needed} blocks of {wish.challenge_window}"
            )
    return ""


def _chain_flaw(entry: Entry, wish: Wish, market: Market) -> tuple[Flaw, str] | None:
    bid, unit, standing = entry.bid, wish.unit, market.of(entry.bid.owner)
    if bid.expiry <= market.height:
        # At its expiry it could be opened in this very block only: a transaction sent now comes later.
        return Flaw.EXPIRED, f"expired: good until block {bid.expiry}, now is {market.height}"
    if bid.capacity_nonce in standing.spent:
        return Flaw.NONCE_SPENT, "its capacity was sold or cancelled meanwhile"
    if standing.staked == 0:
        return Flaw.UNSTAKED, "its owner has no stake in this token"
    available = min(standing.free, standing.lease_cap)
    if bid.bond > available:
        return Flaw.STAKE_TOO_SMALL, (
            f"stake too small: a bond of {unit.show(bid.bond)} was bid, {unit.show(available)} can be locked"
        )
    return None


def score(entry: Entry, standing: Standing, wish: Wish) -> int:
    """Return the figure by which bids are compared, in the token's smallest unit; lower is better."""
    price = entry.bid.deposit()
    cover = min(max(entry.bid.bond - wish.reserve, 0), price)
    covered_ppm = COVER_PPM * cover // price if price else COVER_PPM
    risky = price * (PPM + RISK * risk_ppm(standing)) // PPM
    carbon = wish.carbon_per_kg * entry.carbon_milligrams // 1_000_000
    return risky * (PPM - covered_ppm) // PPM + carbon


def risk_ppm(standing: Standing) -> int:
    """Return how likely this owner is to fail, in parts per million."""
    doubtful = standing.start_missed + standing.cancelled
    failed = 4 * (PRIOR_FAILED + standing.failed) + doubtful
    return PPM * failed // (4 * (PRIOR_LEASES + standing.finalized + standing.failed + doubtful))


def _why(place: int, good: list[tuple[Entry, Standing, int]], wish: Wish) -> str:
    entry, standing, _ = good[place]
    unit, price = wish.unit, entry.bid.deposit()
    history = history_of(standing)
    if place:
        best, best_standing, _ = good[0]
        gap = price - best.bid.deposit()
        if gap > 0:
            return f"{unit.about(gap)} dearer than the winner ({history})"
        reasons = []
        if standing.unread and not best_standing.unread:
            reasons.append(history)
        elif risk_ppm(standing) > risk_ppm(best_standing):
            reasons.append(f"record: {history}")
        if wish.carbon_per_kg and entry.carbon_milligrams > best.carbon_milligrams:
            reasons.append(
                f"{entry.carbon_milligrams / 1000:.1f} g CO2 against {best.carbon_milligrams / 1000:.1f}"
            )
        if entry.bid.bond < best.bid.bond:
            reasons.append(f"bond {unit.about(entry.bid.bond)} against {unit.about(best.bid.bond)}")
        return "no dearer, but " + (", ".join(reasons) or "the tie went to the other address")
    if len(good) == 1:
        return f"the only usable bid ({history})"
    dearer = [each for each in good[1:] if each[0].bid.deposit() > price]
    if len(dearer) == len(good) - 1:
        least = min(each[0].bid.deposit() for each in dearer) - price
        return f"cheapest of {len(good)} by {unit.about(least)} ({history})"
    return (
        f"best of {len(good)} by price, record, bond{' and carbon' if wish.carbon_per_kg else ''} ({history})"
    )


def history_of(standing: Standing) -> str:
    """Return an owner's record on chain in a few words."""
    if standing.unread:
        return "history could not be read"
    done = standing.finalized
    bad = [
        f"{count} {name}"
        for count, name in (
            (standing.failed, "failed"),
            (standing.start_missed, "not started"),
            (standing.cancelled, "cancelled"),
        )
        if count
    ]
    if not done and not bad:
        return "no history yet"
    return ", ".join([f"{done} done", *bad]) if bad else f"{done} done, none failed"
