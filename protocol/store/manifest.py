"""What names an artifact: a SHA-256 Merkle tree over fixed 256 KiB chunks.

leaf = sha256(0x00 || chunk); parent = sha256(0x01 || left || right); a node without a right neighbour is
promoted unchanged; id = sha256(0x02 || size as uint64 big-endian || root), where the root of an empty
artifact is 32 zero bytes. Prefixes keep leaves, parents and ids apart; the size in the id fixes every
chunk's length.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.types import ArtifactId, InputError

CHUNK = 256 * 1024
"""Bytes per chunk; only the last one may be shorter."""
MAX_SIZE = 1 << 40
"""The largest artifact that is accepted, in bytes: its manifest still fits in memory."""


def chunk_leaf(chunk: bytes | memoryview) -> bytes:
    """Return the 32-byte leaf of one chunk."""
    digest = hashlib.sha256(b"\x00")
    digest.update(chunk)
    return digest.digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Return the 32-byte root over `leaves`, or 32 zero bytes if there are none."""
    level = list(leaves)
    while len(level) > 1:
        parents = [
            hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)
        ]
        level = parents + level[len(parents) * 2 :]
    return level[0] if level else bytes(32)


@dataclass(frozen=True)
class Manifest:
    """The size in bytes and the leaves of an artifact; `InputError` if they do not fit each other."""

    size: int
    leaves: tuple[bytes, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE:
            raise InputError(f"artifact size {self.size} is not within 0 and {MAX_SIZE} bytes")
        if len(self.leaves) != -(-self.size // CHUNK) or any(len(leaf) != 32 for leaf in self.leaves):
            raise InputError(f"manifest of {self.size} bytes has {len(self.leaves)} leaves")

    def id(self) -> ArtifactId:
        """Return the id that this manifest proves."""
        head = b"\x02" + self.size.to_bytes(8, "big")
        return ArtifactId(hashlib.sha256(head + merkle_root(self.leaves)).digest())

    def length(self, index: int) -> int:
        """Return the bytes of chunk `index`; `InputError` if there is no such chunk."""
        if not 0 <= index < len(self.leaves):
            raise InputError(f"artifact has {len(self.leaves)} chunks, none with number {index}")
        return min(CHUNK, self.size - index * CHUNK)

    def to_bytes(self) -> bytes:
        """Return size (8 bytes, big-endian) and leaves, joined."""
        return self.size.to_bytes(8, "big") + b"".join(self.leaves)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Return the manifest that `to_bytes` wrote; `InputError` if it is none."""
        if len(data) < 8 or len(data) % 32 != 8:
            raise InputError(f"{len(data)} bytes are no artifact manifest")
        leaves = tuple(data[at : at + 32] for at in range(8, len(data), 32))
        return cls(int.from_bytes(data[:8], "big"), leaves)
