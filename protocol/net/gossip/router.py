"""The gossipsub router, tuned by measurement."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from typing import Any

import trio
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2

from protocol.net.settings import GossipSettings
from protocol.net.workarounds.records import reuse_own_record

# Not 1.2: there, each message is announced to every neighbour with a frame of its own (IDONTWANT), which
# pays for large messages and doubles the cost of small ones.
PROTOCOLS = [TProtocol("/meshsub/1.1.0")]


logger = logging.getLogger(__name__)


class GuardedRouter(GossipSub):
    """A router that follows nobody's introductions and survives its own heartbeat."""

    async def _do_px(self, px_peers: list[rpc_pb2.PeerInfo]) -> None:
        # Stock, whoever sends a PRUNE makes this node dial any address that he names.
        logger.debug("peer exchange of %d peers ignored", len(px_peers))

    async def heartbeat(self) -> None:
        """Keep the mesh. Stock, an error in one round ends the whole host."""
        while True:
            try:
                await super().heartbeat()
            except Exception as error:
                logger.error("a round of the gossip heartbeat failed", exc_info=error)
            await trio.sleep(self.heartbeat_interval)

    def mesh_heartbeat(self) -> tuple[defaultdict[ID, list[str]], defaultdict[ID, list[str]]]:
        """Say whom to graft and to prune, by topic."""
        self.drop_back_offs(int(time.time()))
        return super().mesh_heartbeat()

    def drop_back_offs(self, now: int) -> None:
        """Forget until when peers were not to be grafted, once that is over.

        Stock, that stays until the same peer is looked at again: for ever, of one that is gone.
        """
        for topic, peers in list(self.back_off.items()):
            self.back_off[topic] = kept = {peer: until for peer, until in peers.items() if until > now}
            if not kept:
                del self.back_off[topic]


def new_router(settings: GossipSettings) -> GossipSub:
    """Return a router with a thin mesh.

    A degree of 4 halves the copies that a stock mesh sends; the prune back-off of a minute would leave
    a node without a mesh at so low a degree, so it is short. The stock spam filter drops the eleventh
    message of a second in silence, even of our own: limits are ours (`GuardedPubsub`). The adaptive
    features change the degree under us and cost more per heartbeat than the mesh itself.
    """
    reuse_own_record()
    arguments: dict[str, Any] = {"heartbeat_interval": settings.heartbeat_s}
    return GuardedRouter(
        protocols=PROTOCOLS,
        degree=settings.degree,
        degree_low=settings.degree_low,
        degree_high=settings.degree_high,
        heartbeat_initial_delay=0.05,
        prune_back_off=5,
        unsubscribe_back_off=2,
        adaptive_gossip_enabled=False,
        spam_protection_enabled=False,
        eclipse_protection_enabled=False,
        **arguments,
    )
