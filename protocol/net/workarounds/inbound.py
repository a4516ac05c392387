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

logger = logging.getLogger(__name__)


class InboundDoor:
    """Stands in for the swarm's own handler of accepted connections."""

    def __init__(self, swarm: Swarm, per_host: int, total: int, metrics: NetMetrics) -> None:
        self._swarm = swarm
        self._per_host = per_host
        self._total = total
        self._metrics = metrics
        self._open: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """How many accepted connections there are, shaking hands or done with it."""
        return self._open.total()

    async def handle(self, read_write_closer: ReadWriteCloser, maddr: Multiaddr) -> None:
        """Serve one accepted connection until it is closed."""
        stream = read_write_closer
        remote = stream.get_remote_address()
        host = remote[0] if remote else ""
        if self._open[host] >= self._per_host or self.open >= self._total:
            self._metrics.connections_refused += 1
            await stream.close()
            return
        self._open[host] += 1
        try:
            muxed = await self._swarm.upgrade_inbound_raw_conn(RawConnection(stream, False), maddr)
            # The listener closes the socket when this returns.
            await cast(Yamux, muxed).event_closed.wait()
        except Exception as error:
            logger.debug("a connection from %s came to nothing: %r", host, error)
            await stream.close()
        finally:
            self._open[host] -= 1
            if self._open[host] <= 0:
                del self._open[host]
