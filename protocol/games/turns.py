"""Whose turn it is: of results that wait for something of which there is little. Pure.

What a stranger posts costs others nothing but a bounded wait: no result waits for one whose window ends
later, none waits longer than a part of its window while there is any room, and where there is none, whoever
has had its share, or more than others, gives way.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from protocol.games.runs_at_once import may_begin
from protocol.types import Address

SHARE = 8
"""Whoever has held a turn for this part of its window has had its share."""
_OVER = 1 << 62


@dataclass(frozen=True, slots=True)
class Claim:
    """A result that wants a turn, or has one. `due`: the reading at which its window ends."""

    owner: Address
    due: int
    window_s: float


@dataclass(frozen=True, slots=True, eq=False)
class Turn:
    """A claim, and since when it waits or works, in seconds. `had`: it gave way when it had had its share."""

    claim: Claim
    since: float
    had: bool = False

    def shares(self, now: float) -> float:
        """Return how many shares it has had, if it works."""
        return (now - self.since) * SHARE / self.claim.window_s


@dataclass(frozen=True, slots=True)
class Seats:
    """How many work at once: `at_once` in any case, `most` where windows press.

    A window presses if it ends before those of all that work, or if the result has waited for so long a part
    of it. Whoever gave way after its share presses no more, and works where there is a seat to spare.
    """

    at_once: int
    most: int
    part: float


@dataclass(frozen=True, slots=True)
class Begin:
    """Let this one work; `instead`: one that has to give way first."""

    turn: Turn
    instead: Turn | None = None


def next_turn(
    waiting: Collection[Turn], working: Collection[Turn], seats: Seats, height: int, now: float
) -> Begin | None:
    """Return who begins now; None: nobody."""

    def due(turn: Turn) -> int:
        # A window that is over presses nobody.
        return turn.claim.due if turn.claim.due > height else _OVER

    dues = [due(each) for each in working]
    for turn in sorted(waiting, key=lambda each: (due(each), each.had, each.since)):
        presses = not turn.had and due(turn) < _OVER
        waited = presses and now - turn.since >= seats.part * turn.claim.window_s
        most = seats.most if presses else seats.at_once
        room = len(dues) < most
        if may_begin(due(turn), dues, seats.at_once, most) or (waited and room):
            return Begin(turn)
        if presses and not room and (waited or due(turn) < min(dues)):
            instead = who_gives_way(turn, working, height, now)
            if instead is not None:
                return Begin(turn, instead)
    return None


def who_gives_way(turn: Turn, working: Collection[Turn], height: int, now: float) -> Turn | None:
    """Return which of those that work gives way to one that presses; None if none has to.

    One whose window is over, or that has had its share; one of an owner that would still have no fewer turns;
    and one whose window ends later, unless the owners' turns would be less even then: else two could oust
    each other for ever. Of these, of the owner that has most turns, whoever has had most of its share.
    """

    held = Counter(each.claim.owner for each in working)

    def has_to(each: Turn) -> bool:
        if each.claim.due <= height or each.shares(now) >= 1:
            return True
        uneven = held[each.claim.owner] - held[turn.claim.owner]
        same = each.claim.owner == turn.claim.owner
        return uneven > 1 or ((same or uneven == 1) and each.claim.due > turn.claim.due)

    return max(
        filter(has_to, working),
        key=lambda each: (each.claim.due <= height, held[each.claim.owner], each.shares(now)),
        default=None,
    )
