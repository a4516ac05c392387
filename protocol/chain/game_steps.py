"""Games as records: each accepted move with the game after it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from protocol.chain.dispute_events import Adopted, Challenged, Judged, Moved
from protocol.chain.event import At, Event
from protocol.chain.hidden import stand_in
from protocol.chain.node import Transaction
from protocol.dispute import moves
from protocol.dispute.moves import Made, game_of
from protocol.dispute.names import Case, Job, Position
from protocol.dispute.records import Game
from protocol.messages import Bid
from protocol.types import Address, Hash32


@dataclass(frozen=True, slots=True)
class Step:
    """One accepted move."""

    at: At
    state: Game | None
    """The game after it; None for a new key of the provider, which leaves it but for position and tag."""
    made: Made | None
    """The move, at the reading of the clock (ends and new keys: that of the move before). None for what a
    contract called, where its arguments are needed (`hidden.stand_in`; see `protocol.dispute.unseen`)."""


@dataclass(frozen=True, slots=True)
class PlayedGame:
    """A game: how it began, each accepted move, what else its events say, and how it stands."""

    opened: Challenged
    case: Case
    steps: tuple[Step, ...]
    """Oldest first; the first is the challenge."""
    others: tuple[Event, ...]
    """`Judged`, `GameLost`, `SealOpened`, `Collected`."""
    now: Game
    position: Hash32
    """Hash of the position that it has come to."""

    @property
    def game(self) -> Hash32:
        """Its name."""
        return self.opened.game


def opened_with(game: PlayedGame, bid: Bid, job: Job) -> PlayedGame:
    """Return the game with its opening in the clear, also if a contract made it."""
    first = game.steps[0]
    if first.made is not None:
        return game
    begin = game.opened
    move = moves.Challenge(bid, job, begin.item, begin.item_root, (), begin.seal)
    made = Made(move, begin.challenger, game.now.opened_at, begin.game)
    return replace(game, steps=(replace(first, made=made), *game.steps[1:]))


@dataclass(frozen=True, slots=True)
class StepReader:
    """Turns the events of one game into steps."""

    bid: Bid
    job: Job | None
    case: Case
    opened: Challenged
    parse: Callable[[Address | None, bytes], moves.Call | None]
    transactions: Mapping[Hash32, Transaction]

    def game(self, events: Sequence[Event], now: Game, position: Hash32) -> PlayedGame:
        """Return the game, from its events but the first, in order."""
        silent = any(isinstance(event, Judged) and event.place is None for event in events)
        steps = [self._first(now.opened_at)]
        reading = now.opened_at
        for event in events:
            if isinstance(event, Moved):
                reading = event.state.moved_at
                steps.append(Step(event.at, event.state, self._moved(event, silent)))
            elif isinstance(event, Adopted):
                steps.append(Step(event.at, None, self._adopted(event, reading)))
        others = tuple(event for event in events if not isinstance(event, Moved | Adopted))
        return PlayedGame(self.opened, self.case, tuple(steps), others, now, position)

    def _first(self, reading: int) -> Step:
        begin = self.opened
        move = self._shown(begin.at.tx)
        if move is None and self.job is not None:
            move = moves.Challenge(self.bid, self.job, begin.item, begin.item_root, (), begin.seal)
        made = Made(move, begin.challenger, reading, begin.game) if move else None
        return Step(begin.at, None, made)

    def _moved(self, event: Moved, silent: bool) -> Made | None:
        begin, by = self.opened, self.transactions[event.at.tx].sender
        move = self._shown(event.at.tx)
        if move is None:
            by = begin.challenger
            move = stand_in(self.bid, self.case, by, begin.seal, event.state, silent=silent)
        return Made(move, by, event.state.moved_at, event.game) if move else None

    def _adopted(self, event: Adopted, reading: int) -> Made:
        # All that matters is in the event, which also a contract can cause.
        begin, bid = self.opened, self.bid
        move = moves.Adopt(bid.owner, bid.struct_hash(), self.case, begin.challenger, begin.seal, Position())
        return Made(move, event.operator, reading, event.game)

    def _shown(self, tx: Hash32) -> moves.Move | None:
        """The move that a transaction makes in this game, if it makes it itself.

        Any other call can have reached a contract that then moved: its own arguments say nothing about that.
        """
        sent = self.transactions[tx]
        call = self.parse(sent.to, sent.data)
        match call:
            case None | moves.Settle() | moves.Collect() | moves.WithdrawCoin():
                return None
            case moves.Silence() | moves.TakePart():
                return None
            case moves.Claim():
                own = call.case == self.case and sent.sender == self.opened.challenger
                return call if own else None
            case _:
                return call if game_of(call, sent.sender) == self.opened.game else None
