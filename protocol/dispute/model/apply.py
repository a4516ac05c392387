"""One call: the state after it, or the error."""

from collections.abc import Callable, Mapping
from typing import Any

from protocol.dispute import moves
from protocol.dispute.model import chains, descent, ends, judges, opening, proofs
from protocol.dispute.model.state import Context, Refused, RefusedError, State
from protocol.dispute.moves import Call
from protocol.types import InputError

_RULES: Mapping[type[Call], Callable[[State, Any, Context], State]] = {
    moves.Challenge: opening.challenge,
    moves.PostTrace: opening.trace,
    moves.Adopt: opening.adopt,
    moves.Pick: descent.pick,
    moves.Jump: descent.jump,
    moves.Land: descent.land,
    moves.LandOnOutput: descent.land_on_output,
    moves.Reveal: descent.reveal,
    moves.RevealLeaves: descent.reveal_leaves,
    moves.PickElement: chains.element,
    moves.ShowRunning: chains.running,
    moves.PickSpan: chains.span,
    moves.ShowSpan: chains.running_of_span,
    moves.Prove: proofs.prove,
    moves.ProveSegment: proofs.prove_segment,
    moves.ProveOutside: proofs.prove_outside,
    moves.Timeout: ends.timeout,
    moves.Resign: ends.resign,
    moves.Claim: ends.claim,
    moves.ClaimSilence: ends.claim_silence,
    moves.Settle: ends.settle,
    moves.Collect: ends.collect,
    moves.WithdrawCoin: ends.withdraw_coin,
    moves.Silence: judges.silence,
    moves.TakePart: judges.take_part,
}


def apply(state: State, call: Call, context: Context) -> State | Refused:
    """What the contract does with a call, in this state and block."""
    try:
        return _RULES[type(call)](state, call, context)
    except RefusedError as error:
        return error.refused
    except InputError:
        return Refused("Referee")
