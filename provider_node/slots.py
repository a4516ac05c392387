"""The slots of a running daemon: their nonces, in the journal before a bid uses them and unspent on chain.

Nonces are spent behind our back: the owner cancels them from another machine, or a lease is opened that the
journal has lost. And bids that were made for more slots than there are now could all be opened. Both show in
the contract's own record, which is read whole at each height that a bid is made at.
"""

import logging
from dataclasses import dataclass, field
from functools import partial

import trio

from protocol.auction.bidding import Slot
from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.views import LeaseState
from protocol.lease.common_types import NOT_YET
from protocol.lease.provider_types import Phase, ProviderLease
from protocol.runtime.loop import Loop
from protocol.store.journal import Journal
from protocol.types import Address, BlockNo, InputError, LeaseId
from provider_node.capacity import UNSPENT, Capacity
from provider_node.patience import patiently
from provider_node.sending import Sending
from provider_node.watcher import KIND

log = logging.getLogger(__name__)


def capacity_note(escrow: Address) -> str:
    """Return the name under which the journal keeps the slots' nonces, which each Escrow counts by itself."""
    return f"provider.capacity.{escrow.hex()}"


@dataclass
class Slots:
    """Hands out what can be bid for. `count` is the configured number; `settle` comes first."""

    chain: AsyncChain
    loop: Loop
    journal: Journal
    sending: Sending
    owner: Address
    count: int
    capacity: Capacity = field(default_factory=lambda: Capacity((), 0))
    _spent: frozenset[int] = frozenset()
    _read_at: BlockNo = NOT_YET

    async def settle(self) -> None:
        """Take up the journaled nonces, as many as there are slots, and cancel what is open beyond them."""
        recall = partial(trio.to_thread.run_sync, self.journal.recall, self._note)
        noted = await patiently(recall, "the journal")
        if noted is None:
            first = await patiently(partial(self.chain.run, Chain.unused_nonce, self.owner))
            await self._keep_patiently(Capacity.fresh(self.count, first))
            return
        await self._keep_patiently(Capacity.decode(noted).resized(self.count, self._leases().values()))
        await patiently(self._read)
        exposed = sorted(self._exposed())
        if not exposed:
            return
        log.warning("cancelling nonces %s: their bids are open, and there are fewer slots now", exposed)
        try:
            call = self.chain.blocking.escrow.cancel_nonces(self.owner, exposed)
            await patiently(partial(self.sending.send, call))
            await patiently(self._read)
        except InputError as error:
            log.warning("they stay open, so less is bid for until they expire: %s", error)

    async def free(self, height: BlockNo) -> tuple[Slot, ...]:
        """Return the slots that a bid can be made for. `TransientError` while the chain cannot be read."""
        if height != self._read_at:
            await self._read()
            self._read_at = height
        leases = self._leases()
        gone = await self._gone(leases)
        if gone:
            log.warning("nonces %s were spent elsewhere: bidding with others", sorted(gone))
        renewed = self.capacity.renewed(leases.values(), gone)
        if renewed != self.capacity:
            await self._keep(renewed)
        return self.capacity.free(leases.values(), len(self._exposed()))

    async def _gone(self, leases: dict[LeaseId, ProviderLease]) -> set[int]:
        """Return the nonces that are spent, but not by a lease that we have, or are about to be told of."""
        known = {e.bid.capacity_nonce for e in leases.values() if e.phase not in UNSPENT}
        gone = set(self._spent & set(self.capacity.nonces)) - known
        bids = [id for id, each in leases.items() if each.bid.capacity_nonce in gone]
        views = await self.chain.run(Chain.leases, bids) if bids else ()
        opened = (id for id, view in zip(bids, views, strict=True) if view.state is not LeaseState.NONE)
        return gone - {leases[id].bid.capacity_nonce for id in opened}

    def _exposed(self) -> set[int]:
        """Return nonces beyond the slots whose bids can still be opened."""
        bids = {e.bid.capacity_nonce for e in self._leases().values() if e.phase == Phase.BID}
        return bids - set(self.capacity.nonces) - self._spent

    async def _read(self) -> None:
        bids = (e.bid.capacity_nonce for e in self._leases().values() if e.phase == Phase.BID)
        asked = frozenset((*self.capacity.nonces, *bids))
        self._spent = await self.chain.run(Chain.nonces_used, self.owner, asked)

    async def _keep_patiently(self, capacity: Capacity) -> None:
        await patiently(partial(self._keep, capacity), "the journal")

    async def _keep(self, capacity: Capacity) -> None:
        """On disk before a bid uses it."""
        await trio.to_thread.run_sync(self.journal.remember, self._note, capacity.encode())
        self.capacity = capacity

    @property
    def _note(self) -> str:
        return capacity_note(self.chain.blocking.deployment.escrow)

    def _leases(self) -> dict[LeaseId, ProviderLease]:
        return {LeaseId(id): state for id, state in self.loop.states(KIND).items()}
