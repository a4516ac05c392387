"""The client's lease machine: from the award to money and result. Pure and total.

The chain enters as one level, not as edges: `SawLease` is the contract's whole word at a height, given when
it changed and at every `wake` height. A missed log, a restart, a re-organisation and somebody else's
transaction all look the same. What the chain says moves the phase; what is done with the outputs moves the
work.
"""

from dataclasses import replace
from typing import assert_never

from protocol.lease.client_types import (
    AskedCancel,
    AskedFetch,
    ChainLease,
    CheckOutputs,
    ClientLease,
    DidCheck,
    DidFetch,
    DidNotSave,
    DidSave,
    DidSettle,
    Effect,
    EndHolds,
    FetchOutputs,
    Input,
    Phase,
    ReadSettlement,
    Rejected,
    ReleaseArtifacts,
    SaveResult,
    SawHolds,
    SawLease,
    SendClose,
    SendExpire,
    SendFinalize,
    Stage,
    Step,
    Work,
)
from protocol.lease.common_types import DidNotCheck, DidNotFetch, DidNotSend
from protocol.types import BlockNo

PHASE_OF: dict[Stage, Phase] = {
    Stage.ABSENT: Phase.OPENING,
    Stage.OPENED: Phase.OPENED,
    Stage.RUNNING: Phase.RUNNING,
    Stage.SERVING: Phase.RUNNING,
    Stage.CLOSING: Phase.CLOSING,
    Stage.POSTED: Phase.POSTED,
    Stage.FINALIZED: Phase.FINAL,
    Stage.CLIENT_CLOSED: Phase.REFUNDED,
    Stage.PROVIDER_CLOSED: Phase.REFUNDED,
    Stage.START_MISSED: Phase.REFUNDED,
    Stage.RESULT_MISSED: Phase.REFUNDED,
    Stage.RAN_OUT: Phase.REFUNDED,
    Stage.CONVICTED: Phase.CONVICTED,
}
"""Where the chain's word leads, from every phase that is not over. The one phase that it does not name is
LAPSED: OPENING, seen after the bid's expiry."""

WORK: dict[Work, frozenset[Work]] = {
    Work.NONE: frozenset({Work.FETCHING}),
    Work.FETCHING: frozenset({Work.CHECKING, Work.LOST, Work.NONE, Work.FETCHING}),
    Work.CHECKING: frozenset({Work.SAVING, Work.WRONG, Work.NONE, Work.FETCHING}),
    Work.SAVING: frozenset({Work.GOOD, Work.NONE, Work.FETCHING}),
    Work.GOOD: frozenset({Work.NONE, Work.FETCHING}),
    Work.WRONG: frozenset({Work.NONE, Work.FETCHING}),
    Work.LOST: frozenset({Work.NONE, Work.FETCHING}),
}
"""Where work leads. NONE and FETCHING are reached from everywhere: a re-organisation took the result back, or
put another one in its place."""

OVER = frozenset({Phase.FINAL, Phase.REFUNDED, Phase.CONVICTED, Phase.LAPSED})
RESULT_STANDS = frozenset({Phase.POSTED, Phase.FINAL})
AT_WORK = frozenset({Work.FETCHING, Work.CHECKING, Work.SAVING})

ENDINGS = {
    Stage.FINALIZED: "the result is final",
    Stage.CLIENT_CLOSED: "closed by its client",
    Stage.PROVIDER_CLOSED: "given up by the provider",
    Stage.START_MISSED: "the provider did not start in time",
    Stage.RESULT_MISSED: "the provider brought no result in time",
    Stage.RAN_OUT: "the funded blocks are over",
    Stage.CONVICTED: "a judge found the result wrong",
}


def step(state: ClientLease, value: Input) -> Step:
    """Return the state after `value` and what is to be done. Never raises."""
    match value:
        case SawLease():
            return _saw(state, value)
        case SawHolds():
            return _looked(state, value)
        case AskedCancel():
            return _cancel(state, value)
        case AskedFetch() if state.work == Work.LOST and state.phase in RESULT_STANDS:
            again, effects = _fetch(state)
            return Step(again, effects)
        case AskedFetch():
            return _reject(state, value, f"nothing to fetch again ({state.work.name.lower()})")
        case DidNotSend():
            return _not_sent(state, value)
        case DidSettle(settlement):
            if state.phase not in OVER or state.phase == Phase.LAPSED:
                return _reject(state, value, "the lease has not ended")
            return Step(replace(state, settlement=settlement))
        case DidFetch() | DidNotFetch() | DidCheck() | DidNotCheck() | DidSave() | DidNotSave():
            return _worked(state, value)
        case _:
            assert_never(value)


def ended(state: ClientLease) -> bool:
    """Tell whether nothing is left to wait for: money settled, outputs dealt with."""
    if state.phase == Phase.LAPSED:
        return True
    return state.phase in OVER and state.settlement is not None and state.work not in AT_WORK


def wanted(state: ClientLease, effect: Effect) -> bool:
    """Tell whether a pending effect still makes sense."""
    match effect:
        case SendClose():
            return state.cancelled and state.phase in (Phase.OPENED, Phase.RUNNING)
        case SendExpire():
            return state.phase in (Phase.OPENED, Phase.RUNNING, Phase.CLOSING)
        case SendFinalize() | EndHolds():
            return state.phase == Phase.POSTED
        case FetchOutputs(_, attempt):
            return state.work == Work.FETCHING and attempt + 1 == state.attempt
        case CheckOutputs(_, _, _, attempt):
            return state.work == Work.CHECKING and attempt == state.attempt
        case SaveResult(_, attempt):
            return state.work == Work.SAVING and attempt == state.attempt
        case ReadSettlement():
            return state.phase in OVER and state.settlement is None
        case ReleaseArtifacts() | Rejected():
            return True
        case _:
            assert_never(effect)


def wake(state: ClientLease) -> BlockNo | None:
    """Return the next height at which the machine must see the lease even if nothing changed, or None."""
    heights: list[int] = []
    match state.phase:
        case Phase.OPENING:
            heights.append(state.bid.expiry + 1)
        case Phase.OPENED:
            heights.append(state.chain.start_by + 1)
        case Phase.RUNNING | Phase.CLOSING:
            heights.append(state.chain.result_by + 1)
        case Phase.POSTED:
            if state.chain.freezes:
                heights.append(state.holds_at)
            elif state.work == Work.GOOD:
                heights.append(_finalize_at(state))
            if state.work == Work.FETCHING:
                heights.append(state.fetch_until + 1)
        case _:
            if state.work == Work.FETCHING:
                heights.append(state.fetch_until + 1)
    if not heights:
        return None
    return BlockNo(max(min(heights), state.retry_at, state.height + 1))


def refused(effect: Effect, reason: str) -> Input | None:
    """Turn an effect that was refused into the input that says so."""
    match effect:
        case SendClose() | SendExpire() | SendFinalize() | EndHolds():
            return DidNotSend(type(effect).__name__, reason)
        case FetchOutputs():
            return DidNotFetch(reason)
        case CheckOutputs():
            return DidNotCheck(reason)
        case SaveResult():
            return DidNotSave(reason)
        case ReadSettlement() | ReleaseArtifacts() | Rejected():
            return None
        case _:
            assert_never(effect)


def _saw(state: ClientLease, value: SawLease) -> Step:
    if state.phase in OVER:
        # Only the height counts now: outputs may still be on their way.
        if value.height <= state.height or state.work != Work.FETCHING:
            return _reject(state, value, "the lease has ended")
        return _give_up_fetching(replace(state, height=value.height))
    if value.height < state.height:
        return _reject(state, value, f"older than block {state.height}, which was seen already")
    phase = PHASE_OF[value.lease.stage]
    if phase == Phase.OPENING and value.height > state.bid.expiry:
        gone = replace(state, phase=Phase.LAPSED, height=value.height, chain=value.lease, work=Work.NONE)
        gone = replace(
            gone, outputs=None, verdict=None, reason="the bid expired before it was opened for good"
        )
        return Step(gone, (ReleaseArtifacts(),))
    moved = replace(state, phase=phase, height=value.height)
    # A finalised lease keeps its root on chain, a closed one has none: the work follows the root.
    moved, effects = _follow_result(moved, value.lease)
    if phase != state.phase:
        moved = replace(moved, retry_at=BlockNo(0), holds_at=BlockNo(0))
    if phase in OVER:
        moved = replace(moved, reason=_ending(moved))
        return Step(moved, (*effects, ReadSettlement(), ReleaseArtifacts()))
    given_up = _give_up_fetching(moved)
    due = _due(given_up.state)
    return Step(due.state, (*effects, *given_up.effects, *due.effects))


def _follow_result(state: ClientLease, lease: ChainLease) -> tuple[ClientLease, tuple[Effect, ...]]:
    """Take over the chain's word; start over with the outputs if the root is another one."""
    before, moved = state.chain, replace(state, chain=lease)
    if state.phase not in RESULT_STANDS:
        return replace(moved, work=Work.NONE, outputs=None, verdict=None, result_path=""), ()
    if state.work != Work.NONE and lease.output_root == before.output_root:
        return moved, ()
    return _fetch(moved)


def _fetch(state: ClientLease) -> tuple[ClientLease, tuple[Effect, ...]]:
    until = BlockNo(max(state.height, state.window_end) + state.conduct.fetch_until)
    fetch = FetchOutputs(state.chain.output_root, state.attempt)
    moved = replace(state, work=Work.FETCHING, attempt=state.attempt + 1, fetch_until=until)
    return replace(moved, outputs=None, verdict=None, result_path=""), (fetch,)


def _due(state: ClientLease) -> Step:
    """Send what this height asks for."""
    if state.height < state.retry_at:
        return Step(state)
    match state.phase:
        case Phase.OPENED if state.height > state.chain.start_by:
            return _send(state, SendExpire(state.round))
        case Phase.RUNNING | Phase.CLOSING if state.height > state.chain.result_by:
            return _send(state, SendExpire(state.round))
        case Phase.OPENED | Phase.RUNNING if state.cancelled:
            return _send(state, SendClose(state.round))
        case Phase.POSTED if state.chain.freezes and state.height >= state.holds_at:
            return _send(state, EndHolds(state.round, state.work == Work.GOOD))
        case Phase.POSTED if _may_finalize(state):
            return _send(state, SendFinalize(state.round))
        case _:
            return Step(state)


def _may_finalize(state: ClientLease) -> bool:
    # What this client did not get, or knows to be wrong, it does not make final.
    return state.work == Work.GOOD and state.height >= _finalize_at(state) and not state.chain.freezes


def _send(state: ClientLease, effect: Effect) -> Step:
    # Until the chain answers, or refuses, nothing is sent again: the effect itself is retried by the loop.
    waiting = replace(state, round=state.round + 1, retry_at=BlockNo(1 << 62))
    return Step(waiting, (effect,))


def _looked(state: ClientLease, value: SawHolds) -> Step:
    if state.phase != Phase.POSTED:
        return _reject(state, value, "no result is held")
    again = BlockNo(max(value.again_at, state.height + 1))
    return Step(replace(state, holds_at=again, retry_at=BlockNo(0)))


def _not_sent(state: ClientLease, value: DidNotSend) -> Step:
    if state.phase in OVER:
        return _reject(state, value, "the lease has ended")
    retry = BlockNo(state.height + state.conduct.retry_after)
    noted = replace(state, retry_at=retry, reason=value.reason)
    if value.effect == SendClose.__name__:
        # Refused for good: the provider posted, or its deadline is nearer than a grace. Waiting is all.
        noted = replace(noted, cancelled=False)
    return Step(noted)


def _cancel(state: ClientLease, value: AskedCancel) -> Step:
    match state.phase:
        case Phase.OPENED | Phase.RUNNING if not state.cancelled:
            return _due(replace(state, cancelled=True))
        case Phase.OPENED | Phase.RUNNING:
            return _reject(state, value, "the close is on its way already")
        case Phase.OPENING:
            return _reject(state, value, "the lease is not on chain yet")
        case Phase.CLOSING:
            by = state.chain.result_by
            return _reject(state, value, f"it is closing: without a result by block {by} the rest comes back")
        case Phase.POSTED:
            return _reject(state, value, "a result is posted: from then on nobody can close")
        case _:
            return _reject(state, value, "the lease has ended")


def _worked(
    state: ClientLease,
    value: DidFetch | DidNotFetch | DidCheck | DidNotCheck | DidSave | DidNotSave,
) -> Step:
    match state.work, value:
        case Work.FETCHING, DidFetch(outputs):
            check = CheckOutputs(state.chain.output_root, outputs, state.conduct.rerun_ppm, state.attempt)
            return Step(replace(state, work=Work.CHECKING, outputs=outputs), (check,))
        case Work.FETCHING, DidNotFetch(reason):
            # The artifact's id is the provider's word: wrong bytes prove nothing about the posted root.
            return Step(replace(state, work=Work.LOST, reason=reason))
        case Work.CHECKING, DidCheck(verdict):
            return _judged(replace(state, verdict=verdict))
        case Work.CHECKING, DidNotCheck(reason):
            return Step(replace(state, work=Work.WRONG, reason=reason))
        case Work.SAVING, DidSave(path):
            return Step(replace(state, work=Work.GOOD, result_path=path))
        case Work.SAVING, DidNotSave(reason):
            return Step(replace(state, work=Work.GOOD, reason=reason))
        case _:
            return _reject(state, value, f"nothing of the kind is under way ({state.work.name.lower()})")


def _judged(state: ClientLease) -> Step:
    verdict, outputs = state.verdict, state.outputs
    assert verdict is not None
    assert outputs is not None
    # The chain's root is what counts; what the check was told is not trusted to be the same.
    right = verdict.own_root == state.chain.output_root == verdict.claimed_root
    if right and verdict.first_different is None:
        return Step(replace(state, work=Work.SAVING), (SaveResult(outputs, state.attempt),))
    where = "" if verdict.first_different is None else f", first at item {verdict.first_different}"
    posted, own = state.chain.output_root.hex(), verdict.own_root.hex()
    reason = f"the result is wrong{where}: posted root 0x{posted}, found 0x{own}"
    return Step(replace(state, work=Work.WRONG, reason=reason))


def _give_up_fetching(state: ClientLease) -> Step:
    if state.work == Work.FETCHING and state.height > state.fetch_until:
        return Step(replace(state, work=Work.LOST, reason="nobody served the outputs while they were due"))
    return Step(state)


def _finalize_at(state: ClientLease) -> int:
    return state.window_end + state.conduct.finalize_after + 1


def _ending(state: ClientLease) -> str:
    return ENDINGS.get(state.chain.stage, state.reason)


def _reject(state: ClientLease, value: Input, reason: str) -> Step:
    return Step(state, (Rejected(type(value).__name__, state.phase, reason),))
