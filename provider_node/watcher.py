"""Tells lease machines what the chain says: the whole word of the contract, at every new height.

There is no cursor and nothing to catch up: each look reads all living leases, openings of open bids included.
So outages, restarts and re-organisations need no case of their own.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.lease.common_types import NOT_YET
from protocol.lease.provider import ENDED, wake
from protocol.lease.provider_types import ChainLease, ProviderLease, SawLease, Stage
from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.runtime.retry import backoff
from protocol.types import BlockNo, LeaseId, TransientError
from provider_node.views import chain_lease

log = logging.getLogger(__name__)

KIND = "lease"
"""Kind of the machines; log lines of their effects carry it with the lease id."""
_LAG = 8
"""Clock units by which a node may seem to go back before we believe that the chain did."""


@dataclass
class Watcher:
    """Reads the chain while `run` runs. `height` is the Escrow's clock, 0 until the first look."""

    chain: AsyncChain
    loop: Loop
    confirmations: int
    poll_s: float
    on_height: list[Callable[[BlockNo], object]] = field(default_factory=list)
    """Called at each new height, before leases are read."""
    height: BlockNo = NOT_YET
    trouble: str = "not asked yet"
    """Why the chain cannot be read, or empty."""
    _nudged: trio.Event = field(default_factory=trio.Event)
    _ended: dict[LeaseId, tuple[ChainLease, BlockNo]] = field(default_factory=dict)
    _read: frozenset[LeaseId] = frozenset()

    def nudge(self) -> None:
        """Look again at once: something was sent."""
        self._nudged.set()

    async def ready(self) -> None:
        """Wait for the first height."""
        while not self.height:
            await trio.sleep(0.05)

    async def run(self) -> None:
        """Look at every new height until cancelled; while no node answers, try ever more rarely."""
        failures = 0
        while True:
            try:
                await self.look()
                if failures:
                    log.info("the chain can be read again, at %d", self.height)
                failures, still = 0, self.chain.blocking.standstill
                if still and not self.trouble:
                    log.warning("the chain does not move: %s", still)
                self.trouble = still
            except (TransientError, Revert) as error:  # a view that "reverts" is a node's word
                if not failures:
                    log.warning("the chain cannot be read: %s", error)
                failures, self.trouble = failures + 1, str(error)
            pause = backoff(failures, self.poll_s, 15.0) if failures else self.poll_s
            with trio.move_on_after(pause):
                await self._nudged.wait()
            self._nudged = trio.Event()

    async def look(self) -> None:
        """Read the clock and every living lease; give machines what is news to them or due."""
        height = await self.chain.run(Chain.clock)
        if height < self.height <= height + _LAG:
            return  # another node that lags, or a fork that will grow: both pass
        living = {
            LeaseId(id): state for id, state in self.loop.states(KIND).items() if state.phase not in ENDED
        }
        moved, self.height = height != self.height, height
        if moved:
            for call in self.on_height:
                call(height)
        leases = list(living)
        views = await self.chain.run(Chain.leases, leases) if leases else ()
        async with trio.open_nursery() as nursery:
            for lease, view in zip(leases, views, strict=True):
                seen = self._confirmed(lease, chain_lease(living[lease].bid, view), living[lease])
                # Stepped meanwhile: what it wants to know by when has changed with it.
                state = self.loop.state(MachineId(KIND, lease))
                if seen is not None and _news(state, seen, height):
                    nursery.start_soon(self._give, lease, SawLease(height, seen))
        self._ended = {lease: known for lease, known in self._ended.items() if lease in living}

    async def _give(self, lease: LeaseId, seen: SawLease) -> None:
        await self.loop.give(MachineId(KIND, lease), seen)

    def _confirmed(self, lease: LeaseId, seen: ChainLease, state: ProviderLease) -> ChainLease | None:
        """Hold an end back until it has its confirmations: no machine ever leaves an end."""
        if seen.stage < Stage.SETTLED:
            self._ended.pop(lease, None)
            return _keep_heights(seen, state.chain)
        # The lower of both: a height that was made up must not hold it back for as many blocks.
        since = min(self._ended.get(lease, (seen, self.height))[1], self.height)
        self._ended[lease] = (seen, since)
        return _keep_heights(seen, state.chain) if self.height - since >= self.confirmations - 1 else None


def _keep_heights(seen: ChainLease, before: ChainLease) -> ChainLease:
    """Keep heights that the contract forgets once they are over."""
    if seen.stage == Stage.ABSENT:
        return seen
    return replace(
        seen,
        start_by=seen.start_by or before.start_by,
        started_at=seen.started_at or before.started_at,
        result_by=seen.result_by or before.result_by,
    )


def _news(state: ProviderLease | None, seen: ChainLease, height: BlockNo) -> bool:
    if state is None or state.phase in ENDED:
        return False
    due = wake(state)
    return seen != state.chain or (due is not None and due <= height)
