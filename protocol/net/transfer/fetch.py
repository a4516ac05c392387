"""The fetching side: one worker per peer, a few chunks under way each, every chunk checked.

INVARIANT: chunks are asked only of peers that have sent the manifest, in the order that the caller gave; what
one of them is late with is asked of another. Free keys that say nothing, or little, hold up nothing.
"""

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
from protocol.net.score import Fault
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
Blame = Callable[[Address, Fault], None]
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
"""Peers that one fetch pulls from at a time, not counting those that are slow."""
_NEXT_S = 2.0
"""After so long without a manifest the next peer is asked for it too."""


class _WrongError(Exception):
    """The peer's bytes are not the artifact's."""


class _TooLargeError(Exception):
    """The peer says that the artifact is larger than the caller's limit."""

    def __init__(self, size: int) -> None:
        super().__init__(f"it says that the artifact has {size} bytes")
        self.size = size


class _Task:
    """What is fetched, once its manifest is known: which chunks are to come, and where they go."""

    def __init__(self, manifest: Manifest, partial: ArtifactPartial, missing: Sequence[int]) -> None:
        self.manifest = manifest
        self.partial = partial
        self.queue = ChunkQueue(missing)
        self.here = manifest.size - sum(manifest.length(index) for index in missing)

    def write(self, chunks: Sequence[tuple[int, bytes]]) -> None:
        """Check and store chunks; blocks."""
        for index, data in chunks:
            self.partial.write_chunk(index, data)


class _Source:
    """One peer of one fetch."""

    def __init__(self, address: Address, open_stream: Opener, artifact: ArtifactId) -> None:
        self.address = address
        self._open_stream = open_stream
        self.artifact = artifact

    async def manifest(self, max_size: int) -> Manifest:
        """Ask for the manifest; _TooLargeError before any leaf is read."""
        stream = await self._open_stream(self.address)
        try:
            wire = Wire(stream)
            async with deadline(_PATIENCE_S, "the manifest"):
                await wire.write(Request(Kind.MANIFEST, self.artifact).to_bytes())
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
            if manifest.id() != self.artifact:
                raise _WrongError("its manifest is not the artifact's")
            return manifest
        finally:
            await reset(stream)

    async def chunks(self, task: _Task, store: Put) -> None:
        """Pull chunks over one stream until none is left to take, passing each to `store`."""
        await _Pull(await self._open_stream(self.address), self, task, store).run()


class _Pull:
    """One stream of chunks: one task asks and reads, another checks and stores.

    At most WINDOW chunks are asked for and not yet stored, so the reader never has to wait for room.
    """

    def __init__(self, stream: INetStream, source: _Source, task: _Task, store: Put) -> None:
        self._stream = stream
        self._wire = Wire(stream)
        self._peer = source.address
        self._artifact = source.artifact
        self._manifest = task.manifest
        self._queue = task.queue
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
            self._queue.give_back(self._peer, [*self._to_read, *(index for index, _ in self._to_store)])
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
        while run := self._queue.take_run(self._peer, min(_RUN, self._room())):
            self._to_read.extend(run)
            await self._wire.write(Request(Kind.CHUNKS, self._artifact, run.start, len(run)).to_bytes())

    def _room(self) -> int:
        return WINDOW - len(self._to_read) - len(self._to_store)


class _Fetch:
    """One fetch: who failed and why, and what the workers share."""

    def __init__(
        self,
        store: ArtifactStore,
        artifact: ArtifactId,
        max_size: int,
        *,
        open_stream: Opener,
        metrics: NetMetrics,
        blame: Blame,
        progress: Progress | None,
    ) -> None:
        self._store = store
        self._artifact = artifact
        self._max_size = max_size
        self._open_stream = open_stream
        self._metrics = metrics
        self._blame = blame
        self._progress = progress
        self.failures: dict[Address, str] = {}
        self.wrong: set[Address] = set()
        self.too_large: dict[Address, int] = {}
        self._slow: set[Address] = set()
        self._working: set[Address] = set()
        self._task: _Task | None = None
        self._beginning = trio.Lock()
        self._scope = trio.CancelScope()

    async def run(self, peers: Sequence[Address]) -> Manifest | None:
        """Fetch until every chunk is here; None if no peer is left before that."""
        with self._scope:
            async with together() as nursery:
                for peer in dict.fromkeys(peers):
                    answered = trio.Event()
                    nursery.start_soon(self._serve, peer, answered)
                    with trio.move_on_after(_NEXT_S):
                        await answered.wait()
                    while self._brisk() >= _TOGETHER:
                        await trio.sleep(_NEXT_S)
        if self._task is None or not self._task.queue.done:
            return None
        await trio.to_thread.run_sync(self._task.partial.finish)
        return self._task.manifest

    def _brisk(self) -> int:
        return len(self._working - self._task.queue.slow()) if self._task is not None else 0

    async def _serve(self, peer: Address, answered: trio.Event) -> None:
        """Take one peer's manifest, then its chunks."""
        source = _Source(peer, self._open_stream, self._artifact)
        try:
            manifest = await source.manifest(self._max_size)
        except _TooLargeError as error:
            self.too_large[peer] = error.size
            self.failures[peer] = str(error)
        except (_WrongError, PeerProtocolError) as error:
            self._cheated(peer, str(error))
        except (PeerRefusalError, TransientError) as error:
            self._failed(peer, error)
        else:
            task = await self._begin(manifest)
            self._working.add(peer)
            answered.set()
            await self._work(source, task)
            self._working.discard(peer)
        answered.set()

    async def _begin(self, manifest: Manifest) -> _Task:
        async with self._beginning:
            if self._task is None:
                partial = await trio.to_thread.run_sync(self._store.begin, self._artifact, manifest)
                missing = await trio.to_thread.run_sync(partial.missing)
                self._task = _Task(manifest, partial, missing)
                self._came(self._task)
            return self._task

    async def _work(self, source: _Source, task: _Task) -> None:
        """Let one peer work until every chunk is here, or it is given up."""
        peer, fruitless = source.address, 0
        brought = 0

        async def put(chunks: list[tuple[int, bytes]]) -> None:
            nonlocal brought
            brought += await self._put(task, peer, chunks)

        while not task.queue.done:
            await task.queue.wait()
            before = brought
            try:
                await source.chunks(task, put)
                self.failures.pop(peer, None)
            except (_WrongError, PeerProtocolError) as error:
                self._cheated(peer, str(error))
                return
            except PeerRefusalError as error:
                self.failures[peer] = str(error)
                return
            except (PeerUnreachableError, PeerTimeoutError) as error:
                self._failed(peer, error)
                fruitless = 0 if brought > before else fruitless + 1
                if fruitless >= _ATTEMPTS:
                    return
                await trio.sleep(_BACKOFF_S * 2**fruitless)

    async def _put(self, task: _Task, peer: Address, chunks: list[tuple[int, bytes]]) -> int:
        """Check and store what a peer sent; return how many chunks of it were still to come."""
        wanted = [chunk for chunk in chunks if task.queue.wants(chunk[0])]
        try:
            await trio.to_thread.run_sync(task.write, wanted)
        except InputError as error:
            self._metrics.artifact_chunks_bad += 1
            raise _WrongError(str(error)) from None
        new = 0
        for index, data in wanted:
            overtaken = task.queue.wrote(peer, index)
            if overtaken is not None:
                new += 1
                task.here += len(data)
                self._metrics.artifact_bytes_received += len(data)
                for each in overtaken:
                    self._lagged(each)
        self._came(task)
        return new

    def _came(self, task: _Task) -> None:
        if self._progress is not None:
            self._progress(task.here, task.manifest.size)
        if task.queue.done:
            self._scope.cancel()

    def _failed(self, peer: Address, error: Exception) -> None:
        self.failures[peer] = str(error)
        if isinstance(error, PeerTimeoutError):
            self._lagged(peer)

    def _cheated(self, peer: Address, reason: str) -> None:
        self.failures[peer] = reason
        self.wrong.add(peer)
        self._blame(peer, Fault.WRONG_BYTES)

    def _lagged(self, peer: Address) -> None:
        """Count it once per fetch: this node's own line may be the slow one."""
        if peer not in self._slow:
            self._slow.add(peer)
            self._blame(peer, Fault.SLOW)


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
    run = _Fetch(
        store,
        artifact,
        min(max_size, MAX_SIZE),
        open_stream=open_stream,
        metrics=metrics,
        blame=blame,
        progress=progress,
    )
    manifest = await run.run(peers)
    if manifest is not None:
        return manifest
    if run.failures and run.wrong == set(run.failures):
        raise WrongBytesError(artifact, run.failures)
    if run.failures and set(run.too_large) == set(run.failures):
        raise ArtifactTooLargeError(artifact, max(run.too_large.values()), max_size)
    raise ArtifactUnavailableError(artifact, run.failures)
