"""The room in the store that is promised already: what leases still have to fetch, and what bids may add.

Pure. A lease whose artifacts find no room is closed before it is started, and the show-up sum is burnt.
"""

from collections.abc import Callable, Mapping

from protocol.auction.bidding import stored_bytes
from protocol.lease.provider_types import Phase, ProviderLease
from protocol.types import LeaseId

_NOTHING_TO_COME = frozenset(
    {
        Phase.BID,
        Phase.ABORTING,
        Phase.FAILING,
        Phase.LAPSED,
        Phase.SETTLED,
        Phase.CLOSED,
        Phase.CONVICTED,
    }
)
"""Phases in which nothing is fetched for a lease, now or later."""


def promised_bytes(
    leases: Mapping[LeaseId, ProviderLease], held: Callable[[LeaseId], int], nonce: int
) -> int:
    """Return the bytes that may still come, were a bid with this capacity nonce opened as well.

    `held`: what the store holds for a lease. Of the bids of one nonce only one can be opened: each nonce
    counts with its largest, and those that exclude the new bid do not count.
    """
    largest: dict[int, int] = {}
    for each in leases.values():
        bid = each.bid.capacity_nonce
        if each.phase == Phase.BID and bid != nonce:
            largest[bid] = max(largest.get(bid, 0), stored_bytes(each.offer))
    return sum(largest.values()) + coming_bytes(leases, held)


def coming_bytes(leases: Mapping[LeaseId, ProviderLease], held: Callable[[LeaseId], int]) -> int:
    """Return the bytes that leases that were opened still have to fetch. `held` as above."""
    living = ((id, each) for id, each in leases.items() if each.phase not in _NOTHING_TO_COME)
    return sum(max(_whole(each) - held(id), 0) for id, each in living)


def _whole(state: ProviderLease) -> int:
    """Return the bytes of all that a lease holds once it is fetched; what was damaged is fetched again."""
    if state.spec is None:
        return stored_bytes(state.offer)
    outputs = 0 if state.result is None else state.result.output_bytes
    return len(state.spec.encode()) + state.spec.program_bytes + state.spec.input_bytes + outputs
