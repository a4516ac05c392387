"""The room in the store that a bid and a job's outputs may take: a slot's share, beside what is promised.

Pure. A lease whose artifacts find no room is closed before it is started, and the show-up sum is burnt. What
an offer has to transfer is a number that its client writes, and a bid for it costs nothing: were bids held to
the whole room alone, one of them could take it from all slots.
"""

from collections.abc import Callable, Mapping

from protocol.auction.bidding import stored_bytes
from protocol.lease.provider import WORKING
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


def bid_room(
    leases: Mapping[LeaseId, ProviderLease],
    held: Callable[[LeaseId], int],
    room: Callable[[], int],
    nonce: int,
    slots: int,
) -> int:
    """Return the bytes that the artifacts of a bid with this capacity nonce may take, of `slots` slots.

    `held`: what the store holds for a lease. `room`: what it could take in beside all that it holds. Shares
    are of that and of what leases at work hold: who has fetched its part leaves others theirs. What is
    promised counts whole: it was held to the shares of its own slots.
    """
    # First what is to come: what comes meanwhile counts twice, and not never.
    promised = promised_bytes(leases, held, nonce)
    at_work = sum(held(id) for id, each in leases.items() if each.phase in WORKING)
    left = room()
    return max(min((left + at_work) // slots, left - promised), 0)


def outputs_room(
    leases: Mapping[LeaseId, ProviderLease],
    held: Callable[[LeaseId], int],
    lease: LeaseId,
    left: int,
    share: int,
) -> int:
    """Return the bytes that the outputs of a lease that is not started yet may take.

    INVARIANT: a lease takes one slot's `share` of the store at most, in all, and of what is `left` nothing
    that leases which were opened have still to fetch. Bids are not counted: they cost nothing, and were held
    to shares as well. `held` as above; `left`: the store's room, without what is kept for these outputs.
    """
    others = {id: each for id, each in leases.items() if id != lease}
    return max(min(share - held(lease), left - coming_bytes(others, held)), 0)


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
