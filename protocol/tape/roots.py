"""Commitments: tensor roots, item roots, input and output roots, the program root."""

from collections.abc import Iterable, Sequence

from protocol.crypto.hashing import keccak256
from protocol.tape.dtypes import TensorType
from protocol.tape.encoding import node_headers
from protocol.tape.encoding.fields import type_bytes
from protocol.tape.late_numpy import Array, np
from protocol.tape.limits import LEAF_BYTES, MAX_ITEMS
from protocol.tape.merkle import PLAIN, ZERO_LEAF, Bytes, Hasher, Tree, depth_of, pad_at, parents, tree
from protocol.tape.tape import Tape
from protocol.types import Hash32
from protocol.types.errors import InputError

TAG_PROGRAM = keccak256(b"gavel.tape.program.v1")
TAG_INPUT = keccak256(b"gavel.tape.input.v1")
TAG_CONSTANT = keccak256(b"gavel.tape.constant.v1")
TAG_NODE = keccak256(b"gavel.tape.node.v1")
TAG_ITEM = keccak256(b"gavel.tape.item.v1")
_BLOCK_LEVEL = 13
"""Leaves that are hashed at a time, as the level of their common node: they stay in a processor's cache."""


def leaves_per_row(kind: TensorType) -> int:
    """Leaves of 128 bytes that one row of the last axis takes."""
    return -(-kind.columns * kind.dtype.width // LEAF_BYTES)


def leaf_count(kind: TensorType) -> int:
    """Leaves of a tensor; none if it is empty."""
    return kind.rows * leaves_per_row(kind)


def leaf_of(kind: TensorType, element: int) -> tuple[int, int]:
    """The leaf that holds an element (row-major index) and the byte at which it begins there."""
    row, column = divmod(element, kind.columns)
    leaf, byte = divmod(column * kind.dtype.width, LEAF_BYTES)
    return row * leaves_per_row(kind) + leaf, byte


def tensor_tree(kind: TensorType, data: Bytes, hasher: Hasher = PLAIN) -> Tree:
    """The tree over a tensor's raw little-endian bytes."""
    if len(memoryview(data).cast("B")) != kind.nbytes:
        raise InputError(f"a {kind.dtype.name}{kind.shape} has {kind.nbytes} bytes")
    return tree(hasher.leaves(data, kind.rows, kind.columns * kind.dtype.width), ZERO_LEAF, hasher)


def tensor_root(kind: TensorType, data: Bytes, hasher: Hasher = PLAIN) -> Hash32:
    """The root over a tensor's raw little-endian bytes, without keeping its tree."""
    return Hash32(tensor_nodes(kind, data, (depth_of(leaf_count(kind)), 0, 1), hasher))


def tensor_nodes(kind: TensorType, data: Bytes, span: tuple[int, int, int], hasher: Hasher = PLAIN) -> bytes:
    """The nodes `(level, first, count)` of a tensor's tree, from the raw bytes below them.

    INVARIANT: takes the memory of what it returns and little else, however narrow the rows are: a row of one
    byte is a leaf, whose tree takes 64. So a block of leaves is hashed at a time.
    """
    view = memoryview(data)
    view = view.cast("B") if view.nbytes else memoryview(b"")
    if view.nbytes != kind.nbytes:
        raise InputError(f"a {kind.dtype.name}{kind.shape} has {kind.nbytes} bytes")
    level, first, count = span
    low = min(level, _BLOCK_LEVEL)
    end = min((first + count) << level, leaf_count(kind))
    found = []
    for leaf in range(first << level, end, 1 << _BLOCK_LEVEL):
        hashes = _leaf_hashes(kind, view, leaf, min(leaf + (1 << _BLOCK_LEVEL), end), hasher)
        found.append(parents(hashes, 0, low, ZERO_LEAF, hasher))
    nodes = parents(b"".join(found), low, level, ZERO_LEAF, hasher)
    return nodes + pad_at(level, ZERO_LEAF) * (count - len(nodes) // 32)


def _leaf_hashes(kind: TensorType, data: memoryview, first: int, end: int, hasher: Hasher) -> bytes:
    """The hashes of some leaves of a tensor, which may begin and end within a row."""
    per_row, width = leaves_per_row(kind), kind.columns * kind.dtype.width
    found = []
    while first < end:
        row, part = divmod(first, per_row)
        if part or end - first < per_row:
            stop = min(part + end - first, per_row)
            piece = data[row * width + part * LEAF_BYTES : row * width + min(stop * LEAF_BYTES, width)]
            found.append(hasher.leaves(piece, 1, piece.nbytes))
            first += stop - part
        else:
            rows = (end - first) // per_row
            found.append(hasher.leaves(data[row * width : (row + rows) * width], rows, width))
            first += rows * per_row
    return b"".join(found)


def item_root(types: Sequence[TensorType], tensors: Sequence[Array], hasher: Hasher = PLAIN) -> Hash32:
    """keccak(tag, tensor roots in order) of one item's inputs or outputs."""
    roots = []
    for kind, array in zip(types, tensors, strict=True):
        dense = np.ascontiguousarray(array, dtype=kind.dtype.numpy)
        roots.append(tensor_root(kind, dense.reshape(-1).view(np.uint8).data, hasher))
    return item_root_of(roots)


def item_root_of(roots: Sequence[Hash32]) -> Hash32:
    """The item root over known tensor roots."""
    return keccak256(TAG_ITEM + b"".join(roots))


def items_tree(item_roots: Iterable[Hash32] | Bytes, hasher: Hasher = PLAIN) -> Tree:
    """The tree over n item roots, n known from the job: its root is the inputRoot or outputRoot.

    The roots come one by one, or back to back: a million objects take several times their bytes.
    """
    leaves = joined(item_roots)
    if not 32 <= len(leaves) <= 32 * MAX_ITEMS:
        raise InputError(f"{len(leaves) // 32} items, not 1..{MAX_ITEMS}")
    return tree(leaves, hasher=hasher)


def items_root(item_roots: Iterable[Hash32] | Bytes, hasher: Hasher = PLAIN) -> Hash32:
    """The inputRoot or outputRoot over n item roots, as in `items_tree`."""
    return items_tree(item_roots, hasher).root


def joined(roots: Iterable[Hash32] | Bytes) -> bytes:
    """Roots back to back, of which no two objects are held at a time."""
    if isinstance(roots, Bytes):
        return bytes(roots)
    found = bytearray()
    for root in roots:
        found += root
    return bytes(found)


def nodes_tree(tape: Tape) -> Tree:
    """The tree over keccak(tag, header) of every node."""
    return tree(b"".join(keccak256(TAG_NODE + header) for header in node_headers(tape)))


def constants_tree(tape: Tape, hasher: Hasher = PLAIN) -> Tree:
    """The tree over keccak(tag, tensor root, type) of every constant."""
    return constants_tree_of(tape, [tensor_root(held.type, held.data, hasher) for held in tape.constants])


def constants_tree_of(tape: Tape, roots: Sequence[Hash32]) -> Tree:
    """The same over known tensor roots."""
    leaves = [constant_leaf(held.type, root) for held, root in zip(tape.constants, roots, strict=True)]
    return tree(b"".join(leaves))


def constant_leaf(kind: TensorType, root: Hash32) -> Hash32:
    """keccak(tag, tensor root, type) of a constant."""
    return keccak256(TAG_CONSTANT + root + type_bytes(kind))


def inputs_tree(tape: Tape) -> Tree:
    """The tree over keccak(tag, type) of every input."""
    return tree(b"".join(keccak256(TAG_INPUT + type_bytes(kind)) for kind in tape.inputs))


def program_root(tape: Tape, hasher: Hasher = PLAIN) -> Hash32:
    """keccak over tag, the four counts as 32-byte words, and the roots of inputs, constants and nodes."""
    counts = (len(tape.inputs), len(tape.constants), len(tape.nodes), tape.outputs)
    trees = (inputs_tree(tape), constants_tree(tape, hasher), nodes_tree(tape))
    words = b"".join(count.to_bytes(32) for count in counts)
    return keccak256(TAG_PROGRAM + words + b"".join(each.root for each in trees))
