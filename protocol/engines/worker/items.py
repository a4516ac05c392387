"""Item files on disk: reading one item at a time, and writing outputs so that a killed run can go on."""

import mmap
import os
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from protocol.engines.worker.delivery_records import noted_path
from protocol.engines.worker.hashing import HASHER
from protocol.tape import TensorType
from protocol.tape.encoding import MAX_HEAD, Items, item_parts, read_items_head, split_item
from protocol.tape.roots import item_root, item_root_of, joined, tensor_root
from protocol.types import Hash32
from protocol.types.errors import InputError

Array = NDArray[Any]
_KEPT = 2
"""Files whose items' roots are kept."""


class ItemFile:
    """A whole item file, mapped. InputError if it is none, or not of the length that its header says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                self.items = read_items_head(file.read(MAX_HEAD))
                size = os.fstat(file.fileno()).st_size
                if size != self.items.nbytes:
                    raise InputError(f"{path.name} is {size} bytes, its header says {self.items.nbytes}")
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (FileNotFoundError, IsADirectoryError) as fault:
            raise InputError(f"there is no item file {path}") from fault

    def __len__(self) -> int:
        return self.items.count

    def __getitem__(self, index: int) -> list[Array]:
        """The tensors of one item, copied so that they are aligned."""
        start = self.items.start + index * self.items.size
        data = memoryview(self._map)[start : start + self.items.size]
        return [np.array(array) for array in split_item(self.items.types, data)]

    def roots(self) -> Iterator[Hash32]:
        """The root of each item, from the bytes."""
        for index in range(len(self)):
            yield self.root(index)

    def root(self, index: int) -> Hash32:
        """The root of one item, from the bytes."""
        return item_root_of(self.tensor_roots(index))

    def tensor_roots(self, index: int) -> tuple[Hash32, ...]:
        """The roots of one item's tensors, from the bytes."""
        kinds = enumerate(self.items.types)
        return tuple(tensor_root(kind, self.tensor(index, number), HASHER) for number, kind in kinds)

    def tensor(self, index: int, number: int) -> memoryview:
        """The raw bytes of one tensor of an item, where the file is mapped.

        INVARIANT: what is hashed is read once and not copied: an item may be as large as the memory.
        """
        start = self.items.start + index * self.items.size + self._offsets[number]
        return memoryview(self._map)[start : start + self.items.types[number].nbytes]

    @cached_property
    def _offsets(self) -> list[int]:
        """Where tensors begin within an item."""
        return list(accumulate((kind.nbytes for kind in self.items.types), initial=0))

    def expect(self, types: Sequence[TensorType], what: str) -> None:
        """InputError unless the file holds items of these tensors."""
        if self.items.types != tuple(types):
            raise InputError(f"{what} hold {_shown(self.items.types)}, the program has {_shown(types)}")


def kept_roots(path: Path) -> bytes:
    """The roots of all items of a file, back to back.

    Whoever asks again about the same bytes has them at once: hashing all may take as long as making them.
    """
    found = path.stat()
    return _roots(str(path.resolve()), found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=_KEPT)
def _roots(path: str, _size: int, _written: int) -> bytes:
    return joined(ItemFile(Path(path)).roots())


def noted_roots(path: Path, count: int) -> bytes | None:
    """The roots of so many items, back to back, as `OutputFile` noted them, or None. A disk may have bent
    them.
    """
    try:
        held = path.read_bytes()[-32 * count :]
    except OSError:
        return None
    return held if len(held) == 32 * count else None


def _shown(types: Sequence[TensorType]) -> str:
    return ", ".join(f"{kind.dtype.name.lower()}{list(kind.shape)}" for kind in types) or "nothing"


class OutputFile:
    """Outputs being written: `<path>.part` holds the file so far, `<path>.key` what it belongs to.

    The key file begins with what binds the work (program, inputs, range) and grows by one item root after
    each item's bytes. On reopening, items are taken over as long as their bytes give the recorded root, so
    a torn write costs that item only.
    """

    def __init__(self, path: Path, binding: bytes, items: Items) -> None:
        self.path, self.items = path, items
        self.roots = bytearray()
        """Of the items that are written, back to back."""
        self._binding = binding
        self._part, self._key = path.with_name(path.name + ".part"), noted_path(path)
        recorded = self._recorded()
        if recorded is not None and len(recorded) == 32 * items.count and self._finished(recorded):
            self.roots += recorded
            self._data: IO[bytes] | None = None
            return
        self._data = self._reopen(recorded) if recorded is not None else self._fresh()
        self._log = self._key.open("r+b")
        self._log.truncate(len(binding) + len(self.roots))
        self._log.seek(0, os.SEEK_END)

    def _recorded(self) -> bytes | None:
        """The item roots of an earlier run of the same work, or None."""
        try:
            held = self._key.read_bytes()
        except OSError:
            return None
        if held[: len(self._binding)] != self._binding:
            return None
        start = len(self._binding)
        return held[start : start + (len(held) - start) // 32 * 32]

    def _finished(self, recorded: bytes) -> bool:
        try:
            done = ItemFile(self.path)
        except InputError:
            return False
        return done.items == self.items and joined(done.roots()) == recorded

    def _fresh(self) -> IO[bytes]:
        self._key.write_bytes(self._binding)
        data = self._part.open("w+b")
        data.write(self.items.head)
        data.flush()
        return data

    def _reopen(self, recorded: bytes) -> IO[bytes]:
        try:
            data = self._part.open("r+b")
        except OSError:
            return self._fresh()
        if data.read(self.items.start) != self.items.head:
            data.close()
            return self._fresh()
        for at in range(0, len(recorded), 32):
            root = recorded[at : at + 32]
            held = data.read(self.items.size)
            if len(held) < self.items.size:
                break
            if item_root(self.items.types, split_item(self.items.types, held), HASHER) != root:
                break
            self.roots += root
        data.seek(self.items.start + self.done * self.items.size)
        data.truncate()
        return data

    @property
    def done(self) -> int:
        """Items that are written."""
        return len(self.roots) // 32

    def append(self, arrays: Sequence[Array]) -> None:
        """Write the next item: its bytes first, then its root."""
        assert self._data is not None
        root = item_root(self.items.types, arrays, HASHER)
        for part in item_parts(self.items.types, arrays):
            self._data.write(part)
        self._data.flush()
        self._log.write(root)
        self._log.flush()
        self.roots += root

    def finish(self) -> None:
        """Give the file its name. The key stays, so that a repeated call finds the work done."""
        if self._data is not None:
            os.fsync(self._data.fileno())
            self._data.close()
            self._log.close()
            self._part.replace(self.path)
            self._data = None

    def close(self) -> None:
        """Leave the rest for a later run."""
        if self._data is not None:
            self._data.close()
            self._log.close()
