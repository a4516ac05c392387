"""What to say when a lease moves on: pure, two states in, events out."""

from client_sdk.progress import Kind, Progress
from protocol.auction.money import Unit
from protocol.lease.client import OVER
from protocol.lease.client_types import ClientLease, Phase, Work
from protocol.types import Amount

_PHASES = {
    Phase.OPENING: "the opening was taken back by the chain, waiting for it to return",
    Phase.OPENED: "lease opened, the provider fetches program and inputs",
    Phase.RUNNING: "running, the stream has begun",
    Phase.CLOSING: "closing: a result posted within the grace still counts, else the rest comes back",
    Phase.POSTED: "result posted, the challenge window is open",
    Phase.LAPSED: "the bid expired before it was opened for good; nothing was paid",
}
HELD = "the result is held by a game, a demand or an audit: it is final, or convicted, only when that is over"
_WORK = {
    Work.FETCHING: "fetching the outputs",
    Work.CHECKING: "outputs are here, recomputing their root",
    Work.SAVING: "the outputs give the posted root",
}


def cost_of(state: ClientLease, streamed: int = 0) -> Amount:
    """Return what the provider has earned so far; after the end, what it was paid.

    `streamed` are the blocks that the stream has reached since the last beat on chain, if known: they count
    while the lease runs.
    """
    if state.settlement is not None:
        return state.settlement.to_owner
    running = state.phase in (Phase.RUNNING, Phase.CLOSING)
    earned = state.bid.rate_per_block * max(state.chain.paid_blocks, streamed if running else 0)
    if state.phase == Phase.REFUNDED:
        return Amount(0)
    return Amount(earned + (state.bid.completion_fee if state.phase == Phase.FINAL else 0))


def changes(before: ClientLease | None, after: ClientLease, unit: Unit, streamed: int = 0) -> list[Progress]:
    """Return the events that tell what is new in `after`; `streamed` is as in `cost_of`."""
    cost = cost_of(after, streamed)
    told: list[Progress] = []
    if before is None or before.phase != after.phase:
        if after.phase in OVER and after.phase != Phase.LAPSED:
            told.append(Progress(Kind.STATE, after.reason, cost))
        else:
            told.append(Progress(Kind.STATE, _PHASES[after.phase], cost))
    if after.phase == Phase.POSTED and after.chain.freezes and not (before and before.chain.freezes):
        told.append(Progress(Kind.STATE, HELD, cost))
    if before is not None and before.work != after.work:
        told.extend(_work(after, cost))
    if after.settlement is not None and (before is None or before.settlement is None):
        paid = after.settlement
        text = f"paid {unit.show(paid.to_owner)}, refunded {unit.show(paid.to_client)}"
        if paid.burnt:
            text += f", burnt {unit.show(paid.burnt)}"
        told.append(Progress(Kind.END, text, paid.to_owner))
    noted = before is not None and after.reason != before.reason and before.phase == after.phase
    if noted and after.reason and before is not None and before.work == after.work:
        told.append(Progress(Kind.TROUBLE, after.reason, cost))
    return told


def _work(state: ClientLease, cost: Amount) -> list[Progress]:
    match state.work:
        case Work.NONE:
            return []
        case Work.GOOD:
            text = f"result: {state.result_path}" if state.result_path else f"not written: {state.reason}"
            return [Progress(Kind.RESULT, text, cost)]
        case Work.WRONG | Work.LOST:
            return [Progress(Kind.TROUBLE, state.reason, cost)]
        case work:
            return [Progress(Kind.STATE, _WORK[work], cost)]


def state_name(state: ClientLease) -> str:
    """Return the state in one word for lists and programs."""
    if state.phase in (Phase.POSTED, Phase.FINAL) and state.work in (Work.WRONG, Work.LOST):
        return f"{state.phase.name}-{state.work.name}".lower()
    if state.phase == Phase.POSTED and state.work == Work.GOOD:
        return "checked"
    return state.phase.name.lower()
