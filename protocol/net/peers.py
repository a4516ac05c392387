"""Which peers are connected, and the door that banned and nameless ones do not pass."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import trio
from libp2p.abc import INetConn, INetStream, INetwork, INotifee
from libp2p.peer.id import ID
from libp2p.peer.peerstore import PeerStoreError
from multiaddr import Multiaddr

from protocol.net.identity import address_of
from protocol.net.metrics import NetMetrics
from protocol.net.score import Fault, Scores
from protocol.types import Address
from protocol.types.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Peer:
    """A connected peer, as `Node.peers` shows it."""

    address: Address
    peer_id: str
    points: float
    """Penalty points; at 100 it is banned."""


class PeerTable(INotifee):
    """Told by the swarm of every connection; the only place that maps addresses to peer ids."""

    def __init__(self, network: INetwork, scores: Scores, metrics: NetMetrics) -> None:
        self._network = network
        self._scores = scores
        self._metrics = metrics
        self._ids: dict[Address, ID] = {}
        self._changed = trio.Event()
        self.on_ban: Callable[[ID], None] = lambda _: None

    def id_of(self, address: Address) -> ID | None:
        """Return the peer id of a connected peer.

        The swarm tells of a lost connection a tenth of a second late: ask it whether one is open.
        """
        peer = self._ids.get(address)
        if peer is None or all(conn.is_closed for conn in self._network.get_connections(peer)):
            return None
        return peer

    def banned(self, peer: ID) -> bool:
        """Say whether the peer is banned now."""
        return self._scores.banned(peer.to_base58(), trio.current_time())

    def blame(self, peer: ID, fault: Fault) -> None:
        """Add a penalty; a peer that reaches the limit is banned and told of through `on_ban`."""
        if self._scores.blame(peer.to_base58(), fault, trio.current_time()):
            self._metrics.peers_banned += 1
            logger.info("banned peer %s: last fault %s", peer, fault.name)
            self.on_ban(peer)

    def pardon(self, peer: ID) -> None:
        """Lift a ban."""
        self._scores.pardon(peer.to_base58())

    def list(self) -> tuple[Peer, ...]:
        """Return every connected peer."""
        now = trio.current_time()
        return tuple(
            Peer(address, peer.to_base58(), self._scores.points(peer.to_base58(), now))
            for address, peer in self._ids.items()
        )

    async def wait_changed(self) -> None:
        """Return at the next connection or disconnection."""
        await self._changed.wait()

    async def connected(self, network: INetwork, conn: INetConn) -> None:  # noqa: ARG002 - the interface's
        """Note a new connection, or close it."""
        peer = conn.muxed_conn.peer_id
        try:
            address = address_of(peer)
        except InputError as error:
            logger.debug("closing a connection: %s", error)
            await conn.close()
            return
        if self.banned(peer):
            await conn.close()
            return
        self._ids[address] = peer
        self._announce()

    async def disconnected(self, network: INetwork, conn: INetConn) -> None:  # noqa: ARG002 - likewise
        """Note that a connection ended; the peer may have another."""
        peer = conn.muxed_conn.peer_id
        if any(not c.is_closed for c in self._network.get_connections(peer)):
            return
        self._ids = {address: known for address, known in self._ids.items() if known != peer}
        # Keys are free: what strangers told about themselves must not pile up.
        with suppress(PeerStoreError):
            self._network.peerstore.clear_peerdata(peer)
        self._announce()

    def _announce(self) -> None:
        self._metrics.peers_connected = len(self._ids)
        self._changed.set()
        self._changed = trio.Event()

    async def opened_stream(self, network: INetwork, stream: INetStream) -> None:
        """Not of interest."""

    async def closed_stream(self, network: INetwork, stream: INetStream) -> None:
        """Not of interest."""

    async def listen(self, network: INetwork, multiaddr: Multiaddr) -> None:
        """Not of interest."""

    async def listen_close(self, network: INetwork, multiaddr: Multiaddr) -> None:
        """Not of interest."""
