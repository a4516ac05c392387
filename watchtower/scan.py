"""Rebuilds from the chain which results are open; keeps nothing that the chain does not hold.

What the newest block says may be undone, or come from a node that lags: nothing is forgotten before its end
is confirmed.
"""

from protocol.chain.client import Chain
from protocol.chain.events import LeaseOpened, topic_of
from protocol.chain.logs import Follower
from protocol.chain.marks import LAG
from protocol.chain.node import BlockHead
from protocol.chain.rpc import RpcRefused
from protocol.chain.views import LeaseState
from protocol.messages import Bid
from protocol.types import BlockNo, LeaseId
from watchtower.judge import PostedResult


class Scan:
    """Follows the leases of one deployment. Blocking; one thread uses it."""

    def __init__(self, chain: Chain) -> None:
        self._follower = Follower.from_now(chain, (topic_of(chain.escrow.abi, "LeaseOpened"),))
        self.rollbacks = 0
        """How many re-organisations were seen, however shallow."""
        self._head: BlockHead | None = None
        self._live: dict[LeaseId, Bid] = {each.lease: each.bid for each in chain.leases_of()}

    def poll(self, chain: Chain) -> tuple[BlockNo, tuple[PostedResult, ...]]:
        """Return the clock and every result that is posted and not final. `TransientError` without a node."""
        self._watch_head(chain)
        while (batch := self._follower.poll()) is not None:
            if batch.rolled_back_to is not None:
                self.rollbacks += 1
                self._live |= {each.lease: each.bid for each in chain.leases_of()}
            for event in batch.events:
                if isinstance(event, LeaseOpened):
                    self._live[event.lease] = event.bid
        height = chain.clock()
        leases = tuple(self._live)
        results, ended = [], []
        for lease, view in zip(leases, chain.leases(leases), strict=True):
            if not view.state.live:
                ended.append(lease)
            elif view.state is LeaseState.POSTED:
                bid = self._live[lease]
                end = BlockNo(view.last_beat + bid.challenge_window)
                results.append(PostedResult(lease, bid, view.output_root, end, view.freezes > 0))
        self._forget(chain, ended)
        return height, tuple(results)

    def is_following(self, lease: LeaseId) -> bool:
        """Whether a lease is not forgotten."""
        return lease in self._live

    def _watch_head(self, chain: Chain) -> None:
        """Notice a re-org of blocks that are not confirmed yet: the follower has none of them."""
        head, seen = chain.node.head(), self._head
        if seen is not None and head != seen:
            same = chain.node.head(seen.number)
            if same is None and head is not None and seen.number <= head.number + LAG:
                return  # a node that lags, or a shorter fork that will grow
            if same is None or same.hash != seen.hash:
                self.rollbacks += 1
        self._head = head

    def _forget(self, chain: Chain, ended: list[LeaseId]) -> None:
        """Drop the leases whose end is confirmed."""
        confirmed = chain.scanner.confirmed_head()
        if not ended or confirmed < chain.deployment.block:
            return
        try:
            views = chain.leases(ended, confirmed)
        except RpcRefused:
            return  # the node has that block's state no more: what stays costs a line of the next look
        for lease, view in zip(ended, views, strict=True):
            if view.state is not LeaseState.NONE and not view.state.live:
                del self._live[lease]
