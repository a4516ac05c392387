"""The client's auction machine: collect answers, weigh them, open the best. Pure and total.

from         | input                | to
-------------|----------------------|--------------------------------------------------------------
Collecting   | GotEntry, GotDecline | Collecting
Collecting   | GotJunk              | Collecting
Collecting   | SawBacking           | Collecting, without the bids of an owner that could back none
Collecting   | DidClose             | Weighing, or Lost when nobody bid
Weighing     | SawMarket            | Proposed, or Lost when no bid is usable
Proposed     | AskedOpen            | Opening the best
Opening      | SawOpened            | Won
Opening      | FailedOpen           | Opening the next within the cap, unasked (RULES 10), or Lost; where the
             |                      | wallet could not pay, the next that is cheaper
Collecting, Weighing, Proposed | AskedStop | Lost

Anything else leaves the state as it is and is answered by `Rejected`.
"""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import assert_never

from protocol.auction.quotes import Declined, Entry, Market, Wish
from protocol.auction.scoring import Ranked, Ranking, Refused, rank
from protocol.types import Address, Amount, BlockNo, LeaseId, several

MAX_BIDDERS = 256
"""Owners whose bids one auction holds. Of more, those whose stake could back the largest bonds: addresses and
registrations are cheap, and whoever makes many must not crowd out who put money behind his bid."""
MAX_PER_BIDDER = 4
"""Bids of one owner that are held, the newest."""
MAX_DECLINES = 256
MAX_JUNK = 32


class OpenFailure(IntEnum):
    """Why `openLease` did not open a bid; the adapter decodes the revert by selector."""

    NONCE_SPENT = 1
    EXPIRED = 2
    BID_VOID = 3
    """The provider changed since it bid: another operator, less stake, a lower cap. The next one may do."""
    CANNOT_PAY = 4
    """Too little balance, allowance or gas. A cheaper one may do."""
    REFUSED = 5
    """Anything that would stop every bid alike."""


@dataclass(frozen=True, slots=True)
class Junk:
    """An answer that could not be read, or came from nobody the chain knows."""

    sender: Address
    reason: str


@dataclass(frozen=True, slots=True)
class Tried:
    """A bid that was sent and not opened."""

    owner: Address
    failure: OpenFailure
    reason: str


# States.


@dataclass(frozen=True, slots=True)
class Collecting:
    """The offer is out; answers come in."""

    wish: Wish
    entries: tuple[Entry, ...] = ()
    declines: tuple[Declined, ...] = ()
    junk: tuple[Junk, ...] = ()
    backings: tuple[tuple[Address, Amount], ...] = ()
    """The largest bond that each owner's stake could cover, as far as the chain was asked."""

    def backing(self, owner: Address) -> Amount | None:
        """Return what is known of an owner's stake; None before the chain has said."""
        return next((amount for known, amount in self.backings if known == owner), None)


@dataclass(frozen=True, slots=True)
class Weighing:
    """No more answers are taken; the chain is asked who the bidders are."""

    wish: Wish
    entries: tuple[Entry, ...]
    declines: tuple[Declined, ...]
    junk: tuple[Junk, ...]


@dataclass(frozen=True, slots=True)
class Proposed:
    """The ranking stands; the user is asked."""

    wish: Wish
    ranking: Ranking
    declines: tuple[Declined, ...]
    junk: tuple[Junk, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """The bid `ranking.ranked[place]` is being opened."""

    wish: Wish
    ranking: Ranking
    place: int
    tried: tuple[Tried, ...] = ()

    @property
    def choice(self) -> Ranked:
        """Return the bid that is being opened."""
        return self.ranking.ranked[self.place]

    def in_reach(self, bid: Ranked) -> bool:
        """Tell whether a bid is cheaper than whatever could not be paid."""
        lacking = {each.owner for each in self.tried if each.failure == OpenFailure.CANNOT_PAY}
        return all(bid.price < each.price for each in self.ranking.ranked if each.entry.bid.owner in lacking)


@dataclass(frozen=True, slots=True)
class Won:
    """The lease is on chain."""

    lease: LeaseId
    choice: Ranked
    tried: tuple[Tried, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """No lease came of it; nothing was paid."""

    reason: str
    refused: tuple[Refused, ...] = ()
    declines: tuple[Declined, ...] = ()
    junk: tuple[Junk, ...] = ()
    tried: tuple[Tried, ...] = ()


State = Collecting | Weighing | Proposed | Opening | Won | Lost


# Inputs.


@dataclass(frozen=True, slots=True)
class GotEntry:
    """A quote came in."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class GotDecline:
    """A provider said why it does not bid."""

    decline: Declined


@dataclass(frozen=True, slots=True)
class GotJunk:
    """Something came in that is no answer."""

    junk: Junk


@dataclass(frozen=True, slots=True)
class SawBacking:
    """The chain says how large a bond an owner's stake could cover now."""

    owner: Address
    amount: Amount


@dataclass(frozen=True, slots=True)
class DidClose:
    """The auction's time is over."""


@dataclass(frozen=True, slots=True)
class SawMarket:
    """What the chain says of the bidders."""

    market: Market


@dataclass(frozen=True, slots=True)
class AskedOpen:
    """The user takes the ranking; `height` is the chain's now, since asking may have taken long."""

    height: BlockNo


@dataclass(frozen=True, slots=True)
class AskedStop:
    """The user does not want the lease any more."""


@dataclass(frozen=True, slots=True)
class SawOpened:
    """`LeaseOpened` is confirmed for this lease."""

    lease: LeaseId


@dataclass(frozen=True, slots=True)
class FailedOpen:
    """The chain refused to open this lease for good. `height` is the chain's now."""

    lease: LeaseId
    failure: OpenFailure
    reason: str
    height: BlockNo


Input = (
    GotEntry
    | GotDecline
    | GotJunk
    | SawBacking
    | DidClose
    | SawMarket
    | AskedOpen
    | AskedStop
    | SawOpened
    | FailedOpen
)


# Effects.


@dataclass(frozen=True, slots=True)
class ReadMarket:
    """Ask the chain who these owners are, and which of these nonces are spent."""

    bids: tuple[tuple[Address, int], ...]

    @property
    def key(self) -> bytes:
        """Once per auction."""
        return b"market"


@dataclass(frozen=True, slots=True)
class OpenLease:
    """Send `openLease` for this bid. Done when the lease is on chain, whoever's transaction did it."""

    entry: Entry

    @property
    def key(self) -> bytes:
        """Once per bid: a restart must not open a second lease."""
        return self.entry.bid.lease_id()


@dataclass(frozen=True, slots=True)
class Rejected:
    """An input that this state does not take; nothing changed."""

    input: str
    state: str
    reason: str


Effect = ReadMarket | OpenLease | Rejected


@dataclass(frozen=True, slots=True)
class Step:
    """The state after an input, and what is to be done now."""

    state: State
    effects: tuple[Effect, ...] = ()


ALLOWED: dict[type, dict[type, frozenset[type]]] = {
    Collecting: {
        GotEntry: frozenset({Collecting}),
        GotDecline: frozenset({Collecting}),
        GotJunk: frozenset({Collecting}),
        SawBacking: frozenset({Collecting}),
        DidClose: frozenset({Weighing, Lost}),
        AskedStop: frozenset({Lost}),
    },
    Weighing: {SawMarket: frozenset({Proposed, Lost}), AskedStop: frozenset({Lost})},
    Proposed: {AskedOpen: frozenset({Opening, Lost}), AskedStop: frozenset({Lost})},
    Opening: {SawOpened: frozenset({Won}), FailedOpen: frozenset({Opening, Lost})},
    Won: {},
    Lost: {},
}
"""The table above, for the test that holds `step` to it."""


def step(state: State, value: Input) -> Step:
    """Return the state after `value` and what is to be done. Never raises."""
    match state:
        case Collecting():
            return _collect(state, value)
        case Weighing():
            return _weigh(state, value)
        case Proposed():
            return _propose(state, value)
        case Opening():
            return _open(state, value)
        case Won() | Lost():
            return _reject(state, value, "the auction is over")
        case _:
            assert_never(state)


def ended(state: State) -> bool:
    """Tell whether nothing can happen any more."""
    return isinstance(state, Won | Lost)


def _collect(state: Collecting, value: Input) -> Step:
    match value:
        case GotEntry(entry):
            if entry.offer != state.wish.offer:
                return _reject(state, value, "replayed: it answers another offer")
            if entry in state.entries:
                return _reject(state, value, "the same quote came before")
            return _seat(state, value, entry)
        case GotDecline(decline):
            if decline.offer != state.wish.offer:
                return _reject(state, value, "replayed: it answers another offer")
            others = tuple(each for each in state.declines if each.signer != decline.signer)
            if len(others) >= MAX_DECLINES:
                return _reject(state, value, f"more than {MAX_DECLINES} refusals")
            return Step(replace(state, declines=(*others, decline)))
        case GotJunk(junk):
            if len(state.junk) >= MAX_JUNK:
                return _reject(state, value, f"more than {MAX_JUNK} unreadable answers")
            return Step(replace(state, junk=(*state.junk, junk)))
        case SawBacking(owner, amount):
            known = tuple(each for each in state.backings if each[0] != owner)
            return Step(_without_unbacked(replace(state, backings=(*known, (owner, amount)))))
        case DidClose():
            return _close(state)
        case AskedStop():
            return Step(Lost("stopped before any bid was opened", (), state.declines, state.junk))
        case _:
            return _reject(state, value, "the auction is still open")


def _seat(state: Collecting, value: GotEntry, entry: Entry) -> Step:
    """Let a bid take a place: of many bidders, those stay that have put most behind theirs."""
    owner = entry.bid.owner
    mine = [each for each in state.entries if each.bid.owner == owner]
    kept = state.entries
    if len(mine) >= MAX_PER_BIDDER:
        kept = tuple(each for each in kept if each is not mine[0])
    bidders = dict.fromkeys(each.bid.owner for each in kept)
    if owner not in bidders and len(bidders) >= MAX_BIDDERS:
        # The last to come goes first where the chain says the same of several.
        weakest = min(reversed(bidders), key=lambda each: state.backing(each) or 0)
        if (state.backing(owner) or 0) <= (state.backing(weakest) or 0):
            return _reject(state, value, f"{MAX_BIDDERS} bidders with no less stake came before")
        kept = tuple(each for each in kept if each.bid.owner != weakest)
    return Step(_without_unbacked(replace(state, entries=(*kept, entry))))


def _without_unbacked(state: Collecting) -> Collecting:
    """Take their places from bids that no stake stands behind; the user is told of the first few."""
    wish = state.wish
    for entry in state.entries:
        backing = state.backing(entry.bid.owner)
        if backing is None or backing >= max(wish.reserve, 1):
            continue
        reason = (
            f"stake too small: {wish.unit.show(backing)} can be locked, "
            f"any bond takes {wish.unit.show(wish.reserve)} at least"
        )
        entries = tuple(each for each in state.entries if each is not entry)
        junk = (*state.junk, Junk(entry.signer, reason))[:MAX_JUNK]
        state = replace(state, entries=entries, junk=junk)
    return state


def _close(state: Collecting) -> Step:
    if not state.entries:
        reason = "no bids" if not state.declines else f"nobody can serve it: {_count(state.declines)}"
        if state.junk and not state.declines:
            reason = "no usable bid"
        return Step(Lost(reason, (), state.declines, state.junk))
    asked = tuple(sorted({(each.bid.owner, each.bid.capacity_nonce) for each in state.entries}))
    weighing = Weighing(state.wish, state.entries, state.declines, state.junk)
    return Step(weighing, (ReadMarket(asked),))


def _weigh(state: Weighing, value: Input) -> Step:
    match value:
        case SawMarket(market):
            ranking = rank(state.entries, state.wish, market)
            if not ranking.ranked:
                count = len(ranking.refused)
                reason = f"no usable bid: {count} came in, none can be taken"
                return Step(Lost(reason, ranking.refused, state.declines, state.junk))
            return Step(Proposed(state.wish, ranking, state.declines, state.junk))
        case AskedStop():
            return Step(Lost("stopped before any bid was opened", (), state.declines, state.junk))
        case _:
            return _reject(state, value, "the auction is closed, the bids are being weighed")


def _propose(state: Proposed, value: Input) -> Step:
    match value:
        case AskedOpen(height):
            return _try(Opening(state.wish, state.ranking, 0), height)
        case AskedStop():
            lost = Lost("you took none of the bids", state.ranking.refused, state.declines, state.junk)
            return Step(lost)
        case _:
            return _reject(state, value, "the bids are weighed, the choice is yours")


def _open(state: Opening, value: Input) -> Step:
    lease = state.choice.entry.bid.lease_id()
    match value:
        case SawOpened(seen) if seen == lease:
            return Step(Won(lease, state.choice, state.tried))
        case FailedOpen(failed, failure, reason, height) if failed == lease:
            tried = (*state.tried, Tried(state.choice.entry.bid.owner, failure, reason))
            if failure == OpenFailure.REFUSED:
                return Step(Lost(reason, state.ranking.refused, tried=tried))
            return _try(replace(state, place=state.place + 1, tried=tried), height)
        case SawOpened() | FailedOpen():
            return _reject(state, value, "it is about another lease than the one being opened")
        case AskedStop():
            return _reject(state, value, "the opening is sent already: cancel the lease once it stands")
        case _:
            return _reject(state, value, "a bid is being opened")


def _try(state: Opening, height: BlockNo) -> Step:
    """Open the bid at `place`, or the first after it that can be paid and has not expired meanwhile."""
    tried = state.tried
    for place, ranked in enumerate(state.ranking.ranked):
        bid = ranked.entry.bid
        if place < state.place or not state.in_reach(ranked):
            continue
        if bid.expiry > height:
            return Step(replace(state, place=place, tried=tried), (OpenLease(ranked.entry),))
        reason = f"expired: good until block {bid.expiry}, now is {height}"
        tried = (*tried, Tried(bid.owner, OpenFailure.EXPIRED, reason))
    unpaid = [each.reason for each in tried if each.failure == OpenFailure.CANNOT_PAY]
    reason = unpaid[-1] if unpaid else "no bid within the cap could be opened"
    return Step(Lost(reason, state.ranking.refused, tried=tried))


def _reject(state: State, value: Input, reason: str) -> Step:
    return Step(state, (Rejected(type(value).__name__, type(state).__name__, reason),))


def _count(declines: tuple[Declined, ...]) -> str:
    return f"{several(len(declines), 'provider')} declined"
