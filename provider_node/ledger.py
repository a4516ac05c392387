"""The transactions of leases. Each is done when its result stands on chain, whoever caused it."""

import logging
from collections.abc import Callable, Sequence

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.chain.views import LeaseState
from protocol.lease.provider_types import (
    CloseLease,
    Finalize,
    PostResult,
    ProviderLease,
    SendHeartbeat,
    SendStart,
    Withdraw,
)
from protocol.messages import Bid
from protocol.runtime.loop import Loop
from protocol.runtime.performer import Context
from protocol.types import LeaseId
from provider_node.batch import Batcher
from provider_node.jobs import Jobs
from provider_node.sending import Sending
from provider_node.watcher import Watcher

log = logging.getLogger(__name__)

_OPENED = LeaseState.OPENED


class Ledger:
    """Handlers of the effects that send transactions, while `run` runs."""

    def __init__(self, chain: AsyncChain, loop: Loop, watcher: Watcher, jobs: Jobs, sending: Sending) -> None:
        self._chain, self._loop, self._watcher, self._jobs = chain, loop, watcher, jobs
        self._sending = sending
        self._escrow = chain.blocking.escrow
        self._beats: Batcher[Bid] = Batcher(self._beat)
        self._withdrawals: Batcher[Bid] = Batcher(self._withdraw)

    async def run(self) -> None:
        """Send batches until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._beats.run)
            nursery.start_soon(self._withdrawals.run)

    async def start(self, _: SendStart, context: Context) -> None:
        """Perform `SendStart`."""
        bid = self._bid(context)
        await self._until(context, self._escrow.start(bid), _OPENED, lambda state: state > _OPENED)

    async def post(self, effect: PostResult, context: Context) -> None:
        """Perform `PostResult`."""
        bid = self._bid(context)
        call = self._escrow.post_result(bid.owner, bid.struct_hash(), effect.output_root)
        await self._until(context, call, LeaseState.RUNNING, lambda state: state > LeaseState.CLOSING)

    async def finalize(self, _: Finalize, context: Context) -> None:
        """Perform `Finalize`."""
        bid = self._bid(context)
        await self._until(context, self._escrow.finalize(bid), LeaseState.POSTED, _is_over)

    async def close(self, _: CloseLease, context: Context) -> None:
        """Perform `CloseLease`: past the deadline `expire`, before it a close as the provider."""
        state: ProviderLease = self._loop.state(context.machine)
        self._jobs.forget(LeaseId(context.machine.id))
        view = await self._chain.run(Chain.lease, LeaseId(context.machine.id))
        deadline = view.opened_at + state.bid.start_deadline if view.state is _OPENED else view.deadline
        late = self._watcher.height > deadline
        call = self._escrow.expire(state.bid) if late else self._escrow.close_by_provider(state.bid)
        log.warning("closing the lease: %s", state.reason)
        await self._until(context, call, _OPENED, _is_over)

    async def beat(self, _: SendHeartbeat, context: Context) -> None:
        """Perform `SendHeartbeat`, together with the other leases whose beat is due."""
        await self._beats.add(self._bid(context))

    async def withdraw(self, _: Withdraw, context: Context) -> None:
        """Perform `Withdraw`, together with others."""
        await self._withdrawals.add(self._bid(context))

    async def _until(
        self, context: Context, call: Call, since: LeaseState, holds: Callable[[LeaseState], bool]
    ) -> None:
        """Send `call` unless its result is there, also if somebody else was quicker and ours reverts.

        `since` is where the lease stood when this was wanted.
        """

        async def stands() -> bool:
            return holds((await self._chain.run(Chain.lease, LeaseId(context.machine.id))).since(since))

        if await stands():
            return
        log.info("sending %s", call.what)
        try:
            await self._sending.send(call, context.effect_id.hex())
        except Revert:
            if not await stands():
                raise
            log.info("%s was done by somebody else", call.what)

    async def _beat(self, bids: Sequence[Bid]) -> None:
        call = self._escrow.beat(bids[0].owner, [bid.struct_hash() for bid in bids])
        await self._sending.send(call)

    async def _withdraw(self, bids: Sequence[Bid]) -> None:
        for token in {bid.token for bid in bids}:
            call = self._escrow.withdraw([bid for bid in bids if bid.token == token])
            await self._sending.send(call)

    def _bid(self, context: Context) -> Bid:
        state: ProviderLease = self._loop.state(context.machine)
        return state.bid


def _is_over(state: LeaseState) -> bool:
    return not state.live
