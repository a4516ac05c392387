"""Turning a node into launches: a kernel's name and record, made once, run for every item."""

import math
from collections.abc import Callable, Sequence
from ctypes import Array, c_int64
from dataclasses import dataclass

from protocol.engines.cpu.contracting import Axis, Roles, axes_of, roles_of
from protocol.engines.cpu.layout import flat_view
from protocol.engines.cpu.strides import Strides, merge, scaled
from protocol.engines.cuda.records import (
    CopyTask,
    GatherTask,
    JoinTask,
    MapTask,
    MoveTask,
    Operand,
    ProductTask,
    Record,
    Row,
    RowsTask,
    divisor,
    row,
    shape_of,
)
from protocol.tape.dtypes import F32, I8, I32, TensorType
from protocol.tape.limits import MAX_RANK
from protocol.tape.nodes import Affine, Contract, Gather, Join, Map, Move, Reduce, ReduceKind

THREADS, LANES = 256, 32  # as in common.cuh
LARGE, SMALL = 128, 32  # tiles of product.cuh
ENOUGH_TILES = 96  # large tiles than which fewer would leave much of a GPU idle
FEWEST_ROWS = 4  # of a product that is worth tiles; below, each element is its own dot product


@dataclass
class Launch:
    """`units` of work, `per_block` of them to a block of `threads`; each costs about `cost` multiply-adds."""

    kernel: str
    record: Record
    units: int
    per_block: int
    threads: int
    cost: int


@dataclass(frozen=True)
class Place:
    """One value: its address on the device and its type."""

    address: int
    type: TensorType


@dataclass(frozen=True)
class Program:
    """How a MAP's program runs: a compiled kernel's name, or `map_any` with the addresses of its code and
    constants.
    """

    kernel: str
    code: int = 0
    words: int = 0


def compile_map(node: Map, program: Program, sources: Sequence[Place], out: Place) -> Launch:
    """A MAP: one thread per element."""
    extents, vectors = merge(node.shape, *(operand.at.coefs for operand in node.operands))
    given = node.program
    record = MapTask(
        out=out.address,
        code=program.code,
        words=program.words,
        over=shape_of(extents),
        dtype=int(node.dtype),
        operands=len(sources),
        constants=len(given.f32) + len(given.i32),
        steps=len(given.code),
        result=given.result,
    )
    for i, (operand, source, strides) in enumerate(zip(node.operands, sources, vectors, strict=True)):
        record.sources[i] = _operand(source, operand.at.offset, strides)
    for i in range(len(sources), len(record.sources)):  # the interpreter computes places of all four
        record.sources[i] = record.sources[0]
    return _elementwise(program.kernel, record, out, 4 + len(given.code))


def compile_contract(node: Contract, sources: Sequence[Place], out: Place, tile: int | None = None) -> Launch:
    """A CONTRACT: tiles where both sides have rows of one type enough, else each element its own chain.

    `tile` (LARGE or SMALL) decides for one size of tiles, which else follows from the product's.
    """
    columns = sources[0].type.columns
    axes = axes_of(node, columns)
    if node.right is not None:
        left, right = sources
        roles = roles_of(axes) if left.type.dtype is right.type.dtype is not I32 else None
        if roles is not None and min(roles.along.extent, roles.down.extent) >= FEWEST_ROWS:
            return _products(
                roles, (left, node.left.at), (right, node.right.at), columns=columns, out=out, tile=tile
            )
    record = RowsTask(out=out.address, over=shape_of([axis.extent for axis in axes]), depth=columns)
    record.a = _rows(sources[0], node.left.at, columns, [axis.left for axis in axes])
    if node.right is not None:
        record.b = _rows(sources[1], node.right.at, columns, [axis.right for axis in axes])
    kernel = "dots" if node.dtype is F32 else "integer_dots"
    return Launch(kernel, record, out.type.elements, LANES, LANES, columns + 8)


def compile_reduce(node: Reduce, source: Place, out: Place) -> Launch:
    """A REDUCE: each element its own row."""
    columns = source.type.columns
    extents, (strides,) = merge(node.shape, scaled(node.operand.at, columns).coefs)
    record = RowsTask(
        out=out.address,
        over=shape_of(extents),
        depth=columns,
        greatest=int(node.kind is ReduceKind.MAX),
    )
    record.a = _rows(source, node.operand.at, columns, strides)
    kernel = "float_extremes" if node.dtype is F32 else "integer_extremes"
    return Launch(kernel, record, out.type.elements, LANES, LANES, columns + 8)


def compile_move(node: Move, source: Place, out: Place) -> Launch:
    """A MOVE: a strided copy if nothing lies outside the source, else each place is computed and checked."""
    flat = flat_view(node)
    if flat is not None:
        extents, (strides,) = merge(node.grid, flat.coefs)
        copy = CopyTask(out=out.address, over=shape_of(extents), width=node.dtype.width)
        copy.source = _operand(source, flat.offset, strides)
        return _elementwise("copy", copy, out, 4)
    coefs = list(zip(*(axis.coefs for axis in node.axes), strict=True)) if node.grid else []
    record = MoveTask(
        source=source.address,
        out=out.address,
        grid=shape_of(node.grid),
        view=row(node.view),
        offsets=row([axis.offset for axis in node.axes]),
        coefs=(Row * MAX_RANK)(*(row(line) for line in coefs)),
        views=len(node.view),
        width=node.dtype.width,
        fill=node.fill,
    )
    return _elementwise("move", record, out, 16)


def compile_gather(node: Gather, source: Place, index: Place, out: Place) -> Launch:
    """A GATHER: one copied or filled element per thread."""
    record = GatherTask(
        source=source.address,
        index=index.address,
        out=out.address,
        row=divisor(node.row),
        rows=source.type.elements // node.row,
        fill=node.fill,
        index_dtype=int(index.type.dtype),
        width=node.dtype.width,
    )
    return _elementwise("gather", record, out, 4)


def compile_join(node: Join, sources: Sequence[Place], out: Place) -> list[Launch]:
    """A JOIN: one launch per part that holds something."""
    inner = math.prod(node.shape[node.axis + 1 :])
    start = 0
    launches = []
    for source in sources:
        span = source.type.shape[node.axis] * inner
        record = JoinTask(
            source=source.address,
            out=out.address,
            span=divisor(span),
            width=node.dtype.width,
            whole=node.shape[node.axis] * inner,
            start=start,
        )
        start += span
        if source.type.elements:
            launches.append(Launch("join", record, source.type.elements, THREADS, THREADS, 4))
    return launches


def _products(
    roles: Roles,
    left: tuple[Place, Affine],
    right: tuple[Place, Affine],
    *,
    columns: int,
    out: Place,
    tile: int | None,
) -> Launch:
    (a, a_at), (b, b_at) = (right, left) if roles.left_is_b else (left, right)
    along, down, batches = roles.along, roles.down, roles.batches
    count = math.prod(axis.extent for axis in batches)
    width = a.type.dtype.width

    def tiles(size: int) -> int:
        return count * -(-along.extent // size) * -(-down.extent // size)

    filled = 2 * out.type.elements >= tiles(LARGE) * LARGE * LARGE
    size = tile or (LARGE if filled and tiles(LARGE) >= ENOUGH_TILES else SMALL)
    name = "product_large" if size == LARGE else "product_small"
    a_from = a.address + width * columns * a_at.offset
    b_from = b.address + width * columns * b_at.offset

    def steps(of: Callable[[Axis], int]) -> "Array[c_int64]":
        return row([of(axis) for axis in batches])

    record = ProductTask(
        a=a_from,
        b=b_from,
        out=out.address,
        a_row=roles.steps(down)[0],
        b_row=roles.steps(along)[1],
        out_m=down.out,
        out_n=along.out,
        a_batch=steps(lambda axis: roles.steps(axis)[0]),
        b_batch=steps(lambda axis: roles.steps(axis)[1]),
        out_batch=steps(lambda axis: axis.out),
        batches=shape_of([axis.extent for axis in batches]),
        tiles_m=divisor(-(-down.extent // size)),
        tiles_n=divisor(-(-along.extent // size)),
        m=down.extent,
        n=along.extent,
        k=columns,
        aligned=int(columns % 4 == 0 and a_from % 4 == 0 and b_from % 4 == 0),
    )
    kernel = f"byte_{name}" if a.type.dtype is I8 else name
    return Launch(kernel, record, tiles(size), 1, THREADS, size * size * max(columns, 1))


def _operand(source: Place, offset: int, strides: Strides) -> Operand:
    return Operand(source.address, offset, row(strides), int(source.type.dtype))


def _rows(source: Place, at: Affine, columns: int, strides: Sequence[int]) -> Operand:
    """Rows of `columns` elements, whose strides were already scaled to elements."""
    return _operand(source, at.offset * columns, tuple(strides))


def _elementwise(kernel: str, record: Record, out: Place, cost: int) -> Launch:
    return Launch(kernel, record, out.type.elements, THREADS, THREADS, cost)
