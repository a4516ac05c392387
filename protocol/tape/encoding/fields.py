"""Reading and writing the fixed-width big-endian fields of headers."""

import struct

from protocol.tape import limits
from protocol.tape.dtypes import DType, Shape, TensorType
from protocol.types.errors import InputError


class Reader:
    """Takes fields off the front of untrusted bytes. Every method raises InputError at the end of
    the data.
    """

    def __init__(self, data: bytes | memoryview, name: str) -> None:
        self._data = memoryview(data)
        self._at = 0
        self._name = name

    @property
    def at(self) -> int:
        """How many bytes were taken."""
        return self._at

    @property
    def left(self) -> int:
        """How many bytes remain."""
        return len(self._data) - self._at

    def take(self, size: int) -> memoryview:
        """The next `size` bytes."""
        if size > self.left:
            raise InputError(f"{self._name} ends at byte {len(self._data)}, inside a field")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, width: int) -> int:
        """An unsigned number of `width` bytes."""
        return int.from_bytes(self.take(width))

    def signed(self) -> int:
        """A signed number of four bytes."""
        return int.from_bytes(self.take(4), signed=True)

    def count(self, width: int, most: int, what: str) -> int:
        """A number that may be at most `most`, so that no loop runs on a hostile length."""
        number = self.number(width)
        if number > most:
            raise InputError(f"{self._name}: {number} {what}, at most {most} are allowed")
        return number

    def dtype(self) -> DType:
        """An element type."""
        code = self.number(1)
        if code not in DType.__members__.values():
            raise InputError(f"{self._name}: unknown element type {code}")
        return DType(code)

    def shape(self) -> Shape:
        """Rank and sizes."""
        rank = self.count(1, limits.MAX_RANK, "axes")
        return tuple(self.number(4) for _ in range(rank))

    def type(self) -> TensorType:
        """Element type and shape."""
        return TensorType(self.dtype(), self.shape())

    def end(self) -> None:
        """InputError if anything is left."""
        if self.left:
            raise InputError(f"{self._name} has {self.left} bytes too many")


def u8(*numbers: int) -> bytes:
    """Unsigned bytes."""
    return bytes(numbers)


def u32(*numbers: int) -> bytes:
    """Unsigned four-byte numbers."""
    return struct.pack(f">{len(numbers)}I", *numbers)


def i32(*numbers: int) -> bytes:
    """Signed four-byte numbers."""
    return struct.pack(f">{len(numbers)}i", *numbers)


def shape_bytes(shape: Shape) -> bytes:
    """Rank and sizes."""
    return u8(len(shape)) + u32(*shape)


def type_bytes(kind: TensorType) -> bytes:
    """Element type, rank and sizes."""
    return u8(kind.dtype) + shape_bytes(kind.shape)
