"""What an ONNX name stands for while lowering: a constant array or a view of a node's output.

Element types are ONNX's names f32, i32, i64, bool, i8, u8. All but f32 are held as i32 words: bool as 0 or 1,
i8 and u8 as their value, i64 as its low 32 bits.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from protocol.tape.dtypes import CANONICAL_NAN, F32, I32, DType, Shape
from protocol.tape.scalar import Value as Scalar
from protocol.types.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]

KIND_OF_DTYPE: dict[np.dtype[Any], str] = {
    np.dtype(np.float32): "f32",
    np.dtype(np.int32): "i32",
    np.dtype(np.int64): "i64",
    np.dtype(np.bool_): "bool",
    np.dtype(np.int8): "i8",
    np.dtype(np.uint8): "u8",
}
DTYPE_OF_KIND: dict[str, np.dtype[Any]] = {name: dtype for dtype, name in KIND_OF_DTYPE.items()}

NAN = np.uint32(CANONICAL_NAN).view(np.float32)
MAX_CONSTANT = 2**28
"""Elements of one constant: more is a bomb, not a weight."""


def word_of(kind: str) -> DType:
    """The words that hold elements of an ONNX type."""
    return F32 if kind == "f32" else I32


@dataclass(frozen=True)
class View:
    """Elements of the flat output of node `node`.

    At output coordinate c, element offset + sum(stride * c).
    """

    node: int
    offset: int
    strides: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Tensor:
    """What an ONNX name stands for: a constant (`array`) or a view of a node's output."""

    kind: str
    shape: Shape
    array: Array | None = None
    view: View | None = None

    @property
    def word(self) -> DType:
        """The words that hold it: F32 for f32, I32 for everything else."""
        return F32 if self.kind == "f32" else I32

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)


def as_words(array: Array) -> Array:
    """A constant as f32 or i32 words, every NaN the tape's one.

    InputError for a type or value that words cannot hold.
    """
    if array.size > MAX_CONSTANT:
        raise InputError(f"a constant of {array.size} elements is above the limit of {MAX_CONSTANT}")
    if array.dtype == np.float32:
        dense = np.ascontiguousarray(array)
        return np.where(np.isnan(dense), NAN, dense) if np.isnan(dense).any() else dense
    if array.dtype.hasobject:
        raise InputError("strings cannot run: convert them to numbers before the model")
    if array.dtype not in KIND_OF_DTYPE:
        raise InputError(f"element type {array.dtype} cannot run: convert the model to f32")
    if array.dtype == np.int64 and array.size:
        low, high = int(array.min()), int(array.max())
        if low < -(2**31) or high >= 2**31:
            raise InputError(f"the i64 value {low if low < -(2**31) else high} does not fit 32 bits")
    return np.ascontiguousarray(array.astype(np.int32, copy=False))


def literal(tensor: Tensor) -> Scalar:
    """A constant of one element as a literal of the scalar program."""
    assert tensor.array is not None
    words = as_words(tensor.array)
    return Scalar(tensor.word, "const", word=int(words.reshape(-1).view(np.uint32)[0]))
