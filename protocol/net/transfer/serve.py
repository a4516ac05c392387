"""The serving side: reads chunks in worker threads, a few at a time.

INVARIANT: a stream has a place only while a request is answered that `allow` allows, and places are shared
out by site: whoever is refused, or asks nothing, takes none from who may have what it asks for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio
from libp2p.abc import INetStream
from libp2p.peer.id import ID

from protocol.net.errors import PeerProtocolError, PeerTimeoutError
from protocol.net.framing import Wire, deadline, together
from protocol.net.guard import reset
from protocol.net.identity import address_of
from protocol.net.metrics import NetMetrics
from protocol.net.places import Places
from protocol.net.score import Fault
from protocol.net.settings import StreamSettings
from protocol.net.transfer.ports import ArtifactSource
from protocol.net.transfer.wire import REQUEST_SIZE, Kind, Request, Status
from protocol.net.workarounds.hosts import site_of_conn
from protocol.store.manifest import CHUNK
from protocol.types import Address, ArtifactId
from protocol.types.errors import InputError

logger = logging.getLogger(__name__)

Allow = Callable[[Address, ArtifactId], bool]
"""`allow(peer, artifact)`: whether to serve it to this peer. Runs on the node's thread: must not block."""

_PER_PEER = 4
_TOTAL = 64
"""Streams that are answered at a time."""
_BATCH = 4
"""Chunks read in one visit to a worker thread, and so held per stream, twice: 2 MiB."""
_ANSWER_S = 60.0
"""A peer that takes a chunk of 256 KiB in more than this is not worth the stream: 4 KiB/s."""

_GONE = (InputError, FileNotFoundError)
"""The artifact is not here, or was collected while it was read."""


class _NoPlaceError(Exception):
    """The peer, or its site, has its share of places."""


class _Stream:
    """One stream of a peer; `refused` once an answer said no, after which the peer reads no further."""

    def __init__(self, stream: INetStream, out: trio.MemorySendChannel[list[bytes]]) -> None:
        self.wire = Wire(stream)
        self.peer = stream.muxed_conn.peer_id
        self.site = site_of_conn(stream.muxed_conn)
        self.out = out
        self.refused = False
        self.scope = trio.CancelScope()

    async def send(self, answers: list[bytes]) -> None:
        """Hand answers to the writer, once it has written those before; a status alone is the last one."""
        await self.out.send(answers)
        self.refused = len(answers[-1]) == 1

    async def written(self) -> None:
        """Return when all answers so far are written."""
        await self.out.send([])


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
        self._places: Places[_Stream] = Places(_TOTAL, _PER_PEER)

    async def __call__(self, stream: INetStream) -> None:
        """Serve one stream until its other side is done, refused or idle for too long."""
        # One batch is read from disk while another is on the wire.
        out, batches = trio.open_memory_channel[list[bytes]](0)
        served = _Stream(stream, out)
        try:
            with served.scope:
                async with together() as nursery:
                    nursery.start_soon(self._write_all, served.wire, batches)
                    async with out:
                        await self._answer_all(served)
                await stream.close()
        except PeerProtocolError:
            self._blame(served.peer, Fault.MALFORMED)
            await reset(stream)
        except (PeerTimeoutError, _NoPlaceError):
            await reset(stream)
        finally:
            self._places.leave(served)
        if served.scope.cancelled_caught:
            self._metrics.streams_refused += 1
            await reset(stream)

    async def _answer_all(self, served: _Stream) -> None:
        peer = address_of(served.peer)
        while not served.refused:
            async with deadline(self._settings.idle_s, "the next request"):
                raw = await served.wire.read_or_end(REQUEST_SIZE)
            if raw is None:
                return
            request = Request.from_bytes(raw)
            if self._allow(peer, request.artifact):
                self._take_place(served)
                await self._answer(served, request)
                await served.written()
                self._places.leave(served)
            else:
                await served.send([bytes([Status.DENIED])])

    def _take_place(self, served: _Stream) -> None:
        leaving = self._places.take(served, served.site, served.peer)
        if leaving is served:
            self._metrics.streams_refused += 1
            raise _NoPlaceError
        if leaving is not None:
            leaving.scope.cancel()

    async def _answer(self, served: _Stream, request: Request) -> None:
        if request.kind == Kind.MANIFEST:
            await served.send([await trio.to_thread.run_sync(self._manifest, request.artifact)])
            return
        end = request.first + request.count
        for first in range(request.first, end, _BATCH):
            indexes = range(first, min(first + _BATCH, end))
            batch = await trio.to_thread.run_sync(self._read, request.artifact, indexes)
            await served.send(batch)
            self._metrics.artifact_bytes_sent += sum(len(answer) - 1 for answer in batch)
            if served.refused:
                return

    async def _write_all(self, wire: Wire, batches: trio.MemoryReceiveChannel[list[bytes]]) -> None:
        async for batch in batches:
            for answer in batch:
                async with deadline(_ANSWER_S * (1 + len(answer) // CHUNK), "taking an answer"):
                    await wire.write(answer)

    def _manifest(self, artifact: ArtifactId) -> bytes:
        try:
            return bytes([Status.OK]) + self._store.manifest(artifact).to_bytes()
        except _GONE:
            return bytes([Status.MISSING])

    def _read(self, artifact: ArtifactId, indexes: range) -> list[bytes]:
        """Return an answer per chunk; a status alone is the last one."""
        answers: list[bytes] = []
        try:
            for index in indexes:
                answers.append(bytes([Status.OK]) + self._store.read_chunk(artifact, index))
        except _GONE:
            answers.append(bytes([Status.MISSING]))
        except OSError as error:
            logger.error("cannot read artifact 0x%s: %s", artifact.hex(), error)
            answers.append(bytes([Status.FAILED]))
        return answers
