"""Outputs by way of the chain: demanded once nobody serves them, and followed until every bond is back."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

from client_sdk.results import Results, Wanted
from client_sdk.sending import Purse
from protocol.chain.client import Chain
from protocol.dispute.delivery import posted_roots
from protocol.games.demanding import Demander, DemandTurn, demand_terms, holds, item_file
from protocol.games.pace import rest
from protocol.lease.client_types import DidFetch, Outputs
from protocol.messages import Bid
from protocol.net import Patience, Progress, TooSlowError, patiently
from protocol.runtime.retry import backoff
from protocol.types import ArtifactId, BidFlags, Hash32, InputError, TransientError, Verification, Wei

log = logging.getLogger(__name__)

DEMAND_BUDGET = Wei(10**17)
"""Most that demanding a job's outputs may cost if nobody says otherwise: 0.1 coin of the chain."""
_PARTS = 8
"""Into so many parts the window is cut by the longest time for which the network alone is asked."""
_LEAST_S, _LONGEST_S = 5.0, 120.0
"""For so long at least, and at most if nothing comes."""
_LEAST_RATE = 64 << 10
"""What comes at so many bytes a second is waited for longer."""
_IDLE_S = 120.0


def budget_of(given: Wei | None, bid: Bid) -> Wei:
    """Return what may be spent on a lease's demands.

    An answer is public for ever: a private job's outputs are demanded only if the user names a budget.
    """
    if given is not None:
        return given
    return Wei(0) if bid.flags & BidFlags.PRIVATE else DEMAND_BUDGET


@dataclass
class Delivery:
    """Demands one job's outputs while `run` runs. All it needs to go on after a restart is on the chain."""

    results: Results
    purse: Purse
    wanted: Callable[[], Wanted]
    tell: Callable[[str], None]
    given: Wei | None
    """Most that may be spent; None: nobody said."""
    patience_s: float | None = None
    """Seconds for which only the network is asked if nothing comes; None: a part of the window."""
    over: str = ""
    """Why nothing is demanded any more, without success."""
    found: ArtifactId | None = None
    """The outputs, once the chain has shown all of them."""
    _root: Hash32 | None = None
    _failing: float | None = None
    _ends: float | None = None
    """When what comes buys no more time, before anything is demanded."""
    _fetching: trio.CancelScope = field(default_factory=trio.CancelScope)
    _asked: trio.Event = field(default_factory=trio.Event)
    _idle: trio.Event = field(default_factory=trio.Event)
    _demander: Demander | None = None

    def available(self, bid: Bid) -> bool:
        """Whether outputs of a lease can be demanded at all."""
        has_judge = self.results.chain.blocking.deployment.delivery is not None
        return has_judge and bid.verification == Verification.TAPE and budget_of(self.given, bid) > 0

    def ask(self, root: Hash32) -> None:
        """Begin to demand, if that has not begun."""
        self._root = root
        self._asked.set()

    @contextmanager
    def patiently(self, *, demands: bool) -> Iterator[Progress]:
        """Give up the try to fetch in the body once patience is over, or the chain has shown all outputs.

        INVARIANT: a provider that serves, but slowly, is demanded from while most of the window is left.
        Without `demands` each try has its own patience: all that it leads to is that the user is told.
        """
        stall_s, now = self._patience_s(), trio.current_time()
        if self._ends is None or self._asked.is_set() or not demands:
            self._ends = now + max(self._window_s() / _PARTS, stall_s)
        patience = Patience(_LEAST_RATE, stall_s, self._ends)
        with trio.CancelScope() as self._fetching, patiently(patience, "the outputs") as progress:
            if self.found is not None:
                self._fetching.cancel()
            yield progress
        if self._fetching.cancelled_caught:
            raise TransientError("the outputs are taken from the chain")

    def shown(self, outputs: ArtifactId) -> None:
        """Note that the chain has shown all outputs: no peer is waited for any longer."""
        self.found = outputs
        self._fetching.cancel()

    async def instead(self, root: Hash32, error: Exception) -> DidFetch | None:
        """Return outputs that the chain has shown; else None, and after some patience they are demanded.

        What was served and is wrong is no reason for patience, and what came too slowly has had it: `error`
        says which of the three it was.
        """
        if self.found is not None:
            receipt = await self.results.receipt_of(self.found, root, self.wanted())
            return DidFetch(Outputs(self.found, receipt))
        now = trio.current_time()
        self._failing = self._failing if self._failing is not None else now
        patient = isinstance(error, TransientError) and not isinstance(error, TooSlowError)
        if not patient or now - self._failing >= self._patience_s():
            self.ask(root)
        return None

    def served(self) -> None:
        """Note that the outputs came over the network after all: no more is demanded."""
        self._failing = self._ends = None
        if self._demander is not None:
            self._demander.paused = "the outputs came over the network"

    async def idle(self) -> None:
        """Wait, for a while at most, until nothing of one's own is left in demands."""
        if self._asked.is_set():
            with trio.move_on_after(_IDLE_S):
                await self._idle.wait()

    async def run(self, root: Hash32) -> None:
        """Follow the demands to their end. `root`: what is posted, if that is known already."""
        bid = self.wanted().bid
        if not self.available(bid):
            return
        if await self._holds(bid):
            self.ask(root)
        await self._asked.wait()
        try:
            await self._follow(bid)
        except InputError as error:
            self.over = str(error)
            self.tell(f"the outputs cannot be demanded: {error}")
        finally:
            self._idle.set()

    async def _follow(self, bid: Bid) -> None:
        seen, failures = None, 0
        while not self.over:
            try:
                head = await self.results.chain.run(lambda chain: chain.node.head())
                if head != seen:
                    turn = await (await self._player(bid)).turn()
                    await self._take(turn)
                    if turn.over:
                        self.over = turn.over if self.found is None else ""
                        return
                    seen, failures = head, 0
            except TransientError as error:
                log.info("demands cannot be followed now: %s", error)
                failures += 1
            await trio.sleep(rest(self.results.chain.blocking.network, failures))

    async def _player(self, bid: Bid) -> Demander:
        if self._demander is None or self._demander.root != self._root:
            assert self._root is not None
            spec, store = self.wanted().spec, self.results.store
            program, inputs = str(store.path(spec.program)), str(store.path(spec.inputs))
            terms = await demand_terms(self.results.child, program, inputs)
            chain = self.results.chain
            self._demander = Demander(
                chain, bid, self._root, terms, self.purse, budget_of(self.given, bid), self.tell
            )
        return self._demander

    async def _take(self, turn: DemandTurn) -> None:
        if turn.known is None or self.found is not None or self._demander is None:
            return
        shape, root = self._demander.terms.shape, self._demander.root
        data = item_file(shape, turn.known)
        # There are results that no outputs hash to: with the roots that the chain has shown they can be
        # challenged all the same.
        roots = await self._put(posted_roots(shape, root, turn.known).to_bytes())
        self.results.write_evidence(roots, self.wanted())
        self.shown(await self._put(data))
        self.tell(f"the chain has shown all outputs, {len(data)} bytes")

    async def _put(self, data: bytes) -> ArtifactId:
        store = self.results.store
        artifact = await trio.to_thread.run_sync(store.put_bytes, data)
        store.pin(artifact, self.wanted().folder.id)
        return artifact

    async def _holds(self, bid: Bid) -> bool:
        for attempt in range(1 << 30):
            try:
                demands = await self.results.chain.run(Chain.demands_of, bid.lease_id())
                return holds(demands, self.purse.address)
            except TransientError as error:
                log.info("demands cannot be read now: %s", error)
                await trio.sleep(backoff(attempt))
        return False

    def _patience_s(self) -> float:
        if self.patience_s is not None:
            return self.patience_s
        return min(max(self._window_s() / _PARTS, _LEAST_S), _LONGEST_S)

    def _window_s(self) -> float:
        return self.results.chain.blocking.network.seconds(self.wanted().bid.challenge_window)
