"""What a provider answers, from its output file."""

from collections.abc import Sequence
from typing import Protocol

from protocol.dispute.delivery.names import Kind, Spot, Wanted, node_of, step
from protocol.tape import TensorType
from protocol.tape.limits import LEAF_BYTES
from protocol.tape.merkle import PLAIN, Bytes, Hasher
from protocol.tape.roots import items_tree, leaves_per_row, tensor_nodes, tensor_root
from protocol.types import BrokenInvariant


class Outputs(Protocol):
    """The outputs of a job as the provider keeps them."""

    @property
    def types(self) -> Sequence[TensorType]:
        """The tensors of an item."""

    def item_roots(self) -> bytes:
        """The roots of all items, back to back."""

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
        items = items_tree(outputs.item_roots(), hasher)
        level, start, count = _span(kind, spot)
        return b"".join(items.hash_at(level, start + number) for number in range(count))
    if kind is Kind.ROOTS:
        tensors = ((held, outputs.tensor(spot.item, number)) for number, held in enumerate(outputs.types))
        return b"".join(tensor_root(held, data, hasher) for held, data in tensors)
    kept, data = outputs.types[spot.output], outputs.tensor(spot.item, spot.output)
    if kind is Kind.NODES:
        return tensor_nodes(kept, data, _span(kind, spot), hasher)
    first = spot.index << spot.levels
    return b"".join(leaf(kept, data, first + number) for number in range(1 << spot.levels))


def _span(kind: Kind, spot: Spot) -> tuple[int, int, int]:
    """The level of the nodes that are shown, the first of them, and how many."""
    _, down = step(kind, spot.levels)
    return spot.levels - down, spot.index << down, 1 << down


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
