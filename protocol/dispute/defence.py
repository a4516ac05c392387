"""The provider's side of one game: answer whatever is asked, in time, until the game is over. Pure and total.

As for leases, the chain enters as one level: `SawGame` is the game as it stands at a height, given whenever
that changed and at every `wake` height. So a restart, a re-organisation and another daemon's answer all look
the same.
"""

from dataclasses import replace
from typing import assert_never

from protocol.dispute.defence_types import (
    NOT_YET,
    Alarm,
    Answer,
    Defence,
    DidContradict,
    DidMove,
    DidNotAct,
    Effect,
    ExpireGame,
    Input,
    Phase,
    Rejected,
    SawGame,
    SawLeaseEnd,
    SeenGame,
    Step,
)
from protocol.dispute.records import Phase as GamePhase
from protocol.types import BlockNo, Hash32, Wei, to_hex

_LIVE = (Phase.WATCHING, Phase.ANSWERING, Phase.EXPIRING)
_ENDS = (Phase.WON, Phase.CONVICTED, Phase.OVER)

# Where inputs lead, by phase.
ALLOWED: dict[Phase, tuple[Phase, ...]] = {
    Phase.WATCHING: (*_LIVE, *_ENDS),
    Phase.ANSWERING: (*_LIVE, Phase.DOUBTING, *_ENDS),
    Phase.DOUBTING: (*_LIVE, Phase.DOUBTING, *_ENDS),
    Phase.EXPIRING: (*_LIVE, *_ENDS),
    Phase.WON: (),
    Phase.CONVICTED: (),
    Phase.OVER: (),
}
ENDED = frozenset(_ENDS)
OWING = frozenset({Phase.ANSWERING, Phase.DOUBTING})
"""Phases in which our clock runs."""

_SETTLING = 3
"""Blocks after which a move that was made has to show."""
_PAUSES = 5
"""The pause before a refused move is tried again doubles up to 2^5 blocks."""


def step(state: Defence, given: Input) -> Step:
    """Return the state after `given`, and what is now to be done."""
    if state.phase in ENDED:
        return _rejected(state, given, "the game is over")
    match given:
        case SawGame():
            return _saw(state, given)
        case SawLeaseEnd():
            phase = Phase.CONVICTED if given.convicted else Phase.OVER
            return Step(replace(state, phase=phase, height=given.height, retry_at=NOT_YET))
        case DidMove():
            return _moved(state, given)
        case DidContradict():
            return _contradicted(state, given)
        case DidNotAct():
            return _refused(state, given)
        case _:
            assert_never(given)


def ended(state: Defence) -> bool:
    """Tell whether no input leads out of this state."""
    return state.phase in ENDED


def wanted(state: Defence, effect: Effect) -> bool:
    """Tell whether a pending effect still makes sense in this state."""
    match effect:
        case Answer():
            return state.phase in OWING and effect.round == state.round
        case ExpireGame():
            return state.phase == Phase.EXPIRING and effect.round == state.round
        case Alarm() | Rejected():
            return True
        case _:
            assert_never(effect)


def refused(effect: Effect, reason: str) -> Input | None:
    """Turn an effect that failed for good into the input that says so."""
    match effect:
        case Answer() | ExpireGame():
            return DidNotAct(effect.round, reason)
        case Alarm() | Rejected():
            return None
        case _:
            assert_never(effect)


def wake(state: Defence) -> BlockNo | None:
    """Return the height from which the machine needs a `SawGame`, or None if only a change matters to it."""
    if state.phase in ENDED or state.seen is None:
        return None
    if state.retry_at:
        return state.retry_at
    if state.phase == Phase.WATCHING and state.deadline and not state.seen.convicted:
        return BlockNo(state.deadline + 1)
    return None


def _saw(state: Defence, given: SawGame) -> Step:
    before, seen = state.seen, given.seen
    first_bond = state.first_bond or (seen.word.bond if seen else 0)
    state = replace(state, height=given.height, seen=seen, first_bond=first_bond)
    if seen is None:
        return _rest(state)
    if seen.final and (seen.convicted or not seen.word.phase.live):
        phase = Phase.CONVICTED if seen.convicted else Phase.WON
        return Step(replace(state, phase=phase, retry_at=NOT_YET))
    if seen.convicted or not seen.word.phase.live:
        return _rest(state)
    late = given.height > state.deadline
    if seen.word.phase.provider_moves:
        # Past the deadline no answer is accepted; that a re-organisation gives us time again is seen then.
        return _rest(state) if late else _begin(state, before, Phase.ANSWERING)
    return _begin(state, before, Phase.EXPIRING) if late else _rest(state)


def _rest(state: Defence) -> Step:
    return Step(replace(state, phase=Phase.WATCHING, retry_at=NOT_YET, doubts=0, refusals=0))


def _begin(state: Defence, before: SeenGame | None, phase: Phase) -> Step:
    """Start what this turn asks for, or try again what is due."""
    same = _turn(before) == _turn(state.seen)
    doing = state.phase == phase or (phase == Phase.ANSWERING and state.phase == Phase.DOUBTING)
    if not (same and doing):
        return _go(replace(state, phase=phase, doubts=0, refusals=0))
    if state.retry_at and state.height >= state.retry_at:
        return _go(state)
    return Step(state)


def _go(state: Defence) -> Step:
    state = replace(state, round=state.round + 1, retry_at=NOT_YET)
    effect = ExpireGame(state.round) if state.phase == Phase.EXPIRING else Answer(state.round, state.doubts)
    return Step(state, (effect,))


def _turn(seen: SeenGame | None) -> tuple[GamePhase, int, int, Hash32] | None:
    """What is to be answered: a move or a new key of ours makes another turn of it."""
    if seen is None:
        return None
    return seen.word.phase, seen.word.moved_at, seen.word.chosen, seen.view.position.hash


def _moved(state: Defence, given: DidMove) -> Step:
    """Count it, also if it is of an earlier round. The chain's word must show it soon: else it was taken back
    by a re-organisation before we saw it, and is to be made again.
    """
    fees = Wei(state.fees + given.fee)
    state = replace(state, moves=state.moves + bool(given.fee), fees=fees, reason="")
    if given.round != state.round or state.phase not in (*OWING, Phase.EXPIRING):
        return Step(state)
    return Step(replace(state, retry_at=BlockNo(state.height + _SETTLING)))


def _contradicted(state: Defence, given: DidContradict) -> Step:
    """Never answer from such a run: if the posted result is right, its trace would convict it. Run again."""
    if state.phase not in OWING or given.round != state.round:
        return _rejected(state, given, "that answer is not awaited")
    reason = (
        f"item {state.case.item} gave the item root {to_hex(given.item_root)} and the trace root "
        f"{to_hex(given.trace_root)}; posted was {to_hex(state.case.item_root)}"
    )
    retry_at = BlockNo(state.height + (1 << min(state.doubts, _PAUSES)))
    state = replace(state, phase=Phase.DOUBTING, doubts=state.doubts + 1, retry_at=retry_at, reason=reason)
    return Step(state, (Alarm(reason),))


def _refused(state: Defence, given: DidNotAct) -> Step:
    if state.phase not in (*OWING, Phase.EXPIRING) or given.round != state.round:
        return _rejected(state, given, "that move is not awaited")
    retry_at = BlockNo(state.height + (1 << min(state.refusals, _PAUSES)))
    return Step(replace(state, refusals=state.refusals + 1, retry_at=retry_at, reason=given.reason))


def _rejected(state: Defence, given: Input, reason: str) -> Step:
    return Step(state, (Rejected(type(given).__name__, state.phase, reason),))
