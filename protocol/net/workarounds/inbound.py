"""Accepting connections, with places that come free again.

Stock, an accepted connection keeps its place until the whole host ends, however soon it is closed: after
as many connections as the limit allows, in a node's whole life, nobody can dial it any more. And one
host may take all places with connections that never shake hands.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import cast

from libp2p.io.abc import ReadWriteCloser
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.network.swarm import Swarm
from libp2p.stream_muxer.yamux.yamux import Yamux
from multiaddr import Multiaddr

from protocol.net.metrics import NetMetrics
from protocol.net.workarounds.hosts import host_of_stream

logger = logging.getLogger(__name__)


class InboundDoor:
    """Stands in for the swarm's own handler of accepted connections.

    Connections that have shaken hands have `total` places, at most `per_host` of them for one host. Those
    that have not have `handshakes` places of their own: each newcomer gets one, and if there are too many,
    the oldest of the host that has most of them is closed.
    """

    def __init__(self, swarm: Swarm, per_host: int, total: int, handshakes: int, metrics: NetMetrics) -> None:
        self._swarm = swarm
        self._per_host = per_host
        self._total = total
        self._handshakes = handshakes
        self._metrics = metrics
        self._shaking: dict[ReadWriteCloser, str] = {}
        """The host of each connection that has not shaken hands yet, oldest first."""
        self._open: Counter[str] = Counter()

    @property
    def shaking(self) -> int:
        """How many accepted connections have not shaken hands yet."""
        return len(self._shaking)

    @property
    def open(self) -> int:
        """How many accepted connections have shaken hands."""
        return self._open.total()

    async def handle(self, read_write_closer: ReadWriteCloser, maddr: Multiaddr) -> None:
        """Serve one accepted connection until it is closed."""
        stream = read_write_closer
        host = host_of_stream(stream)
        if self._is_full(host):
            await self._refuse(stream)
            return
        self._shaking[stream] = host
        try:
            if self.shaking > self._handshakes:
                await self._refuse(self._one_too_many())
            muxed = await self._swarm.upgrade_inbound_raw_conn(RawConnection(stream, False), maddr)
        except Exception as error:
            logger.debug("a connection from %s came to nothing: %r", host, error)
            await stream.close()
            return
        finally:
            self._shaking.pop(stream, None)
        if self._is_full(host):  # others were quicker
            self._metrics.connections_refused += 1
            await muxed.close()
            return
        self._open[host] += 1
        try:
            # The listener closes the socket when this returns.
            await cast(Yamux, muxed).event_closed.wait()
        finally:
            self._open[host] -= 1
            if self._open[host] <= 0:
                del self._open[host]

    def _is_full(self, host: str) -> bool:
        return self._open[host] >= self._per_host or self.open >= self._total

    def _one_too_many(self) -> ReadWriteCloser:
        """Take out the oldest handshake of the host that has most: its many push nobody else out."""
        counts = Counter(self._shaking.values())
        most = max(counts.values())
        found = next(stream for stream, host in self._shaking.items() if counts[host] == most)
        del self._shaking[found]
        return found

    async def _refuse(self, stream: ReadWriteCloser) -> None:
        """Close a connection; its handshake ends by that."""
        self._metrics.connections_refused += 1
        await stream.close()
