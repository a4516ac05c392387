"""What anybody may do about a lease that is held though nobody moves: end what ran out of time, settle. Pure.

A held result becomes final, and a convicted lease pays its client back, by a call alone; whoever had to make
it may be gone for good. The players are left `patience` to make it at their own cost.

    convicted, claim period over      Settle
    a demand was not answered         EndDemand   silence convicts
    the provider's clock ran out      EndGame     silence convicts
    the challenger's clock ran out    EndGame     the game is lost; only where the result was found right:
                                                  a wrong one must not be helped along
"""

from collections.abc import Iterator
from dataclasses import dataclass

from protocol.dispute.delivery.names import Wanted
from protocol.dispute.names import Case
from protocol.dispute.records import Conviction, Game, Verdict
from protocol.types import Address, Hash32

IDLE_GAS = 300_000
"""Set aside for one such call; a settlement, the dearest, takes less."""


@dataclass(frozen=True, slots=True)
class OpenGame:
    """A game of anybody's on the lease, as the chain has it."""

    game: Hash32
    case: Case
    challenger: Address
    seal: Hash32
    state: Game

    @property
    def deadline(self) -> int:
        """The last reading at which the mover may move."""
        return self.state.moved_at + self.state.mover_left


@dataclass(frozen=True, slots=True)
class OpenDemand:
    """A demand that waits for its answer; `until`: the last reading for that."""

    wanted: Wanted
    until: int


@dataclass(frozen=True, slots=True)
class Held:
    """All that holds one lease. Readings are of the Escrow's clock."""

    now: int
    posted: bool
    """Whether a result stands that is not final: else nothing is held any more."""
    verdict: Verdict
    claim_period: int
    games: tuple[OpenGame, ...]
    """Those in which somebody is to move."""
    demands: tuple[OpenDemand, ...]
    patience: int
    right: bool
    """Whether the result was found right here."""


@dataclass(frozen=True, slots=True)
class EndGame:
    """Call the clock of a game."""

    game: OpenGame


@dataclass(frozen=True, slots=True)
class EndDemand:
    """Call the clock of a demand."""

    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Settle:
    """End the lease as convicted; its client is paid back."""


Action = EndGame | EndDemand | Settle


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done now, and the next reading at which more may be (None: not while nobody moves)."""

    actions: tuple[Action, ...]
    again_at: int | None


def due(held: Held) -> Due:
    """Return what is due; the same for the same table.

    One conviction is enough, and after it no other clock can be called: so it comes alone.
    """
    times = sorted(_times(held), key=lambda each: each[0])
    now = [(action, convicts) for at, convicts, action in times if at <= held.now]
    later = next((at for at, _, _ in times if at > held.now), None)
    first = next((action for action, convicts in now if convicts), None)
    if first is not None:
        return Due((first,), held.now + 1)
    return Due(tuple(action for action, _ in now), held.now + 1 if now else later)


def _times(held: Held) -> Iterator[tuple[int, bool, Action]]:
    """From which reading on each action is due, and whether it changes how the lease is judged."""
    if not held.posted or held.verdict.settled:
        return
    if held.verdict.how is not Conviction.NONE:
        yield held.verdict.since + held.claim_period + held.patience + 1, True, Settle()
        return
    for demand in held.demands:
        yield demand.until + held.patience + 1, True, EndDemand(demand.wanted)
    for game in held.games:
        convicts = game.state.phase.provider_moves
        if convicts or held.right:
            yield game.deadline + held.patience + 1, convicts, EndGame(game)
