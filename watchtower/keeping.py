"""Ends what holds followed leases though its time is over, whoever opened it, within a budget of gas.

A game whose player vanished keeps a result from becoming final, and a conviction that nobody settles keeps
a client from its money. Whoever plays has first call; then each watchtower waits a while of its own, so that
not all of them pay for the same call.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.fees import fee_now
from protocol.chain.networks import Network
from protocol.crypto import keccak256
from protocol.dispute.idle import IDLE_GAS
from protocol.games.keeping import Keeper
from protocol.runtime.logs import about
from protocol.runtime.metrics import Metrics
from protocol.types import BlockNo, Blocks, InputError, LeaseId, TransientError, to_hex
from watchtower.demanding import KeySends
from watchtower.judge import PostedResult, ResultId
from watchtower.spending import Spending

log = logging.getLogger(__name__)

_PATIENCE_S = 60
_SPREAD_S = 120
_EVERY_S = 120
_AT_ONCE = 4


def patience_of(network: Network, secret: bytes, lease: LeaseId) -> Blocks:
    """Return how long after a clock's end this watchtower leaves the call to others."""
    draw = int.from_bytes(keccak256(b"gavel patience" + secret + lease), "big")
    return Blocks(max(network.span(_PATIENCE_S), 3) + draw % max(network.span(_SPREAD_S), 8))


@dataclass
class Keeping:
    """Looks after held leases, each in a task of its own while it is looked at."""

    chain: AsyncChain
    secret: bytes
    gas: Spending
    nursery: trio.Nursery
    metrics: Metrics
    busy: set[LeaseId] = field(default_factory=set)
    """Leases that are being looked at."""
    _next: dict[LeaseId, int] = field(default_factory=dict)
    _told: set[tuple[LeaseId, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._ended = self.metrics.counter(
            "gavel_watchtower_ended_total", "Idle games and demands ended, and convictions settled."
        )
        self._at_once = trio.CapacityLimiter(_AT_ONCE)

    def look_after(self, height: BlockNo, held: Iterable[PostedResult], right: frozenset[ResultId]) -> None:
        """Look at each held lease whose time has come. `right`: the results found right."""
        held = list(held)
        leases = {each.lease for each in held} | self.busy
        self._next = {lease: at for lease, at in self._next.items() if lease in leases}
        self._told = {each for each in self._told if each[0] in leases}
        for result in held:
            lease = result.lease
            if lease not in self.busy and self._next.get(lease, 0) <= height:
                self.busy.add(lease)
                self.nursery.start_soon(self._look, result, result.id in right, height)

    async def _look(self, result: PostedResult, is_right: bool, height: BlockNo) -> None:
        lease, network = result.lease, self.chain.blocking.network
        keeper = Keeper(
            self.chain, result.bid, KeySends(self.chain), patience_of(network, self.secret, lease)
        )
        latest = height + network.span(_EVERY_S)
        again = None
        with about(lease=to_hex(lease)):
            try:
                async with self._at_once:
                    price = await self.chain.run(lambda chain: fee_now(chain.node, network.fees).max_fee)
                    left = await trio.to_thread.run_sync(self.gas.left)
                    most = left // max(1, IDLE_GAS * price)
                    found = await keeper.look(right=is_right, root=result.output_root, most=most)
                again = found.again_at
                if found.fees:
                    await trio.to_thread.run_sync(self.gas.add, found.fees)
                    self._ended.inc()
                self._tell(lease, found.said)
            except TransientError as error:
                log.info("cannot be looked at now: %s", error)
                again = height + 1
            except InputError as error:  # one lease's trouble is not the others'
                log.warning("cannot be looked at: %s", error)
        self._next[lease] = min(again or latest, latest)
        self.busy.discard(lease)

    def _tell(self, lease: LeaseId, said: Iterable[str]) -> None:
        for line in said:
            if (lease, line) not in self._told:
                self._told.add((lease, line))
                log.warning("%s", line)
