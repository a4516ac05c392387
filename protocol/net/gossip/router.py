"""The gossipsub router, tuned by measurement."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from typing import Any

import trio
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.utils import safe_bytes_from_hex

from protocol.net.settings import GossipSettings
from protocol.net.workarounds.records import reuse_own_record

# Not 1.2: there, each message is announced to every neighbour with a frame of its own (IDONTWANT), which
# pays for large messages and doubles the cost of small ones.
PROTOCOLS = [TProtocol("/meshsub/1.1.0")]


_ANSWERS = 3
"""How often a peer is sent a message that it asks for, as the gossipsub specification has it."""

logger = logging.getLogger(__name__)


class GuardedRouter(GossipSub):
    """A router that follows nobody's introductions, says nothing for ever, and survives its own heartbeat."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._answered: dict[bytes, Counter[ID]] = {}
        """How often each message that is in the cache was sent to whoever asked for it."""

    async def handle_iwant(self, iwant_msg: rpc_pb2.ControlIWant, sender_peer_id: ID) -> None:
        """Send the messages asked for. Stock, the same ones as often as they are asked for."""
        wanted = [each for each in iwant_msg.messageIDs if self._may_send(each, sender_peer_id)]
        if wanted:
            await super().handle_iwant(rpc_pb2.ControlIWant(messageIDs=wanted), sender_peer_id)

    def _may_send(self, name: str | bytes, peer: ID) -> bool:
        message = safe_bytes_from_hex(name)
        if message is None or self.mcache.get(message) is None:
            return False
        sent = self._answered.setdefault(message, Counter())
        sent[peer] += 1
        return sent[peer] <= _ANSWERS

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
        self._answered = {each: sent for each, sent in self._answered.items() if each in self.mcache.msgs}
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
