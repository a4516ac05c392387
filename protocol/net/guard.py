"""The door that every stream opened by a peer passes: counts, bans, and catches what handlers raise.

Stock, an exception in any stream handler cancels the whole host: a remote crash in one packet.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable

import trio
from libp2p.abc import INetStream
from libp2p.peer.id import ID

from protocol.net.metrics import NetMetrics
from protocol.net.settings import StreamSettings

logger = logging.getLogger(__name__)

Handler = Callable[[INetStream], Awaitable[None]]


class StreamGuard:
    """Wraps the host's own handler, below protocol negotiation, so that no protocol is outside it."""

    def __init__(
        self, inner: Handler, settings: StreamSettings, metrics: NetMetrics, banned: Callable[[ID], bool]
    ) -> None:
        self._inner = inner
        self._settings = settings
        self._metrics = metrics
        self._banned = banned
        self._open: Counter[ID] = Counter()

    async def __call__(self, stream: INetStream) -> None:
        """Serve one inbound stream; raises nothing but cancellation."""
        peer = stream.muxed_conn.peer_id
        full = self._open.total() >= self._settings.total or self._open[peer] >= self._settings.per_peer
        if full or self._banned(peer):
            self._metrics.streams_refused += 1
            await reset(stream)
            return
        self._open[peer] += 1
        try:
            await self._inner(stream)
        except Exception as error:
            self._metrics.stream_faults += 1
            logger.debug("stream of %s failed: %r", peer, error)
            await reset(stream)
        finally:
            self._open[peer] -= 1
            if self._open[peer] <= 0:
                del self._open[peer]

    def open_streams(self, peer: ID) -> int:
        """Return how many streams the peer has open here."""
        return self._open[peer]


async def reset(stream: INetStream) -> None:
    """Reset a stream, whatever state it is in, also while being cancelled."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
        try:
            await stream.reset()
        except Exception as error:
            logger.debug("could not reset a stream: %r", error)
