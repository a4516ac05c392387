"""Buffered reading of length-prefixed gossip frames.

Stock pubsub reads the length prefix byte by byte, each byte through five layers of locks and awaits;
under load this alone costs more than verifying the signature.
"""

from __future__ import annotations

from libp2p.abc import INetStream
from libp2p.exceptions import ParseError
from libp2p.io.exceptions import IncompleteReadError, MessageTooLarge

_READ = 64 * 1024
_MAX_PREFIX = 5  # 35 bits: far above any frame that a limit lets pass


class FrameReader:
    """Cuts a stream into varint-prefixed frames; never holds more than one frame and one read."""

    def __init__(self, stream: INetStream, max_frame: int) -> None:
        self._stream = stream
        self._max_frame = max_frame
        self._buffer = bytearray()

    async def next(self) -> bytes:
        """Return the next frame, without its prefix.

        Raises MessageTooLarge (before any of the body is read), ParseError for a prefix that never
        ends, IncompleteReadError or StreamEOF at the end of the stream.
        """
        length, start = await self._prefix()
        if length > self._max_frame:
            raise MessageTooLarge(f"frame of {length} bytes, limit {self._max_frame}")
        await self._fill(start + length)
        frame = bytes(self._buffer[start : start + length])
        del self._buffer[: start + length]
        return frame

    async def _prefix(self) -> tuple[int, int]:
        value = 0
        for index in range(_MAX_PREFIX):
            await self._fill(index + 1)
            byte = self._buffer[index]
            value |= (byte & 0x7F) << (7 * index)
            if not byte & 0x80:
                return value, index + 1
        raise ParseError(f"length prefix is longer than {_MAX_PREFIX} bytes")

    async def _fill(self, need: int) -> None:
        while len(self._buffer) < need:
            more = await self._stream.read(_READ)
            if not more:
                raise IncompleteReadError("stream ended inside a frame", expected_bytes=need)
            self._buffer += more
