"""The records that kernels take, as the sources in `kernels` declare them; every source checks the sizes."""

from collections.abc import Sequence
from ctypes import Array, Structure, c_int32, c_int64, c_uint32, c_void_p

from protocol.tape.limits import MAX_MAP_OPERANDS, MAX_RANK

Row = c_int64 * MAX_RANK


class Divisor(Structure):
    """`divisor` of common.cuh."""

    _fields_ = [(name, c_uint32) for name in ("size", "mul", "shift")]


class Shape(Structure):
    """`shape` of common.cuh."""

    _fields_ = [("dims", c_int32), ("spare", c_int32), ("axis", Divisor * MAX_RANK)]


class Operand(Structure):
    """`operand` of common.cuh."""

    _fields_ = [
        ("base", c_void_p),
        ("offset", c_int64),
        ("strides", Row),
        ("dtype", c_int32),
        ("spare", c_int32),
    ]


class Record(Structure):
    """Any kernel's argument. Every one has `first` and `last`: the share of the work of one launch."""


class MapTask(Record):
    """`map_task` of map.cuh."""

    _fields_ = [
        *((name, c_void_p) for name in ("out", "code", "words")),
        ("over", Shape),
        ("sources", Operand * MAX_MAP_OPERANDS),
        *((name, c_int32) for name in ("dtype", "operands", "constants", "steps", "result", "spare")),
        *((name, c_uint32) for name in ("first", "last")),
    ]


class RowsTask(Record):
    """`rows_task` of rows.cuh."""

    _fields_ = [
        ("out", c_void_p),
        ("over", Shape),
        ("a", Operand),
        ("b", Operand),
        *((name, c_uint32) for name in ("depth", "greatest", "first", "last")),
    ]


class ProductTask(Record):
    """`product_task` of product.cuh."""

    _fields_ = [
        *((name, c_void_p) for name in ("a", "b", "out")),
        *((name, c_int64) for name in ("a_row", "b_row", "out_m", "out_n")),
        *((name, Row) for name in ("a_batch", "b_batch", "out_batch")),
        ("batches", Shape),
        ("tiles_m", Divisor),
        ("tiles_n", Divisor),
        *((name, c_uint32) for name in ("m", "n", "k", "aligned", "first", "last")),
    ]


class MoveTask(Record):
    """`move_task` of move.cuh."""

    _fields_ = [
        ("source", c_void_p),
        ("out", c_void_p),
        ("grid", Shape),
        ("view", Row),
        ("offsets", Row),
        ("coefs", Row * MAX_RANK),
        ("views", c_int32),
        ("width", c_int32),
        *((name, c_uint32) for name in ("fill", "spare", "first", "last")),
    ]


class CopyTask(Record):
    """`copy_task` of move.cuh."""

    _fields_ = [
        ("source", Operand),
        ("out", c_void_p),
        ("over", Shape),
        *((name, c_uint32) for name in ("width", "first", "last", "spare")),
    ]


class GatherTask(Record):
    """`gather_task` of move.cuh."""

    _fields_ = [
        *((name, c_void_p) for name in ("source", "index", "out")),
        ("row", Divisor),
        *((name, c_uint32) for name in ("rows", "fill")),
        *((name, c_int32) for name in ("index_dtype", "width")),
        *((name, c_uint32) for name in ("first", "last", "spare")),
    ]


class JoinTask(Record):
    """`join_task` of move.cuh."""

    _fields_ = [
        ("source", c_void_p),
        ("out", c_void_p),
        ("span", Divisor),
        ("width", c_uint32),
        ("whole", c_int64),
        ("start", c_int64),
        ("first", c_uint32),
        ("last", c_uint32),
    ]


NAMES: dict[str, type[Structure]] = {
    "divisor": Divisor,
    "shape": Shape,
    "operand": Operand,
    "map_task": MapTask,
    "rows_task": RowsTask,
    "product_task": ProductTask,
    "move_task": MoveTask,
    "copy_task": CopyTask,
    "gather_task": GatherTask,
    "join_task": JoinTask,
}
"""C name -> record."""


def divisor(size: int) -> Divisor:
    """Division by `size` of any number below 2^31 as (n * mul) >> shift.

    With 2^s the power of two at or above size, mul = ceil(2^(31 + s) / size) is at most 32 bits long and off
    by less than 2^s / size, so the quotient is off by less than 1 / size (Granlund and Montgomery, "Division
    by invariant integers using multiplication", 1994).
    """
    shift = 31 + max(size - 1, 0).bit_length()
    return Divisor(size, -(-(1 << shift) // max(size, 1)), shift)


def shape_of(extents: Sequence[int]) -> Shape:
    """A shape whose axes kernels walk."""
    return Shape(len(extents), 0, (Divisor * MAX_RANK)(*(divisor(extent) for extent in extents)))


def row(numbers: Sequence[int]) -> "Array[c_int64]":
    """Numbers as a C row, zeros behind."""
    return Row(*numbers)
