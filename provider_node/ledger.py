"""The transactions of leases. Each is done when its result stands on chain, whoever caused it."""

import logging
from collections.abc import Callable, Sequence

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
from protocol.runtime.logs import about
from protocol.runtime.loop import Loop
from protocol.runtime.performer import Context
from protocol.types import LeaseId, to_hex
from provider_node.batch import Batcher
from provider_node.jobs import Jobs
from provider_node.watcher import Watcher

log = logging.getLogger(__name__)


class Ledger:
    """Handlers of the effects that send transactions; `run` serves those that are sent in batches."""

    def __init__(self, chain: AsyncChain, loop: Loop, watcher: Watcher, jobs: Jobs) -> None:
        self._chain, self._loop, self._watcher, self._jobs = chain, loop, watcher, jobs
        self._escrow = chain.blocking.escrow
        self.beats: Batcher[Bid] = Batcher(self._beat)
        self.withdrawals: Batcher[Bid] = Batcher(self._withdraw)
        self.sent: dict[str, int] = {}

    async def start(self, _: SendStart, context: Context) -> None:
        """Perform `SendStart`."""
        bid = self._bid(context)
        await self._until(context, self._escrow.start(bid), lambda state: state > LeaseState.OPENED)

    async def post(self, effect: PostResult, context: Context) -> None:
        """Perform `PostResult`."""
        bid = self._bid(context)
        call = self._escrow.post_result(bid.owner, bid.struct_hash(), effect.output_root)
        await self._until(context, call, lambda state: state not in (LeaseState.RUNNING, LeaseState.CLOSING))

    async def finalize(self, _: Finalize, context: Context) -> None:
        """Perform `Finalize`."""
        bid = self._bid(context)
        await self._until(context, self._escrow.finalize(bid), lambda state: not state.live)

    async def close(self, _: CloseLease, context: Context) -> None:
        """Perform `CloseLease`: past the deadline `expire`, before it a close as the provider."""
        state: ProviderLease = self._loop.state(context.machine)
        self._jobs.forget(LeaseId(context.machine.id))
        view = await self._chain.run(Chain.lease, LeaseId(context.machine.id))
        opened = view.state is LeaseState.OPENED
        deadline = view.opened_at + state.bid.start_deadline if opened else view.deadline
        late = self._watcher.height > deadline
        call = self._escrow.expire(state.bid) if late else self._escrow.close_by_provider(state.bid)
        log.warning("closing lease %s: %s", to_hex(context.machine.id)[:10], state.reason)
        await self._until(context, call, lambda found: not found.live)

    async def beat(self, _: SendHeartbeat, context: Context) -> None:
        """Perform `SendHeartbeat`, together with the other leases whose beat is due."""
        await self.beats.add(self._bid(context))

    async def withdraw(self, _: Withdraw, context: Context) -> None:
        """Perform `Withdraw`, together with others."""
        await self.withdrawals.add(self._bid(context))

    async def _until(self, context: Context, call: Call, holds: Callable[[LeaseState], bool]) -> None:
        """Send `call` unless its result is there, also if somebody else was quicker and ours reverts."""
        lease = LeaseId(context.machine.id)
        with about(lease=to_hex(lease)):
            if holds((await self._chain.run(Chain.lease, lease)).state):
                return
            try:
                receipt = await self._chain.send(call, context.effect_id.hex())
            except Revert:
                if not holds((await self._chain.run(Chain.lease, lease)).state):
                    raise
                log.info("%s was done by somebody else", call.what)
            else:
                self._count(call)
                log.info("%s is in block %d, fee %d wei", call.what, receipt.block, receipt.fee)
            self._watcher.nudge()

    async def _beat(self, bids: Sequence[Bid]) -> None:
        call = self._escrow.beat(bids[0].owner, [bid.struct_hash() for bid in bids])
        await self._chain.send(call)
        self._count(call)

    async def _withdraw(self, bids: Sequence[Bid]) -> None:
        for token in {bid.token for bid in bids}:
            call = self._escrow.withdraw([bid for bid in bids if bid.token == token])
            await self._chain.send(call)
            self._count(call)

    def _count(self, call: Call) -> None:
        self.sent[call.what] = self.sent.get(call.what, 0) + 1

    def _bid(self, context: Context) -> Bid:
        state: ProviderLease = self._loop.state(context.machine)
        return state.bid
