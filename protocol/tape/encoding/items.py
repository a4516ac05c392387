"""The bytes of a job's inputs or outputs: n items of the same tensors, back to back, readable as a stream.

magic "GVIT", u16 version, u16 tensors, u32 items, the tensors' types; then per item the tensors' raw
bytes. Every item has the same size, so item i begins at `Items.start + i * Items.size`.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from protocol.tape import limits
from protocol.tape.dtypes import TensorType
from protocol.tape.encoding.fields import Reader, type_bytes
from protocol.tape.late_numpy import Array, np
from protocol.tape.validate import check_type
from protocol.types.errors import InputError

MAGIC = b"GVIT"
VERSION = 1
MAX_HEAD = 12 + limits.MAX_INPUTS * (2 + 4 * limits.MAX_RANK)


@dataclass(frozen=True, slots=True)
class Items:
    """What an item file holds: the types of one item's tensors, and how many items."""

    types: tuple[TensorType, ...]
    count: int

    @property
    def head(self) -> bytes:
        """The header. InputError if the counts or shapes are over the limits."""
        if len(self.types) > limits.MAX_INPUTS or not 0 <= self.count <= limits.MAX_ITEMS:
            raise InputError(f"{len(self.types)} tensors x {self.count} items are too many")
        for number, kind in enumerate(self.types):
            check_type(kind, f"tensor {number}")
        counts = VERSION.to_bytes(2) + len(self.types).to_bytes(2) + self.count.to_bytes(4)
        return MAGIC + counts + b"".join(map(type_bytes, self.types))

    @property
    def start(self) -> int:
        """Where item 0 begins."""
        return len(self.head)

    @property
    def size(self) -> int:
        """Bytes of one item."""
        return sum(kind.nbytes for kind in self.types)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole file."""
        return self.start + self.count * self.size


def read_items_head(data: bytes | memoryview) -> Items:
    """The header at the front of `data`, which needs at most its first MAX_HEAD bytes. InputError if it is
    none.
    """
    reader = Reader(data, "item file")
    if bytes(reader.take(4)) != MAGIC:
        raise InputError("this is no item file: it does not begin with GVIT")
    version = reader.number(2)
    if version != VERSION:
        raise InputError(f"item file version {version}, this software reads version {VERSION}")
    tensors = reader.count(2, limits.MAX_INPUTS, "tensors")
    count = reader.count(4, limits.MAX_ITEMS, "items")
    items = Items(tuple(reader.type() for _ in range(tensors)), count)
    for number, kind in enumerate(items.types):
        check_type(kind, f"tensor {number}")
    return items


def split_item(types: Sequence[TensorType], data: bytes | memoryview) -> list[Array]:
    """One item's tensors as read-only arrays over `data`, which must be exactly one item."""
    view = memoryview(data)
    if len(view) != sum(kind.nbytes for kind in types):
        raise InputError(f"an item of {len(view)} bytes, not {sum(kind.nbytes for kind in types)}")
    arrays, at = [], 0
    for kind in types:
        flat = np.frombuffer(view[at : at + kind.nbytes], dtype=kind.dtype.numpy)
        arrays.append(flat.reshape(kind.shape))
        at += kind.nbytes
    return arrays


def item_parts(types: Sequence[TensorType], arrays: Sequence[Array]) -> Iterator[memoryview]:
    """One item's bytes, tensor by tensor and not copied. InputError if the arrays do not have these types."""
    for kind, array in zip(types, arrays, strict=True):
        if array.dtype != np.dtype(kind.dtype.numpy) or array.shape != kind.shape:
            raise InputError(f"a tensor is {array.dtype}{array.shape}, not {kind.dtype.name}{kind.shape}")
    return (np.ascontiguousarray(array).reshape(-1).view(np.uint8).data for array in arrays)


def join_item(types: Sequence[TensorType], arrays: Sequence[Array]) -> bytes:
    """One item's bytes. InputError if the arrays do not have these types."""
    return b"".join(item_parts(types, arrays))


def encode_items(types: Sequence[TensorType], items: Iterable[Sequence[Array]]) -> bytes:
    """A whole small file at once."""
    parts = [join_item(types, item) for item in items]
    return b"".join([Items(tuple(types), len(parts)).head, *parts])


def decode_items(data: bytes | memoryview) -> tuple[Items, Iterator[list[Array]]]:
    """The header and the items, one after another. InputError if the length does not fit the header."""
    items = read_items_head(data)
    view = memoryview(data)
    if len(view) != items.nbytes:
        raise InputError(f"an item file of {len(view)} bytes, its header says {items.nbytes}")
    starts = (items.start + number * items.size for number in range(items.count))
    return items, (split_item(items.types, view[start : start + items.size]) for start in starts)
