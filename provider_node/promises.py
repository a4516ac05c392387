"""What can be challenged of this provider's leases, now or later, as the journal has them."""

from collections.abc import Iterable, Mapping

from protocol.auction.clocks import Promise
from protocol.auction.defence import RAN_FACTOR, again_ms, reading_ms
from protocol.lease.provider_types import Phase, ProviderLease, Stage
from protocol.types import BidFlags, BlockNo, LeaseId, Verification

_OVER = frozenset(
    {
        Phase.FINALIZING,
        Phase.ABORTING,
        Phase.FAILING,
        Phase.LAPSED,
        Phase.SETTLED,
        Phase.CLOSED,
        Phase.CONVICTED,
    }
)
"""Phases in which no game can be opened any more: the window is over, or no result will come."""


def promise_of(lease: LeaseId, state: ProviderLease, audits: bool) -> Promise | None:
    """Return what a lease may ask for; None if nothing. `audits`: whether the deployment has any."""
    bid, chain = state.bid, state.chain
    if bid.verification != Verification.TAPE or state.phase in _OVER:
        return None
    block_ms, items = state.conduct.block_ms, state.offer.item_count
    cap, until = RAN_FACTOR * items * state.item_ms, 0
    if chain.stage == Stage.POSTED:
        cap = RAN_FACTOR * (chain.posted_at - chain.started_at) * block_ms
        until = chain.window_end
    elif chain.stage == Stage.STARTED:
        until = chain.result_by + bid.challenge_window
    audited = audits and not bid.flags & BidFlags.PRIVATE
    allowance, reading = bid.trace_allowance * block_ms, reading_of(state)
    return Promise(
        lease,
        items,
        state.trace_ms,
        allowance,
        cap,
        reading,
        over_ms=state.result.over_ms if state.result else 0,
        trace_bytes=state.trace_bytes or state.offer.memory_bytes,
        value_bytes=state.value_bytes,
        again_ms=again_ms(state.trace_ms, state.item_ms),
        slow_ms=state.result.slow_ms if state.result else 0,
        audited=audited,
        until=BlockNo(until),
    )


def reading_of(state: ProviderLease) -> int:
    """Return the milliseconds that reading a lease's program and inputs takes, where they are not kept."""
    spec = state.spec
    count = spec.program_bytes + spec.input_bytes if spec else state.offer.transfer_bytes
    return max(reading_ms(count), state.reading_ms)


def answering_ms(state: ProviderLease) -> int:
    """Return the milliseconds that an answer to a demand takes: it may hash all outputs of an item.

    Its trace hashes these as well: of narrow rows that takes far longer than their bytes say.
    """
    return max(reading_ms(state.result.output_bytes) if state.result else 0, state.trace_ms)


def bound(leases: Mapping[LeaseId, ProviderLease], audits: bool) -> tuple[Promise, ...]:
    """Return what the leases that were opened may ask for."""
    opened = ((id, each) for id, each in leases.items() if each.phase != Phase.BID)
    return tuple(found for id, each in opened if (found := promise_of(id, each, audits)))


def possible(
    leases: Mapping[LeaseId, ProviderLease], audits: bool, nonce: int | None = None
) -> tuple[Promise, ...]:
    """Return the same, and what open bids may add, but for those that exclude one with this capacity nonce.

    Of the bids of one nonce only one can be opened.
    """
    slots: dict[int, list[Promise]] = {}
    for id, each in leases.items():
        if each.phase == Phase.BID and each.bid.capacity_nonce != nonce:
            found = promise_of(id, each, audits)
            slots.setdefault(each.bid.capacity_nonce, []).extend([found] if found else [])
    return (*bound(leases, audits), *(_any_of(bids) for bids in slots.values() if bids))


def _any_of(bids: Iterable[Promise]) -> Promise:
    """Return a promise that asks at any time for as much as any of these, or more."""
    known = list(bids)
    run, reading = max(each.run_ms for each in known), max(each.reading_ms for each in known)
    runs = (max(_runs(each, run), _runs(each, run + reading, each.reading_ms)) for each in known)
    items = max(1, *runs)
    return Promise(
        known[0].lease,
        items,
        run,
        min(each.allowance_ms for each in known),
        min(each.cap_ms for each in known),
        reading,
        trace_bytes=max(each.trace_bytes for each in known),
        value_bytes=max(_for_each(each.value_bytes, each, items) for each in known),
        again_ms=max(_for_each(each.again_ms + each.reading_ms, each, items) for each in known),
        audited=any(each.audited for each in known),
    )


def _for_each(size: int, bid: Promise, items: int) -> int:
    """Return a size of which so many are as much as all of a bid's, and few no less than as few of its."""
    return max(size, -(-bid.items * size // items))


def _runs(bid: Promise, each_ms: int, reading_ms: int = 0) -> int:
    """Return how many runs of a length take as long as all of a bid's."""
    return -(-bid.items * (bid.run_ms + reading_ms) // max(each_ms, 1))
