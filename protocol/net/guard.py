"""The door that every stream opened by a peer passes: counts, bans, and catches what handlers raise.

Stock, an exception in any stream handler cancels the whole host: a remote crash in one packet.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import trio
from libp2p.abc import INetStream
from libp2p.peer.id import ID

from protocol.net.metrics import NetMetrics
from protocol.net.places import Places
from protocol.net.settings import StreamSettings
from protocol.net.workarounds.hosts import site_of_conn
from protocol.net.workarounds.yamux import drop, see_off

logger = logging.getLogger(__name__)

_LINGER_S = 5.0
"""How long a peer has to close a stream that its handler has closed. The stream keeps its place meanwhile."""

Handler = Callable[[INetStream], Awaitable[None]]


class _Served:
    """A stream that is being served."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()


class StreamGuard:
    """Wraps the host's own handler, below protocol negotiation, so that no protocol is outside it."""

    def __init__(
        self, inner: Handler, settings: StreamSettings, metrics: NetMetrics, banned: Callable[[ID], bool]
    ) -> None:
        self._inner = inner
        self._settings = settings
        self._metrics = metrics
        self._banned = banned
        self._open: Places[_Served] = Places(settings.total, settings.per_peer)

    async def __call__(self, stream: INetStream) -> None:
        """Serve one inbound stream; raises nothing but cancellation."""
        peer = stream.muxed_conn.peer_id
        served = _Served()
        if self._banned(peer) or self._pushes_out(served, stream) is served:
            self._metrics.streams_refused += 1
            await reset(stream)
            return
        try:
            with served.scope:
                await self._inner(stream)
                await see_off(stream, _LINGER_S)
        except Exception as error:
            self._metrics.stream_faults += 1
            logger.debug("stream of %s failed: %r", peer, error)
            await reset(stream)
        finally:
            self._open.leave(served)
        if served.scope.cancelled_caught:
            self._metrics.streams_refused += 1
            await reset(stream)

    def _pushes_out(self, served: _Served, stream: INetStream) -> _Served | None:
        """Take a place for a stream; end the one that has to leave for it, and return it."""
        conn = stream.muxed_conn
        leaving = self._open.take(served, site_of_conn(conn), conn.peer_id)
        if leaving is not None:
            leaving.scope.cancel()
        return leaving

    def open_streams(self, peer: ID) -> int:
        """Return how many streams the peer has open here."""
        return self._open.held(peer)


async def reset(stream: INetStream) -> None:
    """Reset a stream, whatever state it is in, also while being cancelled."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + 1):
        try:
            await drop(stream)
        except Exception as error:
            logger.debug("could not reset a stream: %r", error)
