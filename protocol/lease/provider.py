"""The provider's lease machine: from a signed bid to a settled lease. Pure and total.

The chain enters as one level, not as edges: `SawLease` is the contract's whole word at a height, given
whenever a log names the lease and at every `wake` height. So a missed log, a restart, a re-organisation and
somebody else's transaction all look the same, and a deadline is judged together with the state it applies to.
"""

from dataclasses import replace
from typing import assert_never

from protocol.lease.common_types import DidNotCheck, DidNotFetch, DidNotSend
from protocol.lease.provider_types import (
    AskedAbandon,
    CheckJob,
    CloseLease,
    DidBid,
    DidCheck,
    DidFetch,
    DidNotRun,
    DidRun,
    Effect,
    FetchArtifacts,
    Finalize,
    Input,
    Phase,
    PostResult,
    ProviderLease,
    Rejected,
    ReleaseArtifacts,
    RunItems,
    SawLease,
    SendHeartbeat,
    SendQuote,
    SendStart,
    Stage,
    Step,
    StopJob,
    Withdraw,
)
from protocol.types import BlockNo

# Where the chain's word leads, by phase. Columns: not opened | open | started | result posted.
# The three ends (settled, closed, convicted) lead from every living phase to the end of that name.
BY_CHAIN: dict[Phase, tuple[Phase, Phase, Phase, Phase]] = {
    Phase.BID: (Phase.BID, Phase.FETCHING, Phase.FETCHING, Phase.POSTED),
    Phase.FETCHING: (Phase.BID, Phase.FETCHING, Phase.FETCHING, Phase.POSTED),
    Phase.CHECKING: (Phase.BID, Phase.CHECKING, Phase.CHECKING, Phase.POSTED),
    Phase.STARTING: (Phase.BID, Phase.STARTING, Phase.RUNNING, Phase.POSTED),
    Phase.RUNNING: (Phase.BID, Phase.STARTING, Phase.RUNNING, Phase.POSTED),
    Phase.POSTING: (Phase.BID, Phase.STARTING, Phase.POSTING, Phase.POSTED),
    Phase.POSTED: (Phase.BID, Phase.STARTING, Phase.RUNNING, Phase.POSTED),
    Phase.FINALIZING: (Phase.BID, Phase.STARTING, Phase.RUNNING, Phase.FINALIZING),
    Phase.ABORTING: (Phase.BID, Phase.ABORTING, Phase.FAILING, Phase.POSTED),
    Phase.FAILING: (Phase.BID, Phase.ABORTING, Phase.FAILING, Phase.POSTED),
}

# Where our own work and the passing of deadlines lead. RUNNING passes straight on to POSTING where the result
# is known already (its start, or its post, was taken back by a re-organisation).
BY_WORK: dict[Phase, tuple[Phase, ...]] = {
    Phase.BID: (Phase.LAPSED,),
    Phase.FETCHING: (Phase.CHECKING, Phase.ABORTING, Phase.FAILING),
    Phase.CHECKING: (Phase.STARTING, Phase.RUNNING, Phase.POSTING, Phase.ABORTING, Phase.FAILING),
    Phase.STARTING: (Phase.POSTING, Phase.ABORTING),
    Phase.RUNNING: (Phase.POSTING, Phase.FAILING),
    Phase.POSTING: (Phase.FAILING,),
    Phase.POSTED: (Phase.POSTING, Phase.FINALIZING),
    Phase.FINALIZING: (Phase.POSTING, Phase.POSTED),
    Phase.ABORTING: (),
    Phase.FAILING: (),
}

ENDS = {
    Stage.SETTLED: Phase.SETTLED,
    Stage.CLOSED: Phase.CLOSED,
    Stage.CONVICTED: Phase.CONVICTED,
}
ENDED = frozenset({Phase.LAPSED, *ENDS.values()})
BEATING = frozenset({Phase.RUNNING, Phase.POSTING})
WORKING = frozenset({Phase.FETCHING, Phase.CHECKING, Phase.STARTING, Phase.RUNNING, Phase.POSTING})
"""Phases in which a lease occupies its slot."""

_RETRY_LIMIT = 6
"""The pause after a refused transaction doubles up to 2^6 blocks."""


def step(state: ProviderLease, given: Input) -> Step:
    """Return the state after `given`, and what is now to be done."""
    if state.phase in ENDED:
        return _rejected(state, given, "the lease is over")
    match given:
        case DidBid():
            return _bid(state, given)
        case SawLease():
            return _saw(state, given)
        case DidFetch() | DidNotFetch() | DidCheck() | DidNotCheck():
            return _prepared(state, given)
        case DidRun() | DidNotRun():
            return _ran(state, given)
        case DidNotSend():
            return _refused(state, given)
        case AskedAbandon():
            if state.phase not in WORKING:
                return _rejected(state, given, "only a lease that is being worked on can be given up")
            return _give_up(state, "given up by the operator")
        case _:
            assert_never(given)


def ended(state: ProviderLease) -> bool:
    """Tell whether no input leads out of this state."""
    return state.phase in ENDED


def wanted(state: ProviderLease, effect: Effect) -> bool:
    """Tell whether a pending effect still makes sense in this state."""
    match effect:
        case SendQuote():
            return state.phase == Phase.BID
        case FetchArtifacts():
            return state.phase == Phase.FETCHING and effect.round == state.round
        case CheckJob():
            return state.phase == Phase.CHECKING and effect.round == state.round
        case SendStart():
            return state.phase == Phase.STARTING and effect.round == state.round
        case RunItems():
            return state.phase == Phase.RUNNING and (effect.round, effect.attempt) == (
                state.round,
                state.attempt,
            )
        case PostResult():
            return state.phase == Phase.POSTING and effect.round == state.round
        case SendHeartbeat() | Withdraw():
            return state.phase in BEATING
        case Finalize():
            return state.phase == Phase.FINALIZING and effect.round == state.round
        case CloseLease():
            return state.phase in (Phase.ABORTING, Phase.FAILING) and effect.round == state.round
        case StopJob() | ReleaseArtifacts() | Rejected():
            return True
        case _:
            assert_never(effect)


def refused(effect: Effect, reason: str) -> Input | None:
    """Turn an effect that failed for good into the input that says so."""
    match effect:
        case FetchArtifacts():
            return DidNotFetch(reason)
        case CheckJob():
            return DidNotCheck(reason)
        case RunItems():
            return DidNotRun(reason, final=True)
        case SendStart() | PostResult() | Finalize() | CloseLease():
            return DidNotSend(type(effect).__name__, reason)
        case SendQuote() | SendHeartbeat() | Withdraw() | StopJob() | ReleaseArtifacts() | Rejected():
            return None
        case _:
            assert_never(effect)


def wake(state: ProviderLease) -> BlockNo | None:
    """Return the height from which the machine needs a `SawLease`, or None once it is over."""
    chain = state.chain
    match state.phase:
        case Phase.BID:
            return BlockNo(state.bid.expiry + state.conduct.confirmations + 1)
        case Phase.FETCHING | Phase.CHECKING:
            if chain.stage == Stage.STARTED:
                return BlockNo(chain.result_by + 1)
            return _last_call(state)
        case Phase.STARTING:
            return _soonest(BlockNo(chain.start_by + 1), state.retry_at)
        case Phase.RUNNING | Phase.POSTING:
            return _soonest(BlockNo(chain.result_by + 1), state.beat_at, state.withdraw_at, state.retry_at)
        case Phase.POSTED:
            return BlockNo(chain.window_end + 1)
        case Phase.FINALIZING | Phase.ABORTING | Phase.FAILING:
            return state.retry_at or BlockNo(state.height + 1)
        case Phase.LAPSED | Phase.SETTLED | Phase.CLOSED | Phase.CONVICTED:
            return None
        case _:
            assert_never(state.phase)


def _bid(state: ProviderLease, given: DidBid) -> Step:
    if state.phase != Phase.BID or state.height:
        return _rejected(state, given, "the bid was made before")
    return Step(replace(state, height=given.height), (SendQuote(given.quote),))


def _saw(state: ProviderLease, given: SawLease) -> Step:
    """Take over the chain's word, go where it leads, then see what the height makes due."""
    seen = replace(state, height=given.height, chain=given.lease)
    stage = given.lease.stage
    if stage in ENDS:
        return _end(seen, ENDS[stage])
    target = BY_CHAIN[state.phase][stage - Stage.ABSENT]
    moved = Step(seen) if target == state.phase else _enter(seen, target)
    due = _due(moved.state)
    return Step(due.state, moved.effects + due.effects)


def _due(state: ProviderLease) -> Step:
    """Do what this height makes due in this phase."""
    chain, height = state.chain, state.height
    match state.phase:
        case Phase.BID if height > state.bid.expiry + state.conduct.confirmations:
            return _end(replace(state, reason="the bid was not taken"), Phase.LAPSED)
        case Phase.FETCHING if chain.stage == Stage.OPEN and height >= _last_call(state):
            return _let_pass(state, "the client served no job in time for the start deadline")
        case Phase.CHECKING if chain.stage == Stage.OPEN and height >= _last_call(state):
            return _give_up(state, "job was not ready in time for the start deadline")
        case Phase.FETCHING | Phase.CHECKING if chain.stage == Stage.STARTED and height > chain.result_by:
            return _give_up(state, "result deadline passed")
        case Phase.STARTING if height > chain.start_by:
            return _give_up(state, "start deadline passed before the lease was started")
        case Phase.RUNNING | Phase.POSTING if height > chain.result_by:
            return _give_up(state, "result deadline passed")
        case Phase.RUNNING | Phase.POSTING:
            return _stream(state)
        case Phase.POSTED if height > chain.window_end and not chain.frozen:
            return _enter(state, Phase.FINALIZING)
        case Phase.FINALIZING if chain.frozen:
            # The Escrow refuses while a game is open: that is to be waited for, and no failure to try again.
            return _enter(state, Phase.POSTED)
        case Phase.STARTING | Phase.FINALIZING | Phase.ABORTING | Phase.FAILING:
            return _again(state)
        case _:
            return Step(state)


def _stream(state: ProviderLease) -> Step:
    """Beat and withdraw when they are due; try a refused post again."""
    effects: list[Effect] = []
    conduct, height, more = state.conduct, state.height, state.chain.paid_blocks < state.chain.funded_blocks
    if height >= state.beat_at:
        # Once all funded blocks are paid a beat moves nothing; a top-up makes `more` true again.
        if more:
            effects.append(SendHeartbeat(state.beat_at))
        state = replace(state, beat_at=BlockNo(height + conduct.beat_every))
    if state.withdraw_at and height >= state.withdraw_at:
        if state.chain.withdrawn_blocks < state.chain.paid_blocks:
            effects.append(Withdraw(state.withdraw_at))
        state = replace(state, withdraw_at=BlockNo(height + conduct.withdraw_every))
    if state.phase == Phase.POSTING:
        again = _again(state)
        return Step(again.state, (*effects, *again.effects))
    return Step(state, tuple(effects))


def _prepared(state: ProviderLease, given: DidFetch | DidNotFetch | DidCheck | DidNotCheck) -> Step:
    fetching = isinstance(given, (DidFetch, DidNotFetch))
    if state.phase != (Phase.FETCHING if fetching else Phase.CHECKING):
        return _rejected(state, given, "nothing of the kind is under way")
    match given:
        case DidFetch():
            return _enter(replace(state, spec=given.spec), Phase.CHECKING)
        case DidNotFetch():
            return _let_pass(state, f"artifacts do not fit the offer: {given.reason}")
        case DidNotCheck():
            return _give_up(state, f"job failed its check: {given.reason}")
        case DidCheck():
            return _checked(state, given)
        case _:
            assert_never(given)


def _checked(state: ProviderLease, given: DidCheck) -> Step:
    """Start, unless the program turned out larger than the client said."""
    if given.peak_bytes > state.conduct.memory_bytes:
        return _give_up(
            state, f"program needs {given.peak_bytes} bytes, {state.conduct.memory_bytes} are lent"
        )
    # The offer's figures were the client's claims, these are our own. Starting what cannot end in time would
    # cost the penalty, closing it unstarted only the show-up sum.
    blocks = -(-given.run_ms // state.conduct.block_ms)
    if blocks > state.bid.result_deadline:
        due = state.bid.result_deadline
        return _give_up(state, f"program needs about {blocks} blocks, the result is due after {due}")
    state = replace(
        state,
        item_ms=given.item_ms,
        trace_ms=given.trace_ms,
        reading_ms=given.reading_ms,
        trace_bytes=given.trace_bytes,
        value_bytes=given.value_bytes,
    )
    # A lease that is started already (by an earlier life of this provider) needs no second start.
    return _enter(state, Phase.RUNNING if state.chain.stage == Stage.STARTED else Phase.STARTING)


def _ran(state: ProviderLease, given: DidRun | DidNotRun) -> Step:
    if state.phase != Phase.RUNNING:
        return _rejected(state, given, "nothing is running")
    if isinstance(given, DidRun):
        return _enter(replace(state, result=given.result, ready_at=state.height), Phase.POSTING)
    if given.final or state.attempt >= state.conduct.run_attempts:
        return _give_up(state, f"run failed: {given.reason}")
    state = replace(state, attempt=state.attempt + 1)
    return Step(state, (RunItems(state.round, state.attempt),))


def _refused(state: ProviderLease, given: DidNotSend) -> Step:
    """Try again later, ever more rarely: the chain's next word may explain it, and a deadline ends it."""
    expected = _MAIN.get(state.phase)
    if expected is None or given.effect != expected.__name__:
        return _rejected(state, given, "that transaction is not awaited")
    pause = 1 << min(state.refusals, _RETRY_LIMIT)
    state = replace(state, refusals=state.refusals + 1, retry_at=BlockNo(state.height + pause))
    return Step(replace(state, reason=given.reason) if state.reason == "" else state)


def _again(state: ProviderLease) -> Step:
    """Send a refused transaction once more if its pause is over."""
    if not state.retry_at or state.height < state.retry_at:
        return Step(state)
    state = replace(state, round=state.round + 1, retry_at=BlockNo(0))
    return Step(state, _main(state))


def _give_up(state: ProviderLease, reason: str) -> Step:
    """Close the lease: unstarted it costs the show-up sum, started the penalty."""
    target = Phase.FAILING if state.chain.stage == Stage.STARTED else Phase.ABORTING
    return _enter(replace(state, reason=reason), target)


def _let_pass(state: ProviderLease, reason: str) -> Step:
    """Give up what the client did not serve, and leave the lease to its start deadline.

    Whoever closes before that pays the show-up sum alone, and has failed: a client could open and vanish at
    its provider's cost. At the deadline both pay it (RULES 1). The slot is free meanwhile.
    """
    if state.chain.stage == Stage.STARTED:
        return _give_up(state, reason)
    after = BlockNo(state.chain.start_by + 1)
    left = replace(state, phase=Phase.ABORTING, reason=reason, round=state.round + 1, refusals=0)
    return Step(replace(left, retry_at=after))


def _enter(state: ProviderLease, phase: Phase) -> Step:
    """Change the phase and ask for its work."""
    if phase == Phase.RUNNING and state.result is not None:
        phase = Phase.POSTING
    left = state.phase
    state = replace(state, phase=phase, round=state.round + 1, refusals=0, retry_at=BlockNo(0))
    effects: tuple[Effect, ...] = ()
    if left == Phase.RUNNING and phase != Phase.POSTING:
        effects = (StopJob(state.round),)
    if phase in BEATING and left not in BEATING:
        conduct = state.conduct
        later = BlockNo(state.height + conduct.withdraw_every) if conduct.withdraw_every else BlockNo(0)
        state = replace(
            state, beat_at=BlockNo(state.height + conduct.beat_every), withdraw_at=later, reason=""
        )
    if phase == Phase.RUNNING:
        state = replace(state, attempt=1)
    if phase == Phase.FAILING and state.chain.closing and state.height <= state.chain.result_by:
        # The client closed it already. Once that takes effect the stream stays ours; closing now forfeits it.
        return Step(replace(state, retry_at=BlockNo(state.chain.result_by + 1)), effects)
    return Step(state, effects + _main(state))


def _end(state: ProviderLease, phase: Phase) -> Step:
    left = state.phase
    reason = state.reason or state.chain.ending
    state = replace(state, phase=phase, round=state.round + 1, retry_at=BlockNo(0), reason=reason)
    stop: tuple[Effect, ...] = (StopJob(state.round),) if left == Phase.RUNNING else ()
    keep = state.chain.window_end + state.conduct.keep_blocks if phase == Phase.SETTLED else 0
    return Step(state, (*stop, ReleaseArtifacts(BlockNo(keep))))


def _main(state: ProviderLease) -> tuple[Effect, ...]:
    """Return the effect that a phase exists for."""
    match state.phase:
        case Phase.FETCHING:
            return (FetchArtifacts(state.round),)
        case Phase.CHECKING:
            return (CheckJob(state.round),)
        case Phase.STARTING:
            return (SendStart(state.round),)
        case Phase.RUNNING:
            return (RunItems(state.round, state.attempt),)
        case Phase.POSTING if state.result is not None:
            return (PostResult(state.round, state.result.output_root),)
        case Phase.FINALIZING:
            return (Finalize(state.round),)
        case Phase.ABORTING | Phase.FAILING:
            return (CloseLease(state.round),)
        case _:
            return ()


def _last_call(state: ProviderLease) -> BlockNo:
    """Return the height at which a job that is not ready is given up: a start sent now may come too late."""
    margin = min(state.conduct.start_margin, state.bid.start_deadline // 2)
    return BlockNo(max(state.chain.start_by - margin, 0))


_MAIN: dict[Phase, type[SendStart] | type[PostResult] | type[Finalize] | type[CloseLease]] = {
    Phase.STARTING: SendStart,
    Phase.POSTING: PostResult,
    Phase.FINALIZING: Finalize,
    Phase.ABORTING: CloseLease,
    Phase.FAILING: CloseLease,
}
"""The transaction that a phase waits for."""


def _soonest(first: BlockNo, *others: BlockNo) -> BlockNo:
    """Return the least of the heights that are set."""
    return min((first, *(each for each in others if each)))


def _rejected(state: ProviderLease, given: Input, reason: str) -> Step:
    return Step(state, (Rejected(type(given).__name__, state.phase, reason),))
