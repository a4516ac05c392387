"""Outputs of a job, made up, as a provider keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from protocol.dispute.delivery import Shape
from protocol.tape import TensorType
from protocol.tape.limits import LEAF_BYTES
from protocol.tape.roots import item_root_of, items_root, leaves_per_row, tensor_root
from protocol.types import Hash32


@dataclass(frozen=True)
class Made:
    """See `protocol.dispute.delivery.Outputs`."""

    shape: Shape
    raw: Mapping[tuple[int, int], bytes]
    roots: tuple[Hash32, ...]

    @property
    def types(self) -> Sequence[TensorType]:
        """The tensors of an item."""
        return self.shape.types

    @property
    def root(self) -> Hash32:
        """What is posted."""
        return items_root(self.roots)

    def item_roots(self) -> bytes:
        """The roots of all items, as posted."""
        return b"".join(self.roots)

    def tensor(self, item: int, output: int) -> bytes:
        """The raw bytes of one tensor."""
        return self.raw[item, output]

    def leaf(self, item: int, output: int, number: int) -> bytes:
        """One leaf, found by rows."""
        kind, data = self.types[output], self.raw[item, output]
        width = kind.columns * kind.dtype.width
        rows = [data[at : at + width] for at in range(0, len(data), width)]
        padded = b"".join(row.ljust(leaves_per_row(kind) * LEAF_BYTES, b"\0") for row in rows)
        return padded[number * LEAF_BYTES : (number + 1) * LEAF_BYTES]


def made(shape: Shape, rng: Random) -> Made:
    """Random outputs of this shape."""
    raw = {
        (item, output): rng.randbytes(kind.nbytes)
        for item in range(shape.items)
        for output, kind in enumerate(shape.types)
    }
    roots = tuple(
        item_root_of([tensor_root(kind, raw[item, output]) for output, kind in enumerate(shape.types)])
        for item in range(shape.items)
    )
    return Made(shape, raw, roots)
