"""The roots under a posted result, as the chain has shown them: all that a challenge needs of the outputs.

Whatever hashes to the posted root has them, also a result that no file of outputs can have, such as one with
a byte outside a shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from protocol.dispute.delivery.knowledge import Known
from protocol.dispute.delivery.planning import Shape
from protocol.tape.merkle import climb
from protocol.tape.roots import item_root_of
from protocol.types import Hash32, InputError

MAGIC = b"GVPR\x00\x01"
"""How a file of posted roots begins; its last byte is the format's version."""
_HASH, _NUMBER = 32, 4


@dataclass(frozen=True, slots=True)
class PostedItem:
    """The tensor roots of an item, and the siblings from its root up to the posted result."""

    roots: tuple[Hash32, ...]
    proof: tuple[Hash32, ...]

    @property
    def root(self) -> Hash32:
        """The item's root."""
        return item_root_of(self.roots)


@dataclass(frozen=True, slots=True)
class PostedRoots:
    """What is known under a posted result, by item. InputError unless each item leads to the result."""

    root: Hash32
    items: Mapping[int, PostedItem]

    def __post_init__(self) -> None:
        if len({(len(each.roots), len(each.proof)) for each in self.items.values()}) > 1:
            raise InputError("the items of a result have as many outputs, and stand as deep, one as another")
        for number, item in self.items.items():
            if number >> len(item.proof) or climb(item.root, number, item.proof) != self.root:
                raise InputError(f"item {number} is no part of the posted result")

    def to_bytes(self) -> bytes:
        """The file: magic, root, outputs, depth, then each item's number, roots and siblings."""
        first = next(iter(self.items.values()), PostedItem((), ()))
        head = MAGIC + self.root + _number(len(first.roots)) + _number(len(first.proof))
        parts = (
            _number(number) + b"".join(item.roots) + b"".join(item.proof)
            for number, item in sorted(self.items.items())
        )
        return head + b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> "PostedRoots":
        """What `to_bytes` wrote. InputError if it is none."""
        body = len(MAGIC) + _HASH
        start = body + 2 * _NUMBER
        if data[: len(MAGIC)] != MAGIC or len(data) < start:
            raise InputError("these are no posted roots")
        outputs, depth = (int.from_bytes(data[at : at + _NUMBER]) for at in (body, body + _NUMBER))
        size = _NUMBER + (outputs + depth) * _HASH
        if (len(data) - start) % size:
            raise InputError(f"{len(data)} bytes are not whole items of posted roots")
        items = {}
        for at in range(start, len(data), size):
            first = at + _NUMBER
            hashes = [Hash32(data[i : i + _HASH]) for i in range(first, at + size, _HASH)]
            number = int.from_bytes(data[at:first])
            items[number] = PostedItem(tuple(hashes[:outputs]), tuple(hashes[outputs:]))
        return cls(Hash32(data[len(MAGIC) : body]), items)


def posted_roots(shape: Shape, root: Hash32, known: Known) -> PostedRoots:
    """The roots of all items whose tensor roots are known."""
    items = {}
    for number, roots in known.roots.items():
        places = ((level, number >> level ^ 1) for level in range(shape.depth))
        items[number] = PostedItem(roots, tuple(known.items[place] for place in places))
    return PostedRoots(root, items)


def _number(value: int) -> bytes:
    return value.to_bytes(_NUMBER)
