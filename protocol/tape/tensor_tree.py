"""A tensor's tree of which only the middle is kept: little memory, and nothing of it takes long.

The *middle* is one layer of the tree. What lies above it is made of it, what lies below is made again of the
bytes there, a block at a time, and held against it. So a node anywhere in a tree costs no more than a block
of leaves and the middle, be the tensor as large as it may.
"""

from protocol.tape.dtypes import TensorType
from protocol.tape.merkle import (
    PLAIN,
    ZERO_LEAF,
    Bytes,
    Hasher,
    Tree,
    depth_of,
    pad_at,
    parents,
    siblings,
    tree,
)
from protocol.tape.roots import leaf_count, tensor_nodes
from protocol.types import Hash32
from protocol.types.errors import TransientError

BLOCK_LEVELS = 10
"""Levels below the middle, if that leaves no more than `TOP_LEVELS` above it: then a block is hashed in less
than a millisecond, and the middle takes a four-thousandth of the leaves."""
TOP_LEVELS = 13
NODE_BYTES = 32
_OBJECT_BYTES = 1_000


class ChangedError(TransientError):
    """The bytes under a tree are not those that it was built over."""


def middle_level(kind: TensorType) -> int:
    """How many levels a tree's middle stands above its leaves. Of a small tree it is the root."""
    depth = depth_of(leaf_count(kind))
    return max(depth - TOP_LEVELS, min(depth, BLOCK_LEVELS))


def middle_count(kind: TensorType) -> int:
    """How many nodes the middle has, padding left out."""
    return max(-(-leaf_count(kind) >> middle_level(kind)), 1)


def middle_of(kind: TensorType, data: Bytes, hasher: Hasher = PLAIN) -> bytes:
    """The nodes of the middle, from the tensor's bytes."""
    return tensor_nodes(kind, data, (middle_level(kind), 0, middle_count(kind)), hasher)


def root_over(kind: TensorType, middle: bytes, hasher: Hasher = PLAIN) -> Hash32:
    """The root of a tensor whose tree has this middle."""
    return Hash32(parents(middle, middle_level(kind), depth_of(leaf_count(kind)), ZERO_LEAF, hasher))


class TensorTree:
    """What `roots.tensor_tree` gives, from bytes that stay where they are and the middle over them."""

    def __init__(self, kind: TensorType, data: Bytes, middle: bytes, hasher: Hasher = PLAIN) -> None:
        self._kind, self._data, self._hasher = kind, data, hasher
        self._low = middle_level(kind)
        self._top = tree(middle, pad_at(self._low, ZERO_LEAF), hasher)
        self._block: tuple[int, Tree] | None = None

    @property
    def root(self) -> Hash32:
        """The hash at the top."""
        return self._top.root

    @property
    def depth(self) -> int:
        """How many levels lie between a leaf and the root."""
        return self._low + self._top.depth

    def hash_at(self, level: int, index: int) -> Hash32:
        """The node `index` of layer `level` (0: leaves). ChangedError if it is not under the root now."""
        if level >= self._low:
            return self._top.hash_at(level - self._low, index)
        deeper = self._low - level
        return self._under(index >> deeper).hash_at(level, index & ((1 << deeper) - 1))

    def proof(self, index: int) -> list[Hash32]:
        """The siblings from leaf `index` up. InputError outside the padded tree."""
        return siblings(self, index)

    def hold(self, first: int, count: int) -> None:
        """Raise ChangedError unless these leaves are under the root now."""
        for number in range(first >> self._low, -(-(first + count) >> self._low)):
            self._under(number)

    def _under(self, number: int) -> Tree:
        """The tree below a node of the middle; the last one is kept."""
        if self._block is None or self._block[0] != number:
            span = (0, number << self._low, 1 << self._low)
            found = tree(tensor_nodes(self._kind, self._data, span, self._hasher), ZERO_LEAF, self._hasher)
            if found.root != self._top.hash_at(0, number):
                raise ChangedError("a tensor is not what it was when its tree was built")
            self._block = (number, found)
        return self._block[1]


def tree_bytes(kind: TensorType) -> int:
    """What such a tree takes beside its middle."""
    return _OBJECT_BYTES + NODE_BYTES * (middle_count(kind) + (2 << middle_level(kind)))
