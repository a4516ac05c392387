"""Binary keccak trees: layers, roots, proofs.

A tree over n leaves is padded on the right to a power of two. Tensor leaves are 128 bytes; padding leaves
are 128 zero bytes, so that what lies outside a shape is zero by definition. Trees over hashes are padded
with zero words. A leaf's preimage is never 64 bytes long or begins with a tag that is itself a keccak hash
of text, so that no leaf can pass for an inner node.

Every hash in a tree is `cut_keccak256`: the first 24 bytes of keccak256, and 8 zero bytes (ADR 041).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from protocol.crypto.hashing import cut_keccak256, keccak256
from protocol.tape.limits import LEAF_BYTES
from protocol.types import ZERO_HASH, Hash32
from protocol.types.errors import InputError

Bytes = bytes | bytearray | memoryview


class Hasher(Protocol):
    """Bulk keccak; the CPU engine has a fast one with the same results."""

    def leaves(self, data: Bytes, rows: int, row_bytes: int) -> bytes:
        """The hashes, 32 bytes each, of all 128-byte leaves: every row starts a new one, its last
        is padded.
        """

    def parents(self, layer: bytes, pad: bytes) -> bytes:
        """The hashes of neighbouring pairs; `pad` stands in for a missing last one."""

    def whole(self, data: bytes) -> bytes:
        """The hashes, not cut, of 128 bytes each, back to back."""


class PlainHasher:
    """One call of keccak256 per hash."""

    def leaves(self, data: Bytes, rows: int, row_bytes: int) -> bytes:
        """See Hasher."""
        view = memoryview(data).cast("B")
        hashes = []
        for start in range(0, rows * row_bytes, row_bytes or 1):
            for at in range(start, start + row_bytes, LEAF_BYTES):
                leaf = bytes(view[at : min(at + LEAF_BYTES, start + row_bytes)])
                hashes.append(cut_keccak256(leaf.ljust(LEAF_BYTES, b"\0")))
        return b"".join(hashes)

    def parents(self, layer: bytes, pad: bytes) -> bytes:
        """See Hasher."""
        whole = layer + pad if len(layer) % 64 else layer
        return b"".join(cut_keccak256(whole[at : at + 64]) for at in range(0, len(whole), 64))

    def whole(self, data: bytes) -> bytes:
        """See Hasher."""
        return b"".join(keccak256(data[at : at + 128]) for at in range(0, len(data), 128))


PLAIN = PlainHasher()
ZERO_LEAF = cut_keccak256(bytes(LEAF_BYTES))


@dataclass(frozen=True, slots=True)
class Tree:
    """All layers of a tree, leaf hashes first, each without its padding; `pads` is the padding of
    each layer.
    """

    layers: tuple[bytes, ...]
    pads: tuple[bytes, ...]

    @property
    def root(self) -> Hash32:
        """The hash at the top."""
        return Hash32(self.layers[-1])

    @property
    def depth(self) -> int:
        """How many levels lie between a leaf and the root."""
        return len(self.layers) - 1

    def hash_at(self, level: int, index: int) -> Hash32:
        """The node `index` of layer `level` (0: leaves), the layer's padding beyond its end."""
        found = self.layers[level][32 * index : 32 * index + 32]
        return Hash32(found or self.pads[level])

    def proof(self, index: int) -> list[Hash32]:
        """The siblings from leaf `index` up. InputError outside the padded tree."""
        return siblings(self, index)


class Nodes(Protocol):
    """A tree, whatever it keeps of itself."""

    @property
    def root(self) -> Hash32:
        """The hash at the top."""

    @property
    def depth(self) -> int:
        """How many levels lie between a leaf and the root."""

    def hash_at(self, level: int, index: int) -> Hash32:
        """The node `index` of layer `level` (0: leaves)."""

    def proof(self, index: int) -> list[Hash32]:
        """The siblings from leaf `index` up. InputError outside the padded tree."""


def siblings(nodes: Nodes, index: int) -> list[Hash32]:
    """The siblings from leaf `index` up. InputError outside the padded tree."""
    if not 0 <= index < 1 << nodes.depth:
        raise InputError(f"there is no leaf {index} in a tree of depth {nodes.depth}")
    return [nodes.hash_at(level, (index >> level) ^ 1) for level in range(nodes.depth)]


def depth_of(leaves: int) -> int:
    """The depth of a tree over this many leaves."""
    return max(leaves - 1, 0).bit_length()


@cache
def _twice(pad: bytes) -> Hash32:
    """The parent of two paddings: there are few, and every tree asks for them."""
    return cut_keccak256(pad + pad)


def root_of_zeros(levels: int) -> Hash32:
    """The node that stands so many levels above zero words alone."""
    node = ZERO_HASH
    for _ in range(levels):
        node = _twice(node)
    return node


def tree(leaf_hashes: bytes, pad: bytes = ZERO_HASH, hasher: Hasher = PLAIN) -> Tree:
    """The tree over concatenated leaf hashes; over none it is the padding alone."""
    layers, pads = [leaf_hashes or pad], [pad]
    while len(layers[-1]) > 32:
        layers.append(hasher.parents(layers[-1], pads[-1]))
        pads.append(_twice(pads[-1]))
    return Tree(tuple(layers), tuple(pads))


def pad_at(level: int, pad: bytes) -> bytes:
    """The padding of a tree's layer, where `pad` is that of its leaves."""
    for _ in range(level):
        pad = _twice(pad)
    return pad


def parents(hashes: bytes, low: int, high: int, pad: bytes, hasher: Hasher = PLAIN) -> bytes:
    """The layer `high` over a tree's layer `low`, or over a part of it that begins at a multiple of
    2^(high - low).
    """
    for level in range(low, high):
        hashes = hasher.parents(hashes, pad_at(level, pad)) if hashes else hashes
    return hashes


def climb(leaf: Hash32, index: int, proof: Sequence[Hash32]) -> Hash32:
    """The root that a leaf hash and its siblings give."""
    node = leaf
    for level, sibling in enumerate(proof):
        right = index >> level & 1
        node = cut_keccak256(sibling + node if right else node + sibling)
    return node


def verify(root: Hash32, leaf: Hash32, index: int, depth: int, proof: Sequence[Hash32]) -> bool:
    """Whether the leaf hash stands at `index` of the tree of this depth and root."""
    return 0 <= index < 1 << depth and len(proof) == depth and climb(leaf, index, proof) == root
