"""Frames on a request stream: four bytes of length, big-endian, then the payload. One encoding each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import trio
from libp2p.abc import INetStream
from libp2p.exceptions import BaseLibp2pError
from libp2p.io.exceptions import IncompleteReadError, IOException
from libp2p.network.connection.exceptions import RawConnError
from libp2p.network.stream.exceptions import StreamEOF, StreamError
from libp2p.network.stream.net_stream import NetStream

from protocol.net.errors import PeerProtocolError, PeerTimeoutError, PeerUnreachableError

_READ = 256 * 1024
# One yamux frame that is one Noise message: 65,535 less its tag and the yamux header, so that no write
# is cut into a frame and a scrap.
_WRITE = 65535 - 16 - 12


class Wire:
    """One stream with buffered reads and errors in this project's own terms.

    Every method raises PeerUnreachableError when the stream or its connection ends.
    """

    def __init__(self, stream: INetStream) -> None:
        self.stream = stream
        self._buffer = bytearray()

    async def read_exact(self, size: int) -> bytes:
        """Read exactly `size` bytes."""
        buffer = self._buffer
        while len(buffer) < size:
            with _own_errors():
                more = await self.stream.read(_READ)
            if not more:
                raise PeerUnreachableError("the peer closed the stream early")
            buffer += more
        data = bytes(memoryview(buffer)[:size])
        del buffer[:size]
        return data

    async def read_or_end(self, size: int) -> bytes | None:
        """Read exactly `size` bytes, or return None if the peer is done; an end in between is an error."""
        if not self._buffer:
            try:
                with _own_errors():
                    self._buffer += await self.stream.read(_READ)
            except PeerUnreachableError as error:
                if isinstance(error.__cause__, StreamEOF):
                    return None
                raise
        return await self.read_exact(size)

    async def read_frame(self, limit: int) -> bytes:
        """Read one frame; PeerProtocolError, before reading it, if it is longer than `limit`."""
        size = int.from_bytes(await self.read_exact(4), "big")
        if size > limit:
            raise PeerProtocolError(f"the peer announced {size} bytes, limit {limit}")
        return await self.read_exact(size)

    async def write(self, data: bytes) -> None:
        """Write all of `data`."""
        view = memoryview(data)
        with _own_errors():
            for start in range(0, len(view), _WRITE):
                await self.stream.write(bytes(view[start : start + _WRITE]))

    async def write_frame(self, payload: bytes) -> None:
        """Write one frame."""
        await self.write(len(payload).to_bytes(4, "big") + payload)

    async def finish(self) -> None:
        """Close this side: nothing more will be written."""
        with _own_errors():
            await cast(NetStream, self.stream).close_write()


class _own_errors:  # noqa: N801 - reads as a statement
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, StreamEOF | IncompleteReadError):
            raise PeerUnreachableError("the peer closed the stream early") from error
        if isinstance(error, StreamError | IOException | RawConnError | BaseLibp2pError | OSError):
            raise PeerUnreachableError(f"the stream broke: {error or type(error).__name__}") from error


@asynccontextmanager
async def together() -> AsyncIterator[trio.Nursery]:
    """A nursery that raises the first error of its tasks as it is, not in a group."""
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


@asynccontextmanager
async def deadline(seconds: float, what: str) -> AsyncIterator[None]:
    """Raise PeerTimeoutError naming `what` if the body takes longer than `seconds`."""
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise PeerTimeoutError(f"{what} took longer than {seconds:g} s")
