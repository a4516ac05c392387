"""What goes over an artifact stream.

The fetching side opens the stream and sends requests of 41 bytes, as many as it likes:
kind (1), artifact id (32), first chunk (4, big-endian), count (4). The serving side answers in order.
A manifest answer is a status byte, the size (8), then the leaves (32 each; their number follows from the
size). A chunk answer is, for each chunk, a status byte and the chunk (its length follows from the size).
After a status other than OK nothing more of that request is sent.

The fetching side never has more chunks under way than it can hold, so it never stops reading: yamux
ends a stream whose reader pauses for five seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from protocol.net.errors import PeerProtocolError
from protocol.types import ArtifactId

PROTOCOL = "/gavel/artifact/1"
REQUEST_SIZE = 41


class Kind(IntEnum):
    """What is asked for."""

    MANIFEST = 1
    CHUNKS = 2


class Status(IntEnum):
    """First byte of each answer."""

    OK = 1
    MISSING = 2
    DENIED = 3
    FAILED = 4


REASONS = {
    Status.MISSING: "it does not have it",
    Status.DENIED: "it does not serve it to this node",
    Status.FAILED: "it failed to read it",
}


@dataclass(frozen=True)
class Request:
    """One request; `first` and `count` are 0 for a manifest."""

    kind: Kind
    artifact: ArtifactId
    first: int = 0
    count: int = 0

    def to_bytes(self) -> bytes:
        """Return the 41 bytes."""
        return (
            bytes([self.kind]) + self.artifact + self.first.to_bytes(4, "big") + self.count.to_bytes(4, "big")
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Request:
        """Parse; PeerProtocolError for what no honest peer sends."""
        if len(data) != REQUEST_SIZE or data[0] not in tuple(Kind):
            raise PeerProtocolError("not an artifact request")
        first, count = int.from_bytes(data[33:37], "big"), int.from_bytes(data[37:41], "big")
        kind = Kind(data[0])
        if (kind == Kind.CHUNKS) != (count > 0) or (kind == Kind.MANIFEST and first):
            raise PeerProtocolError("artifact request with a count that its kind does not have")
        return cls(kind, ArtifactId(data[1:33]), first, count)


def read_status(byte: int) -> None:
    """Return if the status is OK; PeerProtocolError for an unknown one, PeerRefusal otherwise."""
    if byte not in tuple(Status):
        raise PeerProtocolError(f"unknown status {byte}")
    if byte != Status.OK:
        raise PeerRefusalError(REASONS[Status(byte)])


class PeerRefusalError(Exception):
    """The peer will not serve this artifact: asking it again at once is of no use."""
