"""The fetching side: one worker per peer, a few chunks under way each, every chunk checked."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import trio
from libp2p.abc import INetStream

from protocol.net.errors import PeerProtocolError, PeerTimeoutError, PeerUnreachableError
from protocol.net.framing import Wire, deadline, together
from protocol.net.guard import reset
from protocol.net.metrics import NetMetrics
from protocol.net.transfer.errors import ArtifactTooLargeError, ArtifactUnavailableError, WrongBytesError
from protocol.net.transfer.ports import ArtifactPartial, ArtifactStore
from protocol.net.transfer.queue import ChunkQueue
from protocol.net.transfer.wire import Kind, PeerRefusalError, Request, read_status
from protocol.net.workarounds.yamux import open_window
from protocol.store.manifest import CHUNK, MAX_SIZE, Manifest
from protocol.types import Address, ArtifactId
from protocol.types.errors import InputError, TransientError

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""`progress(bytes here, bytes in all)`, after each chunk; what an earlier fetch left counts as here."""

Opener = Callable[[Address], Awaitable[INetStream]]
Blame = Callable[[Address], None]
Put = Callable[[list[tuple[int, bytes]]], Awaitable[None]]

WINDOW = 16
"""Chunks under way per peer: 4 MiB, which is 80 MB/s at 50 ms."""
_RUN = 8
_PATIENCE_S = 20.0
"""A peer that sends no whole chunk for this long is given up."""
_ATTEMPTS = 6
"""Broken streams in a row, none of which brought a chunk, before a peer is given up."""
_BACKOFF_S = 0.1
_TOGETHER = 4
"""Peers that one fetch pulls from at a time."""
_NEXT_S = 2.0
"""After so long without a manifest the next peer is asked for it too."""


class _WrongError(Exception):
    """The peer's bytes are not the artifact's."""


class _TooLargeError(Exception):
    """The peer says that the artifact is larger than the caller's limit."""

    def __init__(self, size: int) -> None:
        super().__init__(f"it says that the artifact has {size} bytes")
        self.size = size


class _Source:
    """One peer of one fetch."""

    def __init__(self, address: Address, open_stream: Opener, artifact: ArtifactId) -> None:
        self.address = address
        self._open_stream = open_stream
        self._artifact = artifact

    async def manifest(self, max_size: int) -> Manifest:
        """Ask for the manifest; _TooLargeError before any leaf is read."""
        stream = await self._open_stream(self.address)
        try:
            wire = Wire(stream)
            async with deadline(_PATIENCE_S, "the manifest"):
                await wire.write(Request(Kind.MANIFEST, self._artifact).to_bytes())
                read_status((await wire.read_exact(1))[0])
                size = int.from_bytes(await wire.read_exact(8), "big")
            if size > max_size:
                raise _TooLargeError(size)
            manifest_bytes = bytearray(size.to_bytes(8, "big"))
            left = 32 * -(-size // CHUNK)
            while left:
                async with deadline(_PATIENCE_S, "the manifest"):
                    manifest_bytes += await wire.read_exact(min(left, CHUNK))
                left -= min(left, CHUNK)
            try:
                manifest = Manifest.from_bytes(bytes(manifest_bytes))
            except InputError as error:
                raise _WrongError(str(error)) from None
            if manifest.id() != self._artifact:
                raise _WrongError("its manifest is not the artifact's")
            return manifest
        finally:
            await reset(stream)

    async def chunks(self, manifest: Manifest, queue: ChunkQueue, store: Put) -> None:
        """Pull chunks over one stream until none is left to take, passing each to `store`."""
        stream = await self._open_stream(self.address)
        await _Pull(stream, self._artifact, manifest, queue, store).run()


class _Pull:
    """One stream of chunks: one task asks and reads, another checks and stores.

    At most WINDOW chunks are asked for and not yet stored, so the reader never has to wait for room.
    """

    def __init__(
        self, stream: INetStream, artifact: ArtifactId, manifest: Manifest, queue: ChunkQueue, store: Put
    ) -> None:
        self._stream = stream
        self._wire = Wire(stream)
        self._artifact = artifact
        self._manifest = manifest
        self._queue = queue
        self._store = store
        self._to_read: deque[int] = deque()
        self._to_store: deque[tuple[int, bytes]] = deque()
        self._changed = trio.Event()

    async def run(self) -> None:
        """Raises what either task raises; chunks that were not stored go back into the queue."""
        try:
            await open_window(self._stream, (WINDOW + 1) * CHUNK)
            async with together() as nursery:
                nursery.start_soon(self._store_all)
                try:
                    await self._read_all()
                finally:
                    # What came is kept, however the stream ended.
                    while self._to_store:
                        await self._changed.wait()
                    nursery.cancel_scope.cancel()
        finally:
            self._queue.give_back([*self._to_read, *(index for index, _ in self._to_store)])
            await reset(self._stream)

    async def _read_all(self) -> None:
        while True:
            await self._ask()
            if self._to_read:
                index = self._to_read[0]
                async with deadline(_PATIENCE_S, "the next chunk"):
                    read_status((await self._wire.read_exact(1))[0])
                    data = await self._wire.read_exact(self._manifest.length(index))
                self._to_read.popleft()
                self._to_store.append((index, data))
                self._wake()
            elif self._to_store:
                await self._changed.wait()
            else:
                break
        await self._wire.finish()

    async def _store_all(self) -> None:
        while True:
            while self._to_store:
                # All that came meanwhile in one visit to a worker thread: visits are what costs.
                batch = list(self._to_store)
                await self._store(batch)
                for _ in batch:
                    self._to_store.popleft()
                self._wake()
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _ask(self) -> None:
        while run := self._queue.take_run(min(_RUN, WINDOW - len(self._to_read) - len(self._to_store))):
            self._to_read.extend(run)
            await self._wire.write(Request(Kind.CHUNKS, self._artifact, run.start, len(run)).to_bytes())


class _Fetch:
    """One fetch: who failed and why, and what the workers share."""

    def __init__(
        self,
        store: ArtifactStore,
        artifact: ArtifactId,
        *,
        open_stream: Opener,
        metrics: NetMetrics,
        blame: Blame,
        progress: Progress | None,
    ) -> None:
        self._store = store
        self._artifact = artifact
        self._open_stream = open_stream
        self._metrics = metrics
        self._blame = blame
        self._progress = progress
        self.failures: dict[Address, str] = {}
        self.wrong: set[Address] = set()
        self.slow: set[Address] = set()
        self.too_large: dict[Address, int] = {}
        self._broken: Exception | None = None
        self._here = 0

    def source(self, peer: Address) -> _Source:
        """Return the peer as a source of this artifact."""
        return _Source(peer, self._open_stream, self._artifact)

    async def manifest(self, peers: Sequence[Address], max_size: int) -> Manifest | None:
        """Return the first manifest that proves the id; whoever was asked and did not send it is `slow`."""
        found: list[Manifest] = []

        async def ask(peer: Address, scope: trio.CancelScope, failed: trio.Event) -> None:
            try:
                found.append(await self.source(peer).manifest(max_size))
                self.slow.discard(peer)
                scope.cancel()
            except _TooLargeError as error:
                self.too_large[peer] = error.size
                self.failures[peer] = str(error)
            except (_WrongError, PeerProtocolError) as error:
                self._cheated(peer, str(error))
            except (PeerRefusalError, TransientError) as error:
                self.failures[peer] = str(error)
            failed.set()

        async with trio.open_nursery() as nursery:
            for peer in peers:
                self.slow.add(peer)
                failed = trio.Event()
                nursery.start_soon(ask, peer, nursery.cancel_scope, failed)
                with trio.move_on_after(_NEXT_S):
                    await failed.wait()
        return found[0] if found else None

    async def pull(self, partial: ArtifactPartial, manifest: Manifest, peers: Sequence[Address]) -> bool:
        """Let the peers work until every chunk is here, or none of them is left; True if all are here."""
        missing = await trio.to_thread.run_sync(partial.missing)
        queue = ChunkQueue(missing)
        self._here = manifest.size - sum(manifest.length(index) for index in missing)
        self._report(manifest)

        def write(chunks: list[tuple[int, bytes]]) -> None:
            for index, data in chunks:
                partial.write_chunk(index, data)

        async def put(chunks: list[tuple[int, bytes]]) -> None:
            try:
                await trio.to_thread.run_sync(write, chunks)
            except InputError as error:
                self._metrics.artifact_chunks_bad += 1
                raise _WrongError(str(error)) from None
            size = sum(len(data) for _, data in chunks)
            self._here += size
            self._metrics.artifact_bytes_received += size
            queue.wrote(len(chunks))
            self._report(manifest)

        async with trio.open_nursery() as nursery:
            for peer in peers[:_TOGETHER]:
                nursery.start_soon(self._work, self.source(peer), manifest, queue, put, nursery.cancel_scope)
        if self._broken is not None:
            raise self._broken
        return queue.done

    async def _work(
        self,
        source: _Source,
        manifest: Manifest,
        queue: ChunkQueue,
        put: Put,
        scope: trio.CancelScope,
    ) -> None:
        fruitless = 0
        while not queue.done:
            await queue.wait()
            before = self._here
            try:
                await source.chunks(manifest, queue, put)
                self.failures.pop(source.address, None)
            except (_WrongError, PeerProtocolError) as error:
                self._cheated(source.address, str(error))
                return
            except PeerRefusalError as error:
                self.failures[source.address] = str(error)
                return
            except (PeerUnreachableError, PeerTimeoutError) as error:
                self.failures[source.address] = str(error)
                fruitless = 0 if self._here > before else fruitless + 1
                if fruitless >= _ATTEMPTS:
                    return
                await trio.sleep(_BACKOFF_S * 2**fruitless)
            except Exception as error:
                # Our own store failed: no other peer can help.
                self._broken = error
                scope.cancel()
                return

    def _cheated(self, peer: Address, reason: str) -> None:
        self.failures[peer] = reason
        self.wrong.add(peer)
        self._blame(peer)

    def _report(self, manifest: Manifest) -> None:
        if self._progress is not None:
            self._progress(self._here, manifest.size)


async def fetch(
    store: ArtifactStore,
    artifact: ArtifactId,
    peers: Sequence[Address],
    *,
    max_size: int,
    open_stream: Opener,
    metrics: NetMetrics,
    blame: Blame,
    progress: Progress | None = None,
) -> Manifest:
    """Fetch an artifact into `store`; see `Node.fetch_artifact`."""
    if await trio.to_thread.run_sync(store.sound, artifact):
        return await trio.to_thread.run_sync(store.manifest, artifact)
    run = _Fetch(store, artifact, open_stream=open_stream, metrics=metrics, blame=blame, progress=progress)
    manifest = await run.manifest(peers, min(max_size, MAX_SIZE))
    if manifest is not None:
        partial = await trio.to_thread.run_sync(store.begin, artifact, manifest)
        useful = [peer for peer in peers if peer not in run.wrong]
        # Who did not even send the manifest must not hold chunks that others have.
        quick = [peer for peer in useful if peer not in run.slow]
        whole = await run.pull(partial, manifest, quick)
        if not whole and quick != useful:
            whole = await run.pull(partial, manifest, [peer for peer in useful if peer not in run.wrong])
        if whole:
            await trio.to_thread.run_sync(partial.finish)
            return manifest
    if run.failures and run.wrong == set(run.failures):
        raise WrongBytesError(artifact, run.failures)
    if run.failures and set(run.too_large) == set(run.failures):
        raise ArtifactTooLargeError(artifact, max(run.too_large.values()), max_size)
    raise ArtifactUnavailableError(artifact, run.failures)
