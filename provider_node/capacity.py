"""Slots and their nonces: how many jobs run at a time, and which bids exclude each other."""

from collections.abc import Iterable
from dataclasses import dataclass

from protocol.auction.bidding import Slot, next_slot
from protocol.lease.provider import WORKING
from protocol.lease.provider_types import Phase, ProviderLease
from protocol.types import Amount

UNSPENT = frozenset({Phase.BID, Phase.LAPSED})
"""Phases of a lease that was not opened: its nonce is as it was."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """The nonce of each slot, and the first that was never used. Pure; the daemon keeps it in the journal."""

    nonces: tuple[int, ...]
    next: int

    @classmethod
    def fresh(cls, slots: int, first: int) -> "Capacity":
        """Return the capacity of a provider whose nonces from `first` on are unused."""
        return cls(tuple(range(first, first + slots)), first + slots)

    def resized(self, slots: int, leases: Iterable[ProviderLease]) -> "Capacity":
        """Return the same with another number of slots; of fewer, those at work stay, then those bid for."""
        if slots <= len(self.nonces):
            rank: dict[int, int] = {}
            for each in leases:
                found = 2 if each.phase in WORKING else 1 if each.phase == Phase.BID else 0
                nonce = each.bid.capacity_nonce
                rank[nonce] = max(rank.get(nonce, 0), found)
            kept = sorted(self.nonces, key=lambda nonce: -rank.get(nonce, 0))[:slots]
            return Capacity(tuple(nonce for nonce in self.nonces if nonce in kept), self.next)
        more = slots - len(self.nonces)
        return Capacity((*self.nonces, *range(self.next, self.next + more)), self.next + more)

    def renewed(self, leases: Iterable[ProviderLease], gone: Iterable[int] = ()) -> "Capacity":
        """Return the same with a new nonce for every slot whose old one was spent and whose work is over.

        `gone` are nonces that were spent otherwise than by a lease.
        """
        spent, busy = set(gone), set()
        for lease in leases:
            if lease.phase in WORKING:
                busy.add(lease.bid.capacity_nonce)
            elif lease.phase not in UNSPENT:
                spent.add(lease.bid.capacity_nonce)
        nonces, following = [], self.next
        for nonce in self.nonces:
            if nonce in spent - busy:
                nonce, following = following, following + 1  # noqa: PLW2901 - the slot's new nonce
            nonces.append(nonce)
        return Capacity(tuple(nonces), following)

    def free(self, leases: Iterable[ProviderLease], exposed: int = 0) -> tuple[Slot, ...]:
        """Return the slots for which a bid can be made, with the number of bids that are open for each.

        `exposed` more may be taken any moment by bids of slots that are no more; leases of such slots at work
        take one each.
        """
        every = list(leases)
        busy = {each.bid.capacity_nonce for each in every if each.phase in WORKING}
        bids = [each.bid.capacity_nonce for each in every if each.phase == Phase.BID]
        free = [Slot(nonce, bids.count(nonce)) for nonce in self.nonces if nonce not in busy]
        return tuple(free[: max(len(self.nonces) - len(busy) - exposed, 0)])

    def encode(self) -> bytes:
        """Return the bytes that `decode` reads."""
        return ",".join(map(str, (self.next, *self.nonces))).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Capacity":
        """Return what `encode` wrote."""
        following, *nonces = map(int, data.split(b","))
        return cls(tuple(nonces), following)


def promised(slots: tuple[Slot, ...], leases: Iterable[ProviderLease], token: int) -> Amount:
    """Return the stake that open bids of other slots than the next one may still lock.

    Of the bids of one slot only one can be opened, so each slot counts with its largest bond.
    """
    if not slots:
        return Amount(0)
    chosen = next_slot(slots).nonce
    largest: dict[int, int] = {}
    for each in leases:
        bid = each.bid
        if each.phase == Phase.BID and bid.token == token and bid.capacity_nonce != chosen:
            largest[bid.capacity_nonce] = max(largest.get(bid.capacity_nonce, 0), bid.bond)
    return Amount(sum(largest.values()))
