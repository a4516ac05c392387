"""What a challenger does next about one lease. Pure: what the chain says in, actions out.

Nothing is remembered between two looks but what a person could read off the chain again: so it goes on after
any crash, and after a re-org it simply sees another table. The moves inside a game are those of `picks`.

    no own game, the item differs      Open     while the window is open and the purse allows it
    own move                           Play
    the provider's clock ran out       TimeOut  silence convicts
    convicted by proof, at this case   Claim    if the game was sealed early enough (`IDisputes`)
    convicted by silence               Claim
    claim period over, a claim stands  Settle
    convicted, nothing else to come    Collect
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from protocol.crypto import keccak256
from protocol.dispute.names import Case, word
from protocol.dispute.purse import Purse
from protocol.dispute.records import Conviction, Game, Phase, Place, Verdict
from protocol.types import BrokenInvariant, Hash32, LeaseId

MARGIN = 2
"""Clock readings before the window's end in which nothing is opened any more: it would come too late."""
TRIES = 3
"""Games that a challenger loses by its clock on one item before it gives the item up."""


@dataclass(frozen=True, slots=True)
class Own:
    """A game of this challenger, as the chain has it. `waits`: the provider is to move, but what other games
    showed may be enough for a proof.
    """

    game: Hash32
    case: Case
    state: Game
    waits: bool = False

    @property
    def live(self) -> bool:
        """Whether somebody is to move."""
        return self.state.phase.live

    @property
    def deadline(self) -> int:
        """The last reading at which the mover may move."""
        return self.state.moved_at + self.state.mover_left


@dataclass(frozen=True, slots=True)
class Table:
    """All that bears on one lease."""

    now: int
    posted: bool
    """Whether a result stands that is not final."""
    ended: bool
    """Whether the lease is over: no result can be posted on it any more."""
    window_end: int
    verdict: Verdict
    place: Place | None
    """Of a conviction by proof."""
    claim_period: int
    own: tuple[Own, ...]
    """Oldest first."""
    suspect: int | None
    """The item that differs from the own run; None: no mismatch is known."""
    purse: Purse | None = None
    """Needed where no own game is live."""
    prepares: bool = False
    """Whether something has to come yet before a game is opened about the suspect."""

    @property
    def claim_until(self) -> int:
        """Last reading of the claim period."""
        return self.verdict.since + self.claim_period


@dataclass(frozen=True, slots=True)
class Open:
    """Open a game about an item. `attempt` goes into its salt."""

    item: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Play:
    """Make the next move in an own game. `early`: only if it can be proven already."""

    game: Hash32
    early: bool = False


@dataclass(frozen=True, slots=True)
class TimeOut:
    """End a game in which the provider was silent."""

    game: Hash32


@dataclass(frozen=True, slots=True)
class ClaimShare:
    """Claim a share of the reward, by the game's seal or, after silence, by having been there."""

    game: Hash32
    how: Conviction


@dataclass(frozen=True, slots=True)
class SettleLease:
    """End the lease as convicted and fix the shares."""


@dataclass(frozen=True, slots=True)
class CollectGame:
    """Take a game's bond back, and its share."""

    game: Hash32


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until` (0: unknown), for the reason given. `refused`: for lack of coin."""

    why: str
    until: int = 0
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Leave:
    """Nothing will ever be to do about this lease again, for the reason given, once that is confirmed."""

    why: str


Action = Open | Play | TimeOut | ClaimShare | SettleLease | CollectGame | Wait | Leave


def judge(table: Table) -> tuple[Action, ...]:
    """What to do now; at least one action, and the same for the same table. What has a clock comes first."""
    verdict = table.verdict
    if verdict.how is not Conviction.NONE:
        return _in_order(_after(table))
    live = [own for own in table.own if own.live]
    if live:
        return _in_order(_playing(table, own) for own in live)
    return (_opening(table),)


def _in_order(actions: Iterable[Action]) -> tuple[Action, ...]:
    return tuple(sorted(actions, key=lambda each: not isinstance(each, Play | ClaimShare)))


def salt_of(secret: bytes, lease: LeaseId, item: int, attempt: int) -> Hash32:
    """The salt of a seal, made again from a secret whenever it is needed."""
    return keccak256(b"gavel seal" + secret + lease + word(item) + word(attempt))


def attempts_on(table: Table, item: int) -> int:
    """How many games the challenger has had about an item; the next one is sealed with this number."""
    return sum(own.case.item == item for own in table.own)


# ---------------------------------------------------------------------------------------------------- before


def _playing(table: Table, own: Own) -> Action:
    late = table.now > own.deadline
    if own.state.phase.provider_moves:
        if late:
            return TimeOut(own.game)
        if own.waits:
            return Play(own.game, early=True)
        return Wait("the provider is to move", own.deadline)
    if late:
        return Wait("the own clock ran out: the game is lost as soon as somebody says so")
    return Play(own.game)


def _opening(table: Table) -> Action:
    if table.suspect is None:
        return Leave("no item is known to be wrong")
    if table.ended:
        return Leave("no result stands that could be challenged")
    if not table.posted:
        return Wait("no result stands now: none is posted yet, or a re-org took it away")
    tries = attempts_on(table, table.suspect)
    if tries >= TRIES:
        return Leave(f"{tries} games about item {table.suspect} were lost")
    if table.now + MARGIN > table.window_end:
        return Leave("the challenge window ends before a game could be opened")
    if table.prepares:
        return Wait("the run is made, a game is opened once the audit has been compared", table.window_end)
    if table.purse is None:
        raise BrokenInvariant("nobody looked into the purse")
    if why := table.purse.why_not():
        return Wait(f"no game is opened: {why}", refused=True)
    return Open(table.suspect, tries)


# ----------------------------------------------------------------------------------------------------- after


def _after(table: Table) -> tuple[Action, ...]:
    """After a conviction: by whatever game, of whatever challenger."""
    if not any(_holds(table, own) for own in table.own):
        return (Leave("the lease is convicted, and nothing of it is still to be had"),)
    if table.verdict.settled:
        return tuple(CollectGame(own.game) for own in table.own if _holds(table, own))
    actions: list[Action] = [action for own in table.own if (action := _claiming(table, own))]
    if _owed(table) and table.now > table.claim_until:
        # Also without a share: a conviction that nobody settles leaves the client without its refund.
        actions.append(SettleLease())
    if not actions:
        actions.append(Wait("shares are fixed after the claim period", table.claim_until + 1))
    return tuple(actions)


def _owed(table: Table) -> bool:
    return any(own.state.phase in (Phase.CLAIMED, Phase.WON) for own in table.own)


def _holds(table: Table, own: Own) -> bool:
    """Whether a game still has something for its challenger."""
    phase = own.state.phase
    if phase in (Phase.NONE, Phase.LOST):
        return False
    if phase is Phase.CLAIMED:
        return not table.verdict.settled or own.state.bond > 0 or table.verdict.reward > 0
    return own.state.bond > 0 or (not table.verdict.settled and _may_claim(table, own))


def _claiming(table: Table, own: Own) -> Action | None:
    """Before the shares are fixed."""
    if own.state.phase is Phase.CLAIMED:
        return None
    if _may_claim(table, own):
        return ClaimShare(own.game, table.verdict.how)
    return CollectGame(own.game) if own.state.bond > 0 and own.state.phase is not Phase.LOST else None


def _may_claim(table: Table, own: Own) -> bool:
    """The rules of `claim` and `claimSilence`."""
    state, verdict = own.state, table.verdict
    counts = state.phase.live or state.phase is Phase.WON
    if not counts or table.now > table.claim_until:
        return False
    match verdict.how:
        case Conviction.PROVEN:
            place = table.place
            if place is None or place.case_id != own.case.id or state.moved_at == state.opened_at:
                return False
            return state.opened_at < (verdict.since if place.exact else place.landed_at)
        case Conviction.SILENT:
            return state.opened_at < verdict.since
        case Conviction.NONE:
            return False
        case _ as never:
            assert_never(never)
