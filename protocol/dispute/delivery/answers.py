"""What a provider answers, from its output file."""

from collections.abc import Sequence
from typing import Protocol

from protocol.dispute.delivery.names import Kind, Spot, Wanted, node_of, step
from protocol.tape import TensorType
from protocol.tape.limits import LEAF_BYTES
from protocol.tape.merkle import PLAIN, Bytes, Hasher, Tree
from protocol.tape.roots import items_tree, leaves_per_row, tensor_tree
from protocol.types import BrokenInvariant, Hash32


class Outputs(Protocol):
    """The outputs of a job as the provider keeps them."""

    @property
    def types(self) -> Sequence[TensorType]:
        """The tensors of an item."""

    def item_roots(self) -> Sequence[Hash32]:
        """The roots of all items."""

    def tensor(self, item: int, output: int) -> Bytes:
        """The raw bytes of one tensor."""


def answer(outputs: Outputs, wanted: Wanted, spot: Spot, hasher: Hasher = PLAIN) -> bytes:
    """The bytes that answer a demand. BrokenInvariant if they are not what was posted: they would convict."""
    data = _answer(outputs, wanted.kind, spot, hasher)
    if len(data) != wanted.size or node_of(wanted.kind, data) != wanted.node:
        raise BrokenInvariant("the outputs kept are not those whose root was posted")
    return data


def _answer(outputs: Outputs, kind: Kind, spot: Spot, hasher: Hasher) -> bytes:
    if kind is Kind.ITEMS:
        return _hashes(items_tree(outputs.item_roots(), hasher), kind, spot)
    if kind is Kind.ROOTS:
        trees = (_tree(outputs, spot.item, number, hasher) for number in range(len(outputs.types)))
        return b"".join(each.root for each in trees)
    if kind is Kind.NODES:
        return _hashes(_tree(outputs, spot.item, spot.output, hasher), kind, spot)
    kept, data = outputs.types[spot.output], outputs.tensor(spot.item, spot.output)
    first = spot.index << spot.levels
    return b"".join(leaf(kept, data, first + number) for number in range(1 << spot.levels))


def _tree(outputs: Outputs, item: int, output: int, hasher: Hasher) -> Tree:
    return tensor_tree(outputs.types[output], outputs.tensor(item, output), hasher)


def _hashes(over: Tree, kind: Kind, spot: Spot) -> bytes:
    _, down = step(kind, spot.levels)
    level, first = spot.levels - down, spot.index << down
    return b"".join(over.hash_at(level, first + number) for number in range(1 << down))


def leaf(kind: TensorType, data: Bytes, number: int) -> bytes:
    """One leaf of a tensor's raw bytes; zeros outside its shape."""
    per_row = leaves_per_row(kind)
    if not per_row or number >= kind.rows * per_row:
        return bytes(LEAF_BYTES)
    row, at = divmod(number, per_row)
    width = kind.columns * kind.dtype.width
    start = row * width + at * LEAF_BYTES
    end = min(start + LEAF_BYTES, (row + 1) * width)
    return bytes(memoryview(data).cast("B")[start:end]).ljust(LEAF_BYTES, b"\0")
