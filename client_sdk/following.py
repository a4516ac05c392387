"""Keeps every open lease of a session in step with the chain, and asks its provider for signs of life."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import trio

from client_sdk.bidders import Bidders
from client_sdk.job_run import JobRun, lease_over
from client_sdk.progress import Kind
from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.views import LeaseState, LeaseView
from protocol.lease.client_types import ClientLease, Phase
from protocol.messages import Domain, Heartbeat, open_signed
from protocol.net import Node, protocol_id
from protocol.runtime.waiting import WAITS, waiting_for
from protocol.types import BlockNo, InputError, LeaseId, TransientError, parse_address

log = logging.getLogger(__name__)

BEAT_S = 1.0
_LOOK_S = 0.25
SILENT_S = 5.0
"""After this long without a sign of life the user is told."""
_ASK_S = 3.0
_WAIT_S = 2.5
"""After this long without an answer of a node the user is told; the call itself waits longer."""
_ALIVE = (Phase.OPENED, Phase.RUNNING, Phase.CLOSING)


@dataclass
class Follower:
    """Polls the contract's state, not its events: after any gap the next poll says all."""

    chain: AsyncChain
    node: Node
    domain: Domain
    bidders: Bidders
    runs: Callable[[], Iterable[JobRun]]
    _endings: dict[LeaseId, tuple[LeaseState, BlockNo]] = field(default_factory=dict)
    _down: bool = False

    async def follow(self) -> None:
        """Poll until cancelled."""
        pause = min(0.5, self.chain.blocking.network.seconds_per_block / 2)
        while True:
            try:
                await self._poll()
                self._down = False
            except TransientError as error:
                self._trouble(f"the chain does not answer: {error}")
            await trio.sleep(pause)

    def _trouble(self, text: str) -> None:
        if not self._down:
            self._tell(text)
        self._down = True

    async def tell_of_waits(self) -> None:
        """Say when a node keeps the jobs waiting, until cancelled."""
        while True:
            await trio.sleep(_LOOK_S)
            for what in WAITS.overdue(_WAIT_S) if self._living() else ():
                self._tell(waiting_for(what, _WAIT_S))

    def _tell(self, text: str) -> None:
        log.warning("%s", text)
        for run in self._living():
            run.tell(Kind.TROUBLE, text, run.cost_now())

    def _living(self) -> list[JobRun]:
        states = ((run, run.lease_state()) for run in self.runs())
        return [run for run, state in states if state is not None and not lease_over(state)]

    async def _poll(self) -> None:
        live: dict[LeaseId, list[JobRun]] = {}
        for run in self._living():
            live.setdefault(run.record.terms.lease_id(), []).append(run)
        if not live:
            return
        height = await self.chain.run(Chain.clock)
        block = await self.chain.run(Chain.block_number)
        views = await self.chain.run(Chain.leases, tuple(live))
        for lease_id, view in zip(live, views, strict=True):
            if not self._settled(lease_id, view, block):
                continue
            for run in live[lease_id]:
                await run.saw(height, view)

    def _settled(self, lease_id: LeaseId, view: LeaseView, block: BlockNo) -> bool:
        """Tell whether the view may be taken: an end counts only once it has its confirmations."""
        if view.state.live or view.state == LeaseState.NONE:
            self._endings.pop(lease_id, None)
            return True
        known = self._endings.get(lease_id)
        # Later than now: a number that was made up must not hold it back for as many blocks.
        if known is None or known[0] != view.state or known[1] > block:
            self._endings[lease_id] = known = (view.state, block)
        return block - known[1] >= self.chain.blocking.network.confirmations - 1

    async def listen(self, run: JobRun) -> None:
        """Ask the provider of a job for its heartbeat about every second, until the lease is over."""
        protocol = protocol_id(self.domain.chain_id, self.domain.escrow, "heartbeat")
        heard, told = trio.current_time(), False
        self.bidders.answered(parse_address(run.record.operator))  # its quote came from there
        while (state := run.lease_state()) is None or not lease_over(state):
            await trio.sleep(BEAT_S)
            if state is None or state.phase not in _ALIVE:
                heard, told = trio.current_time(), False
                continue
            if not self.node.is_connected(parse_address(run.record.operator)):
                await self.bidders.meet(parse_address(run.record.operator), state.bid.owner)
            if await self._beat(run, state, protocol):
                if told:
                    run.tell(Kind.STATE, "the provider answers again", run.cost_now())
                heard, told = trio.current_time(), False
            elif not told and trio.current_time() - heard > SILENT_S:
                run.tell(Kind.TROUBLE, f"no sign of life for {SILENT_S:g} s", run.cost_now())
                told = True

    async def _beat(self, run: JobRun, state: ClientLease, protocol: str) -> bool:
        operator = parse_address(run.record.operator)
        try:
            if not self.node.is_connected(operator):
                await self.bidders.seek(self.node, operator)
            data = await self.node.request(operator, protocol, state.bid.lease_id(), timeout_s=_ASK_S)
            if not data:
                return False
            signed = open_signed(data, Heartbeat, self.domain)
        except TransientError as error:
            log.debug("no heartbeat: %s", error)
            await self.bidders.seek(self.node, operator)
            return False
        except InputError as error:
            log.debug("no heartbeat: %s", error)
            return False
        beat = signed.message
        if signed.signer != operator or beat.lease != state.bid.lease_id():
            return False
        self.bidders.answered(operator)
        run.progressed(min(beat.items_done, beat.items_total), beat.items_total)
        return True
