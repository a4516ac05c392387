"""Element types and shapes of tensors."""

import enum
import math
from dataclasses import dataclass

Shape = tuple[int, ...]
CANONICAL_NAN = 0x7FC00000


class DType(enum.IntEnum):
    """The type of a tensor's elements. Zero is never valid, so that a blank header names no type."""

    F32 = 1
    I32 = 2
    I8 = 3

    @property
    def width(self) -> int:
        """Bytes of one element."""
        return 1 if self is DType.I8 else 4

    @property
    def numpy(self) -> str:
        """The numpy type string; tensor bytes are little-endian everywhere."""
        return {DType.F32: "<f4", DType.I32: "<i4", DType.I8: "|i1"}[self]

    @property
    def register(self) -> "DType":
        """The type that a MAP register holds after loading such an element: i8 is sign-extended to i32."""
        return DType.I32 if self is DType.I8 else self


F32, I32, I8 = DType.F32, DType.I32, DType.I8


@dataclass(frozen=True, slots=True)
class TensorType:
    """Element type and static shape of one tensor; () is a scalar, a zero dimension makes it empty."""

    dtype: DType
    shape: Shape

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    @property
    def columns(self) -> int:
        """Length of the last axis (1 for a scalar)."""
        return self.shape[-1] if self.shape else 1

    @property
    def rows(self) -> int:
        """How many rows of the last axis it has (1 for a scalar)."""
        return math.prod(self.shape[:-1])

    @property
    def nbytes(self) -> int:
        """Bytes of the raw tensor."""
        return self.elements * self.dtype.width


def row_major(shape: Shape) -> tuple[int, ...]:
    """Strides, in elements, of a dense tensor of this shape."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))
