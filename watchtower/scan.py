"""Rebuilds from the chain which results are open; keeps nothing that the chain does not hold."""

from protocol.chain.client import Chain
from protocol.chain.events import LeaseOpened
from protocol.chain.logs import Follower
from protocol.chain.views import LeaseState
from protocol.messages import Bid
from protocol.types import BlockNo, LeaseId
from watchtower.judge import PostedResult


class Scan:
    """Follows the leases of one deployment. Blocking; one thread uses it."""

    def __init__(self, chain: Chain) -> None:
        self._follower = Follower.from_now(chain)
        self.rollbacks = 0
        """How many re-organisations were seen."""
        self._live: dict[LeaseId, Bid] = {each.lease: each.bid for each in chain.leases_of()}

    def poll(self, chain: Chain) -> tuple[BlockNo, tuple[PostedResult, ...]]:
        """Return the clock and every result that is posted and not final. `TransientError` without a node."""
        while (batch := self._follower.poll()) is not None:
            if batch.rolled_back_to is not None:
                self.rollbacks += 1
                self._live = {each.lease: each.bid for each in chain.leases_of()}
            for event in batch.events:
                if isinstance(event, LeaseOpened):
                    self._live[event.lease] = event.bid
        height = chain.clock()
        leases = tuple(self._live)
        results = []
        for lease, view in zip(leases, chain.leases(leases), strict=True):
            if not view.state.live:
                del self._live[lease]
            elif view.state is LeaseState.POSTED:
                bid = self._live[lease]
                end = BlockNo(view.last_beat + bid.challenge_window)
                results.append(PostedResult(lease, bid, view.output_root, end, view.freezes > 0))
        return height, tuple(results)
