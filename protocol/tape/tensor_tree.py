"""A tensor's tree that takes little memory, however narrow its rows are."""

from protocol.tape.dtypes import TensorType
from protocol.tape.merkle import PLAIN, ZERO_LEAF, Bytes, Hasher, Tree, depth_of, pad_at, siblings, tree
from protocol.tape.roots import leaf_count, tensor_nodes
from protocol.types import Hash32
from protocol.types.errors import TransientError

KEPT_LEVELS = 13
"""A tree keeps so many levels below its root, and makes what lies deeper again when it is asked for."""
_NODE_BYTES = 64
"""What a leaf takes in a whole tree, the nodes above it included."""
_OBJECT_BYTES = 1_000


class ChangedError(TransientError):
    """The bytes under a tree are not those that it was built over."""


class TensorTree:
    """What `tensor_tree` gives, from bytes that stay where they are."""

    def __init__(self, kind: TensorType, data: Bytes, hasher: Hasher = PLAIN) -> None:
        self._kind, self._data, self._hasher = kind, data, hasher
        self._low = max(depth_of(leaf_count(kind)) - KEPT_LEVELS, 0)
        nodes = tensor_nodes(kind, data, (self._low, 0, -(-leaf_count(kind) >> self._low)), hasher)
        self._top = tree(nodes, pad_at(self._low, ZERO_LEAF), hasher)
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

    def _under(self, number: int) -> Tree:
        """The tree below a node of the lowest layer that is kept; the last one is kept as well."""
        if self._block is None or self._block[0] != number:
            span = (0, number << self._low, 1 << self._low)
            found = tree(tensor_nodes(self._kind, self._data, span, self._hasher), ZERO_LEAF, self._hasher)
            if found.root != self._top.hash_at(0, number):
                raise ChangedError("a tensor is not what it was when its tree was built")
            self._block = (number, found)
        return self._block[1]


def tree_bytes(kind: TensorType) -> int:
    """What such a tree takes."""
    leaves = leaf_count(kind)
    return _OBJECT_BYTES + _NODE_BYTES * (min(leaves, 1 << KEPT_LEVELS) + (leaves >> KEPT_LEVELS))
