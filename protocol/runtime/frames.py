"""Frames on a pipe: a 4-byte big-endian length, then a msgpack map."""

from typing import Any

import msgspec

from protocol.types import InputError

MAX_FRAME = 16 * 2**20
"""Bytes in one frame, the length not counted."""


def encode_frame(message: dict[str, Any]) -> bytes:
    """Return `message` as one frame; `InputError` if it is longer than `MAX_FRAME`."""
    body = msgspec.msgpack.encode(message)
    if len(body) > MAX_FRAME:
        raise InputError(f"a frame of {len(body)} bytes is longer than {MAX_FRAME}")
    return len(body).to_bytes(4, "big") + body


class FrameReader:
    """Cuts a stream of bytes into messages; `InputError` if the other side breaks the format."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Add received bytes and return the messages that they complete."""
        self._buffer += data
        messages = []
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "big")
            if length > MAX_FRAME:
                raise InputError(f"a frame of {length} bytes is longer than {MAX_FRAME}")
            if len(self._buffer) < 4 + length:
                break
            try:
                messages.append(msgspec.msgpack.decode(self._buffer[4 : 4 + length], type=dict[str, Any]))
            except msgspec.MsgspecError as error:
                raise InputError(f"a frame is no msgpack map: {error}") from None
            del self._buffer[: 4 + length]
        return messages
