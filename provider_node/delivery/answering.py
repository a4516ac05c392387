"""Answers what is demanded of our results: at every new height all that is open, most urgent first.

Nothing is remembered that has to be right: what is owed, and what is answered, is what the chain says. So
outages, restarts and re-organisations need no case of their own. A demand fixes the bytes of its answer and
the name that it is sent under: it is sent once, and again if a re-organisation took it back.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.calls import Due
from protocol.chain.client import Chain
from protocol.chain.delivery_reads import SeenDemand
from protocol.chain.errors import Revert
from protocol.chain.networks import Clock
from protocol.lease.provider_types import ProviderLease, Stage
from protocol.runtime.logs import about
from protocol.runtime.loop import Loop
from protocol.types import BlockNo, GavelError, Hash32, LeaseId, Verification, Wei
from provider_node.defence.desk import Desk
from provider_node.defence.waiting import Waiting
from provider_node.delivery.bench import Bench
from provider_node.holdings import Holdings
from provider_node.promises import answering_ms
from provider_node.sending import Sending
from provider_node.watcher import KIND as LEASE
from provider_node.watcher import Watcher

log = logging.getLogger(__name__)

_TRIES = 8
"""Into so many parts the time that is left is cut by tries, where an answer is refused: a re-organisation may
undo the reason."""


@dataclass
class Delivering:
    """Looks and answers while `run` runs. `seen`: the demands of leases that were held up, as last read."""

    chain: AsyncChain
    loop: Loop
    watcher: Watcher
    sending: Sending
    held: Holdings
    bench: Bench
    trouble: str = ""
    """Why some demand cannot be read or answered, or empty."""
    seen: dict[LeaseId, tuple[SeenDemand, ...]] = field(default_factory=dict)
    fees: Wei = Wei(0)  # noqa: RUF009 - a number
    repaid: Wei = Wei(0)  # noqa: RUF009
    done: set[Hash32] = field(default_factory=set)
    """Demands answered since the start."""
    desk: Desk = field(default_factory=Desk)
    _waiting: Waiting = field(default_factory=Waiting)
    _busy: set[Hash32] = field(default_factory=set)
    _again_at: dict[tuple[Hash32, int], int] = field(default_factory=dict)
    """By demand and its last reading: one that is hastened is tried at once."""
    _looked: object = None

    async def run(self) -> None:
        """Look whenever there is a new height, until cancelled."""
        await self.watcher.ready()
        async with trio.open_nursery() as nursery:
            while True:
                await self.look(nursery)
                await trio.sleep(self.watcher.poll_s)

    async def look(self, nursery: trio.Nursery) -> None:
        """Read every demand of every lease that is held up; begin to answer what is open."""
        height = self.watcher.height
        posted = dict(self._posted())
        self.seen = {lease: known for lease, known in self.seen.items() if lease in posted}
        owing = {lease for _, lease, _ in self.open_demands()}
        held = [lease for lease, state in posted.items() if state.chain.frozen or lease in owing]
        looking = (height, tuple(sorted(held)))
        if looking == self._looked:
            return
        trouble = ""
        for lease in held:
            try:
                self.seen[lease] = await self.chain.run(Chain.demands_of, lease, self._since(posted[lease]))
            except GavelError as error:  # the other leases' clocks run all the same
                trouble = str(error)
        for until, lease, demand in sorted(self._open(held), key=lambda each: each[0]):
            if until >= height >= self._again_at.get((demand.demand, until), 0):
                self._busy.add(demand.demand)
                nursery.start_soon(self._answer, lease, posted[lease], demand)
        self._looked = None if trouble else looking
        if trouble:
            self._say(trouble)
        elif not held:
            self.trouble = ""

    def open_demands(self) -> list[tuple[int, LeaseId, SeenDemand]]:
        """Return what the provider owes, with the last reading for each."""
        return sorted(
            (
                (each.now.until, lease, each)
                for lease, known in self.seen.items()
                for each in known
                if each.now.status.open
            ),
            key=lambda owed: owed[0],
        )

    def _open(self, held: list[LeaseId]) -> Iterator[tuple[int, LeaseId, SeenDemand]]:
        for owed in self.open_demands():
            if owed[1] in held and owed[2].demand not in self._busy:
                yield owed

    def _posted(self) -> Iterator[tuple[LeaseId, ProviderLease]]:
        for id, state in self.loop.states(LEASE).items():
            if state.bid.verification == Verification.TAPE and state.chain.stage == Stage.POSTED:
                yield LeaseId(id), state

    def _since(self, state: ProviderLease) -> BlockNo | None:
        by_block = self.chain.blocking.network.clock is Clock.BLOCK
        return state.chain.posted_at if by_block else None

    async def _answer(self, lease: LeaseId, state: ProviderLease, demand: SeenDemand) -> None:
        name = demand.demand
        with about(lease=lease.hex(), demand=name.hex()):
            try:
                await self._send(state, demand)
                self.trouble = ""
            except Revert as error:
                # Answered by an earlier life, or the lease is sentenced: the chain will say.
                left = demand.now.until - self.watcher.height
                self._again_at[name, demand.now.until] = self.watcher.height + max(left // _TRIES, 1)
                log.warning("an answer was refused: %s", error)
            except GavelError as error:
                self._looked = None
                self._say(str(error))
            finally:
                self._busy.discard(name)

    async def _send(self, state: ProviderLease, demand: SeenDemand) -> None:
        wanted, delivery = demand.wanted, self.chain.blocking.delivery
        async with self.desk.turn(demand.now.until, state.bid.lease_id()):
            if state.result is None:
                raise GavelError("the journal does not know the lease's outputs")
            path = await self.held.outputs(state.bid.lease_id(), state)
            with self._waiting.within(demand.demand, answering_ms(state) / 1_000):
                noted = self.held.noted(state.bid.lease_id())
                data = await self.bench.answer(str(path), demand, str(noted))
        left = demand.now.until - self.watcher.height
        log.info("answering a demand for %d bytes, %d blocks left", wanted.size, left)
        terms = await self.chain.run(lambda chain: chain.delivery_terms)
        worth = await self.chain.run(lambda chain: chain.worth(state.bid.token, state.bid.bond))
        until = demand.now.until
        call = delivery.deliver(state.bid, wanted.kind, data).by(
            Due.between(until - terms.demand_clock, until, worth)
        )
        receipt = await self.sending.send(call, f"deliver {demand.demand.hex()}")
        (now,) = await self.chain.run(Chain.demands_now, [demand.demand])
        self.done.add(demand.demand)
        self.fees = Wei(self.fees + receipt.fee)
        self.repaid = Wei(self.repaid + max(demand.now.bond - now.bond, 0))

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.warning("demands: %s", trouble)
        self.trouble = trouble
