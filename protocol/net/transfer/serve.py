"""The serving side: reads chunks in worker threads, a few at a time."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import trio
from libp2p.abc import INetStream
from libp2p.peer.id import ID

from protocol.net.errors import PeerProtocolError, PeerTimeoutError
from protocol.net.framing import Wire, deadline
from protocol.net.guard import reset
from protocol.net.identity import address_of
from protocol.net.metrics import NetMetrics
from protocol.net.score import Fault
from protocol.net.settings import StreamSettings
from protocol.net.transfer.ports import ArtifactSource
from protocol.net.transfer.wire import REQUEST_SIZE, Kind, Request, Status
from protocol.types import Address, ArtifactId
from protocol.types.errors import InputError

logger = logging.getLogger(__name__)

Allow = Callable[[Address, ArtifactId], bool]
"""`allow(peer, artifact)`: whether to serve it to this peer. Runs on the node's thread: must not block."""

_PER_PEER = 4
_TOTAL = 64
_BATCH = 4
"""Chunks read in one visit to a worker thread, and so held per stream: 1 MiB."""
_CHUNK_S = 60.0
"""A peer that takes a chunk of 256 KiB in more than this is not worth the stream: 4 KiB/s."""


class ArtifactServer:
    """Handler of `/gavel/artifact/1` streams."""

    def __init__(
        self,
        store: ArtifactSource,
        allow: Allow,
        settings: StreamSettings,
        metrics: NetMetrics,
        blame: Callable[[ID, Fault], None],
    ) -> None:
        self._store = store
        self._allow = allow
        self._settings = settings
        self._metrics = metrics
        self._blame = blame
        self._open: Counter[ID] = Counter()

    async def __call__(self, stream: INetStream) -> None:
        """Serve one stream until its other side is done or idle for too long."""
        peer = stream.muxed_conn.peer_id
        if self._open[peer] >= _PER_PEER or self._open.total() >= _TOTAL:
            self._metrics.streams_refused += 1
            await reset(stream)
            return
        self._open[peer] += 1
        try:
            await self._serve(Wire(stream), peer)
            await stream.close()
        except PeerProtocolError:
            self._blame(peer, Fault.MALFORMED)
            await reset(stream)
        except PeerTimeoutError:
            await reset(stream)
        finally:
            self._open[peer] -= 1
            if self._open[peer] <= 0:
                del self._open[peer]

    async def _serve(self, wire: Wire, peer: ID) -> None:
        address = address_of(peer)
        while True:
            async with deadline(self._settings.idle_s, "the next request"):
                raw = await wire.read_or_end(REQUEST_SIZE)
            if raw is None:
                return
            request = Request.from_bytes(raw)
            if not self._allow(address, request.artifact):
                await wire.write(bytes([Status.DENIED]))
            elif request.kind == Kind.MANIFEST:
                await self._send_manifest(wire, request.artifact)
            else:
                await self._send_chunks(wire, request)

    async def _send_manifest(self, wire: Wire, artifact: ArtifactId) -> None:
        try:
            manifest = await trio.to_thread.run_sync(self._store.manifest, artifact)
        except InputError:
            await wire.write(bytes([Status.MISSING]))
            return
        async with deadline(_CHUNK_S * (1 + len(manifest.leaves) // 8192), "taking the manifest"):
            await wire.write(bytes([Status.OK]) + manifest.to_bytes())

    async def _send_chunks(self, wire: Wire, request: Request) -> None:
        for first in range(request.first, request.first + request.count, _BATCH):
            indexes = range(first, min(first + _BATCH, request.first + request.count))
            chunks, problem = await trio.to_thread.run_sync(self._read, request.artifact, indexes)
            for chunk in chunks:
                async with deadline(_CHUNK_S, "taking a chunk"):
                    await wire.write(bytes([Status.OK]) + chunk)
                self._metrics.artifact_bytes_sent += len(chunk)
            if problem is not None:
                await wire.write(bytes([problem]))
                return

    def _read(self, artifact: ArtifactId, indexes: range) -> tuple[list[bytes], Status | None]:
        chunks: list[bytes] = []
        try:
            for index in indexes:
                chunks.append(self._store.read_chunk(artifact, index))
        except InputError:
            return chunks, Status.MISSING
        except OSError as error:
            logger.error("cannot read artifact 0x%s: %s", artifact.hex(), error)
            return chunks, Status.FAILED
        return chunks, None
