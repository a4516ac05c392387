"""Accepting connections, with places that come free again.

Stock, an accepted connection keeps its place until the whole host ends, however soon it is closed: after
as many connections as the limit allows, in a node's whole life, nobody can dial it any more. And one
host may take all places with connections that never shake hands.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from typing import cast

import trio
from libp2p.abc import IMuxedConn
from libp2p.io.abc import ReadWriteCloser
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.swarm import Swarm
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr

from protocol.net.metrics import NetMetrics
from protocol.net.places import Places
from protocol.net.workarounds.hosts import host_of, ip_of_stream, site_of

_GOODBYE_S = 1.0
_CHANCE = random.SystemRandom()

logger = logging.getLogger(__name__)


class InboundDoor:
    """Stands in for the swarm's own handler of accepted connections; relayed ones pass it as the relay's.

    INVARIANT: however many connections come from a site, they keep nobody of another out who holds fewer.
    Those that have shaken hands have `total` places, at most `per_host` of them one host's; of too many the
    newest of the site that has most is closed. Those that have not have `handshakes` places of their own:
    each newcomer gets one, and of too many one of a site that has most is closed. Chance says which: the
    oldest would always be those that are far away.
    """

    def __init__(self, swarm: Swarm, per_host: int, total: int, handshakes: int, metrics: NetMetrics) -> None:
        self._swarm = swarm
        self._handshakes = handshakes
        self._metrics = metrics
        self._shaking: dict[RawConnection, str] = {}
        """The site of each connection that has not shaken hands yet."""
        self._open: Places[IMuxedConn] = Places(total, per_host)

    @property
    def shaking(self) -> int:
        """How many accepted connections have not shaken hands yet."""
        return len(self._shaking)

    @property
    def open(self) -> int:
        """How many accepted connections have shaken hands."""
        return len(self._open)

    async def handle(self, read_write_closer: ReadWriteCloser, maddr: Multiaddr) -> None:
        """Serve one accepted connection until it is closed; the listener then closes the socket."""
        await self.keep(RawConnection(read_write_closer, False), maddr)

    async def keep(self, raw: RawConnection, maddr: Multiaddr) -> None:
        """Shake hands on a connection, and keep its place until it is closed."""
        ip = ip_of_stream(raw.stream)
        site, host = site_of(ip), host_of(ip)
        if self._open.are_shut_to(site, host):
            await self._refuse(raw)
            return
        self._shaking[raw] = site
        try:
            if self.shaking > self._handshakes:
                await self._refuse(self._one_too_many())
            muxed = await self._swarm.upgrade_inbound_raw_conn(raw, maddr)
        except Exception as error:
            logger.debug("a connection from %s came to nothing: %r", host, error)
            await raw.close()
            return
        finally:
            self._shaking.pop(raw, None)
        try:
            leaving = self._open.take(muxed, site, host)
            if leaving is not None:
                await self._refuse(leaving)
            await cast(Yamux, muxed).event_closed.wait()
        finally:
            self._open.leave(muxed)

    def _one_too_many(self) -> RawConnection:
        """Take out a handshake of a site that has most: its many push nobody else out."""
        counts = Counter(self._shaking.values())
        most = max(counts.values())
        found = _CHANCE.choice([raw for raw, site in self._shaking.items() if counts[site] == most])
        del self._shaking[found]
        return found

    async def _refuse(self, conn: RawConnection | IMuxedConn) -> None:
        """Close a connection; its handshake, or whoever waits for its end, ends by that."""
        self._metrics.connections_refused += 1
        with trio.move_on_after(_GOODBYE_S):
            await conn.close()
            return
        if isinstance(conn, Yamux):
            await conn.secured_conn.close()  # who reads nothing gets no goodbye
