"""The serving side: reads chunks in worker threads, a few at a time."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

import trio
from libp2p.abc import INetStream
from libp2p.peer.id import ID

from protocol.net.errors import PeerProtocolError, PeerTimeoutError
from protocol.net.framing import Wire, deadline, together
from protocol.net.guard import reset
from protocol.net.identity import address_of
from protocol.net.metrics import NetMetrics
from protocol.net.score import Fault
from protocol.net.settings import StreamSettings
from protocol.net.transfer.ports import ArtifactSource
from protocol.net.transfer.wire import REQUEST_SIZE, Kind, Request, Status
from protocol.store.manifest import CHUNK
from protocol.types import Address, ArtifactId
from protocol.types.errors import InputError

logger = logging.getLogger(__name__)

Allow = Callable[[Address, ArtifactId], bool]
"""`allow(peer, artifact)`: whether to serve it to this peer. Runs on the node's thread: must not block."""

_PER_PEER = 4
_TOTAL = 64
_BATCH = 4
"""Chunks read in one visit to a worker thread, and so held per stream, twice: 2 MiB."""
_ANSWER_S = 60.0
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
        # One batch is read from disk while another is on the wire.
        send, receive = trio.open_memory_channel[list[bytes]](0)
        async with together() as nursery:
            nursery.start_soon(self._write_all, wire, receive)
            async with send:
                await self._answer_all(wire, address_of(peer), send)

    async def _answer_all(self, wire: Wire, peer: Address, out: trio.MemorySendChannel[list[bytes]]) -> None:
        while True:
            async with deadline(self._settings.idle_s, "the next request"):
                raw = await wire.read_or_end(REQUEST_SIZE)
            if raw is None:
                return
            request = Request.from_bytes(raw)
            if not self._allow(peer, request.artifact):
                await out.send([bytes([Status.DENIED])])
            elif request.kind == Kind.MANIFEST:
                await out.send([await trio.to_thread.run_sync(self._manifest, request.artifact)])
            else:
                await self._answer_chunks(request, out)

    async def _write_all(self, wire: Wire, batches: trio.MemoryReceiveChannel[list[bytes]]) -> None:
        async for batch in batches:
            for answer in batch:
                async with deadline(_ANSWER_S * (1 + len(answer) // CHUNK), "taking an answer"):
                    await wire.write(answer)

    def _manifest(self, artifact: ArtifactId) -> bytes:
        try:
            return bytes([Status.OK]) + self._store.manifest(artifact).to_bytes()
        except InputError:
            return bytes([Status.MISSING])

    async def _answer_chunks(self, request: Request, out: trio.MemorySendChannel[list[bytes]]) -> None:
        end = request.first + request.count
        for first in range(request.first, end, _BATCH):
            indexes = range(first, min(first + _BATCH, end))
            batch = await trio.to_thread.run_sync(self._read, request.artifact, indexes)
            await out.send(batch)
            self._metrics.artifact_bytes_sent += sum(len(answer) - 1 for answer in batch)
            if len(batch[-1]) == 1:
                return

    def _read(self, artifact: ArtifactId, indexes: range) -> list[bytes]:
        """Return an answer per chunk; a status alone is the last one."""
        answers: list[bytes] = []
        try:
            for index in indexes:
                answers.append(bytes([Status.OK]) + self._store.read_chunk(artifact, index))
        except InputError:
            answers.append(bytes([Status.MISSING]))
        except OSError as error:
            logger.error("cannot read artifact 0x%s: %s", artifact.hex(), error)
            answers.append(bytes([Status.FAILED]))
        return answers
