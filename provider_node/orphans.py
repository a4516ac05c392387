"""Leases of this owner that the journal does not know: it was lost, or another daemon took the bids.

They cannot be served, as nobody here knows where their artifacts are. But the bond behind them is ours: once
a deadline or a window is over, they are ended.
"""

import logging
from dataclasses import dataclass, field

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.views import LeaseState, LeaseView, OpenedLease
from protocol.messages import Bid
from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.types import Address, BlockNo, InputError, LeaseId, TransientError, to_hex
from provider_node.sending import Sending
from provider_node.watcher import KIND, Watcher

log = logging.getLogger(__name__)

_EVERY_S = 10.0


@dataclass
class Orphans:
    """Looks for them now and then. `found` are those that still hold money, with their state."""

    chain: AsyncChain
    loop: Loop
    watcher: Watcher
    sending: Sending
    owner: Address
    found: dict[LeaseId, LeaseState] = field(default_factory=dict)

    async def run(self) -> None:
        """Serve until cancelled."""
        await self.watcher.ready()
        while True:
            try:
                await self.look()
            except TransientError as error:
                log.debug("cannot look for lost leases: %s", error)
            await trio.sleep(_EVERY_S)

    async def look(self) -> None:
        """Find them once, and end those whose time is over."""
        opened = await self.chain.run(Chain.leases_of, self.owner)
        unknown = [each for each in opened if self.loop.state(MachineId(KIND, each.lease)) is None]
        views = await self.chain.run(Chain.leases, [each.lease for each in unknown])
        living = {
            each.lease: (each, view) for each, view in zip(unknown, views, strict=True) if view.state.live
        }
        for lease, (each, view) in living.items():
            if lease not in self.found:
                log.warning("lease %s is not in the journal and cannot be served", to_hex(lease))
            await self._settle(each, view)
        self.found = {lease: view.state for lease, (_, view) in living.items()}

    async def _settle(self, opened: OpenedLease, view: LeaseView) -> None:
        call = self._ending(opened.bid, view, self.watcher.height)
        if call is None:
            return
        try:
            await self.sending.send(call, f"orphan {to_hex(opened.lease)} {view.state.name}")
            log.info("ended lease %s, which is not in the journal: %s", to_hex(opened.lease), call.what)
        except InputError as error:
            log.info("lease %s cannot be ended yet: %s", to_hex(opened.lease), error)

    def _ending(self, bid: Bid, view: LeaseView, height: BlockNo) -> Call | None:
        escrow = self.chain.blocking.escrow
        if view.state is LeaseState.OPENED:
            return escrow.expire(bid) if height > view.opened_at + bid.start_deadline else None
        if view.state in (LeaseState.RUNNING, LeaseState.CLOSING):
            return escrow.expire(bid) if height > view.deadline else None
        over = view.state is LeaseState.POSTED and height > view.last_beat + bid.challenge_window
        return escrow.finalize(bid) if over and not view.freezes else None
