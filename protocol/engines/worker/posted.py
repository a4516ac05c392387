"""The posted side of a comparison: an item file, or the roots that the chain has shown of a result."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from protocol.dispute.delivery import POSTED_MAGIC, PostedItem, PostedRoots
from protocol.engines.worker.hashing import HASHER
from protocol.engines.worker.items import ItemFile, kept_roots, noted_roots
from protocol.tape import TensorType
from protocol.tape.merkle import Tree, depth_of
from protocol.tape.roots import items_tree
from protocol.types import Hash32, InputError


class Posted(Protocol):
    """What a provider posted, as far as it is known here."""

    @property
    def root(self) -> Hash32:
        """The root of all items."""

    def item_root(self, item: int) -> Hash32 | None:
        """The root of an item, None if it is not known."""

    @property
    def leaves(self) -> bytes:
        """The roots of all items, back to back; zeros for one that is not known."""

    def tensor_roots(self, item: int) -> tuple[Hash32, ...]:
        """The roots of an item's outputs. InputError if the item is not known."""

    def proof(self, item: int) -> tuple[Hash32, ...]:
        """The siblings from an item's root up to the root of all. InputError if the item is not known."""


@dataclass(frozen=True, slots=True)
class Notes:
    """Where a run left its items' roots, and the root over them that was posted."""

    path: Path
    root: Hash32


def read_posted(path: Path, types: Sequence[TensorType], items: int, notes: Notes | None = None) -> Posted:
    """What is posted, from a file of either kind. InputError if it is of another program or job.

    `notes`: of whole outputs, so that they need not all be hashed.
    """
    try:
        with path.open("rb") as file:
            is_shown = file.read(len(POSTED_MAGIC)) == POSTED_MAGIC
    except (FileNotFoundError, IsADirectoryError) as fault:
        raise InputError(f"there are no outputs {path}") from fault
    if not is_shown:
        outputs = ItemFile(path)
        outputs.expect(types, "the outputs")
        if len(outputs) != items:
            raise InputError(f"the outputs hold {len(outputs)} items, the job has {items}")
        return _Served(outputs, notes)
    shown = PostedRoots.from_bytes(path.read_bytes())
    for number, item in shown.items.items():
        if number >= items or len(item.roots) != len(types) or len(item.proof) != depth_of(items):
            raise InputError(f"the posted roots have an item {number} that the job has not")
    return _Shown(shown, items)


class _Served:
    """Whole outputs: everything is known."""

    def __init__(self, file: ItemFile, notes: Notes | None) -> None:
        self._file, self._notes = file, notes

    @cached_property
    def _tree(self) -> Tree:
        if self._notes is None:
            return self._hashed()
        noted = noted_roots(self._notes.path, len(self._file))
        found = None if noted is None else items_tree(noted, HASHER)
        if found is None or found.root != self._notes.root:
            found = self._hashed()
        if found.root != self._notes.root:
            raise InputError("the outputs kept are not those whose root was posted")
        return found

    def _hashed(self) -> Tree:
        return items_tree(kept_roots(self._file.path), HASHER)

    @property
    def root(self) -> Hash32:
        return self._tree.root

    def item_root(self, item: int) -> Hash32 | None:
        return self._tree.hash_at(0, item)

    @property
    def leaves(self) -> bytes:
        return self._tree.layers[0]

    def tensor_roots(self, item: int) -> tuple[Hash32, ...]:
        return self._file.tensor_roots(item)

    def proof(self, item: int) -> tuple[Hash32, ...]:
        return tuple(self._tree.proof(item))


class _Shown:
    """What the chain has shown."""

    def __init__(self, shown: PostedRoots, items: int) -> None:
        self._shown, self._items = shown, items

    @property
    def root(self) -> Hash32:
        return self._shown.root

    def item_root(self, item: int) -> Hash32 | None:
        return self._shown.items[item].root if item in self._shown.items else None

    @property
    def leaves(self) -> bytes:
        found = bytearray(32 * self._items)
        for number, item in self._shown.items.items():
            found[32 * number : 32 * number + 32] = item.root
        return bytes(found)

    def tensor_roots(self, item: int) -> tuple[Hash32, ...]:
        return self._item(item).roots

    def proof(self, item: int) -> tuple[Hash32, ...]:
        return self._item(item).proof

    def _item(self, number: int) -> PostedItem:
        if number not in self._shown.items:
            raise InputError(f"the chain has not shown item {number} of the result")
        return self._shown.items[number]
