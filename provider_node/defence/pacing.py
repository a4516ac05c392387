"""From the games of a lease, as they are known here, to the turn of one item's trace. Pure."""

from collections.abc import Iterable

from protocol.auction.defence import RAN_FACTOR
from protocol.dispute.defence_types import NOT_YET, Defence
from protocol.dispute.pace import Opened, post_from
from protocol.dispute.records import Phase
from protocol.lease.provider_types import ChainLease
from protocol.types import BlockNo, Blocks


def turn_of(state: Defence, games: Iterable[Defence], lease: ChainLease, move_clock: Blocks) -> BlockNo:
    """Return the height from which the trace that a game waits for is posted (`protocol.dispute.pace`).

    `games`: all that are known, of any lease.
    """
    known = [
        Opened(each.case.item, BlockNo(each.seen.word.opened_at), _due(each))
        for each in games
        if each.case.lease_id == state.case.lease_id and each.seen is not None
    ]
    cap = Blocks(RAN_FACTOR * max(lease.posted_at - lease.started_at, 0))
    turn = post_from(state.case.item, known, state.bid.trace_allowance, cap)
    # Whatever was seen of earlier games: a whole move clock is left.
    return BlockNo(min(turn, state.deadline - move_clock))


def _due(state: Defence) -> BlockNo:
    owed = state.seen is not None and state.seen.word.phase is Phase.TRACE
    return state.deadline if owed else NOT_YET
