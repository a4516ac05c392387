"""Moves whose transaction does not show them, since a contract called: what the game's word tells of them."""

from protocol.dispute import moves
from protocol.dispute.names import Case, Position
from protocol.dispute.records import Game, Phase
from protocol.messages import Bid
from protocol.types import ZERO_HASH, Address, Hash32


def stand_in(
    bid: Bid, case: Case, challenger: Address, seal: Hash32, state: Game, *, silent: bool
) -> moves.Move | None:
    """Return a move that leads the game to `state`, or None where the word does not tell enough.

    Answers are never hidden. What a challenger's wallet contract picks stands in the word; of `element`, only
    the number: position, header and facts stay empty. An end that a contract caused reads as `Timeout`, a
    claim as `ClaimSilence`. `silent`: the game convicted by silence, not by a proof. Where a game landed or
    jumped, and what a proof showed, the word does not tell.
    """
    match state.phase:
        case Phase.REVEAL if state.shown > 0:  # after a jump or a landing nothing is shown yet
            return moves.Pick(case.id, seal, state.tag, state.chosen)
        case Phase.CHAIN:
            return moves.PickElement(case.id, seal, state.tag, Position(), ZERO_HASH, 0, state.path)
        case Phase.RUNNING:
            return moves.PickSpan(case.id, seal, state.tag, state.chosen)
        case Phase.WON if silent:
            return moves.Timeout(bid, case, challenger, seal)
        case Phase.LOST:
            return moves.Timeout(bid, case, challenger, seal)
        case Phase.CLAIMED:
            return moves.ClaimSilence(case, seal)
        case _:
            return None
