"""The compiled kernels, reached through ctypes (which lets other Python threads run meanwhile)."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CDLL, POINTER, Structure, c_int, c_int64, c_uint16, c_uint32, c_void_p
from functools import cache
from importlib.util import find_spec

from protocol.tape.limits import MAX_RANK
from protocol.types.errors import InputError

DONE, LATE = 0, 1
INTERFACE = 3  # as in module.c
CONTROL = 0x1F80  # MXCSR: round to nearest even, flush nothing, mask all exceptions
BUILD = "run `make setup` or `python setup.py kernels`"
Row = c_int64 * MAX_RANK


class Task(Structure):
    """Any kernel's arguments. Every subclass has `first`, `last` and `deadline`: its share of the work."""


class Step(Structure):
    """`step` of map.h."""

    _fields_ = [(name, c_uint16) for name in ("op", "constant", "d", "a", "b", "c")]


class From(Structure):
    """`operand` of map.h."""

    _fields_ = [("base", c_void_p), ("dtype", c_int64), ("offset", c_int64), ("strides", Row)]


class MapTask(Task):
    """`map` of map.h."""

    _fields_ = [
        ("out", c_void_p),
        ("scratch", c_void_p),
        *((name, c_int64) for name in ("dtype", "operands", "dims")),
        ("extents", Row),
        ("sources", From * 4),
        ("steps", c_void_p),
        ("constants", c_void_p),
        *((name, c_int64) for name in ("count", "slots", "result", "first", "last", "deadline")),
    ]


class ProductTask(Task):
    """`product` of product.h."""

    _fields_ = [
        *((name, c_void_p) for name in ("a", "b", "packed", "row_at", "column_at", "out", "scratch")),
        *((name, c_int64) for name in ("m", "n", "k", "a_row", "b_row", "out_m", "out_n", "batches")),
        *((name, Row) for name in ("extents", "a_batch", "b_batch", "out_batch")),
        *((name, c_int64) for name in ("first", "last", "deadline")),
    ]


class ReductionTask(Task):
    """`reduction` of reduce.h."""

    _fields_ = [
        ("out", c_void_p),
        ("dims", c_int64),
        ("extents", Row),
        ("depth", c_int64),
        ("greatest", c_int64),
        ("a", From),
        ("b", From),
        *((name, c_int64) for name in ("first", "last", "deadline")),
    ]


class MoveTask(Task):
    """`move` of move.c."""

    _fields_ = [
        ("source", c_void_p),
        ("out", c_void_p),
        *((name, c_int64) for name in ("width", "fill", "dims")),
        ("extents", Row),
        ("views", c_int64),
        *((name, Row) for name in ("view", "steps", "offsets")),
        ("coefs", Row * MAX_RANK),
        *((name, c_int64) for name in ("first", "last", "deadline")),
    ]


class CopyTask(Task):
    """`copy` of move.c."""

    _fields_ = [
        ("source", c_void_p),
        ("out", c_void_p),
        *((name, c_int64) for name in ("width", "offset", "dims")),
        ("extents", Row),
        ("strides", Row),
        *((name, c_int64) for name in ("first", "last", "deadline")),
    ]


class TransposeTask(Task):
    """`transposition` of move.c."""

    _fields_ = [
        ("source", c_void_p),
        ("out", c_void_p),
        *((name, c_int64) for name in ("width", "offset", "dims")),
        *((name, Row) for name in ("extents", "strides", "out_strides")),
        *((name, c_int64) for name in ("first", "last", "deadline")),
    ]


class SpreadTask(Task):
    """`spread` of move.c."""

    _fields_ = [
        *((name, c_void_p) for name in ("source", "out", "row_at", "column_at")),
        *((name, c_int64) for name in ("depth", "first", "last", "deadline")),
    ]


class GatherTask(Task):
    """`gather` of move.c."""

    _fields_ = [
        *((name, c_void_p) for name in ("source", "index", "out")),
        *((name, c_int64) for name in ("index_dtype", "width", "fill", "row", "rows")),
        *((name, c_int64) for name in ("first", "last", "deadline")),
    ]


# Kernel name -> its argument record; all return DONE or LATE.
TASKS: dict[str, type[Task]] = {
    "gv_map": MapTask,
    "gv_products": ProductTask,
    "gv_byte_products": ProductTask,
    "gv_dots": ReductionTask,
    "gv_extremes": ReductionTask,
    "gv_integer_dots": ReductionTask,
    "gv_move": MoveTask,
    "gv_copy": CopyTask,
    "gv_transpose": TransposeTask,
    "gv_spread": SpreadTask,
    "gv_gather": GatherTask,
}


@cache
def library() -> CDLL:
    """The kernels, loaded once. InputError if set-up has not built them."""
    spec = find_spec("protocol.engines.cpu._kernels")
    if spec is None or spec.origin is None:
        raise InputError("the CPU engine's kernels are not built", BUILD)
    kernels = CDLL(spec.origin)
    check_build(kernels)
    for name, task in TASKS.items():
        function = getattr(kernels, name)
        function.argtypes = [POINTER(task)]
        function.restype = c_int
    for name, arguments in (
        ("gv_pack_b", [c_void_p, c_void_p, c_int64, c_int64, c_int64]),
        ("gv_leaves", [c_void_p, c_void_p, c_int64, c_int64]),
        ("gv_parents", [c_void_p, c_void_p, c_int64]),
        ("gv_whole", [c_void_p, c_void_p, c_int64]),
    ):
        getattr(kernels, name).argtypes = arguments
        getattr(kernels, name).restype = None
    for name in ("gv_packed_size", "gv_product_scratch"):
        getattr(kernels, name).argtypes = [c_int64] * (2 if name == "gv_packed_size" else 1)
        getattr(kernels, name).restype = c_int64
    kernels.gv_control.argtypes = [c_uint32]
    kernels.gv_control.restype = c_uint32
    kernels.gv_level.argtypes = [c_int]
    kernels.gv_level(-1)
    return kernels


@contextmanager
def exact_numbers() -> Iterator[None]:
    """This thread keeps subnormals and rounds to nearest inside the block, numpy's arithmetic included."""
    kernels = library()
    saved = kernels.gv_control(CONTROL)
    try:
        yield
    finally:
        kernels.gv_control(saved)


def check_build(kernels: CDLL) -> None:
    """InputError if the library was built from other sources: its records would be read in the
    wrong places.
    """
    size = getattr(kernels, "gv_size", None)
    if size is not None:
        size.argtypes = [ctypes.c_char_p]
        size.restype = c_int64
    wanted = {name: ctypes.sizeof(task) for name, task in TASKS.items()} | {"interface": INTERFACE}
    if size is None or any(size(name.encode()) != number for name, number in wanted.items()):
        raise InputError("the CPU engine's kernels are of another version", BUILD)


def row(numbers: tuple[int, ...] | list[int]) -> "ctypes.Array[c_int64]":
    """Numbers as a C row, zeros behind."""
    return Row(*numbers)
