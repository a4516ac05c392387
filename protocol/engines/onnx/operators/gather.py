"""Reading by index: Gather, GatherElements, GatherND, OneHot, and nearest and linear Resize.

An index outside its axis gives 0 (ONNX leaves it undefined); a negative one counts from the end.
"""

import math

import numpy as np

from protocol.engines.onnx.operators.cast import cast_to
from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.tensors import Tensor
from protocol.tape.dtypes import I32
from protocol.tape.limits import MAX_ELEMENTS
from protocol.tape.scalar import Value, const, eq, where

OUTSIDE = -1
"""A place of no row."""


def from_end(ctx: Context, index: Tensor, size: int) -> Tensor:
    """Negative indices made to count from the front."""
    if index.array is not None:
        ctx.graph.budget.make(index.shape, 16)
        array = index.array.astype(np.int64)
        return ctx.graph.constant(np.where(array < 0, array + size, array))
    return ctx.graph.apply("i32", lambda i: where(i < 0, i + size, i), index)


def take(ctx: Context, x: Tensor, index: Tensor, axis: int) -> Tensor:
    """numpy's take along one axis."""
    size = x.shape[axis]
    index = from_end(ctx, index, size)
    if index.array is not None and index.rank == 0 and 0 <= int(index.array) < size:
        picked = ctx.graph.slice(x, axis, int(index.array), 1)
        return ctx.graph.reshape(picked, (*x.shape[:axis], *x.shape[axis + 1 :]))
    outer, inner = x.shape[:axis], x.shape[axis + 1 :]
    order = [axis, *range(axis), *range(axis + 1, x.rank)]
    table = ctx.graph.reshape(ctx.graph.transpose(x, order), (size, math.prod(outer) * math.prod(inner)))
    rows = ctx.graph.reshape(ctx.graph.gather(table, index), (*index.shape, *outer, *inner))
    n, m = index.rank, len(outer)
    return ctx.graph.transpose(rows, [*range(n, n + m), *range(n), *range(n + m, rows.rank)])


@operator("Gather")
def gather(ctx: Context, x: Tensor, index: Tensor) -> Tensor:
    """Slices of an axis: its place in the shape is taken by the index's shape."""
    return take(ctx, x, index, ctx.axis(int(ctx.attr("axis", 0)), x.rank))


def _places(ctx: Context, shape: tuple[int, ...], strides: list[int]) -> Tensor:
    """The constant tensor of sum(stride * coordinate)."""
    ctx.graph.budget.make(shape, 8 * (len(shape) + 1))
    grids = np.indices(shape, dtype=np.int64)
    total = sum((g * s for g, s in zip(grids, strides, strict=True)), np.zeros(shape, np.int64))
    return ctx.graph.constant(np.asarray(total, np.int64))


@operator("GatherElements")
def gather_elements(ctx: Context, x: Tensor, index: Tensor) -> Tensor:
    """x at the index's own coordinates, the axis's one replaced by the index."""
    axis = ctx.axis(int(ctx.attr("axis", 0)), x.rank)
    if index.rank != x.rank:
        raise ctx.refuse("index and data must have as many axes")
    if any(i > s for a, (i, s) in enumerate(zip(index.shape, x.shape, strict=True)) if a != axis):
        raise ctx.refuse(f"an index of {list(index.shape)} is larger than data of {list(x.shape)}")
    index = from_end(ctx, index, x.shape[axis])
    strides = [math.prod(x.shape[a + 1 :]) for a in range(x.rank)]
    step, outside = strides[axis], x.size
    strides[axis] = 0
    size = x.shape[axis]
    flat = ctx.graph.apply(
        "i32",
        lambda i, p: where((i >= 0) & (i < size), i * step + p, const(outside, I32)),
        index,
        _places(ctx, index.shape, strides),
    )
    made = ctx.graph.gather(ctx.graph.reshape(x, (x.size, 1)), flat)
    return ctx.graph.reshape(made, index.shape)


@operator("GatherND")
def gather_nd(ctx: Context, x: Tensor, index: Tensor) -> Tensor:
    """x at index tuples along the index's last axis."""
    if ctx.attr("batch_dims", 0):
        raise ctx.refuse("batch_dims is not supported")
    depth = index.shape[-1]
    if not 1 <= depth <= x.rank:
        raise ctx.refuse(f"index tuples of {depth} for {x.rank} axes")
    inner, rows = math.prod(x.shape[depth:]), math.prod(x.shape[:depth])
    flat: Tensor | None = None
    for a in range(depth):
        column = ctx.graph.reshape(ctx.graph.slice(index, index.rank - 1, a, 1), index.shape[:-1])
        column = from_end(ctx, column, x.shape[a])
        step = math.prod(x.shape[a + 1 : depth])
        size = x.shape[a]

        def placed(i: Value, s: int = step, n: int = size) -> Value:
            # Outside on one axis is outside altogether: no sum of places may lead back in.
            return where((i >= 0) & (i < n), i * s, const(OUTSIDE, I32))

        def joined(p: Value, q: Value) -> Value:
            return where((p < 0) | (q < 0), const(OUTSIDE, I32), p + q)

        scaled = ctx.graph.apply("i32", placed, column)
        flat = scaled if flat is None else ctx.graph.apply("i32", joined, flat, scaled)
    assert flat is not None
    table = ctx.graph.reshape(x, (rows, inner))
    return ctx.graph.reshape(ctx.graph.gather(table, flat), (*index.shape[:-1], *x.shape[depth:]))


@operator("OneHot")
def one_hot(ctx: Context, index: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    """values[1] where the new axis's coordinate is the index, else values[0]."""
    sizes = ctx.ints("depth", depth) or [0]
    size = sizes[0]
    if not 0 <= size <= MAX_ELEMENTS // max(index.size, 1):
        raise ctx.refuse(f"a depth of {size}")
    axis = ctx.axis(int(ctx.attr("axis", -1)), index.rank + 1)
    shape = (*index.shape[:axis], 1, *index.shape[axis:])
    whole = cast_to(ctx, index, "i64")
    wide = ctx.graph.reshape(from_end(ctx, whole, size), shape)
    ctx.graph.budget.make((size,))
    line = ctx.graph.constant(np.arange(size).reshape(-1, *(1,) * (index.rank - axis)))
    off = ctx.graph.reshape(ctx.graph.slice(values, 0, 0, 1), ())
    on = ctx.graph.reshape(ctx.graph.slice(values, 0, 1, 1), ())
    return ctx.graph.apply(values.kind, lambda i, p, a, b: where(eq(i, p), a, b), wide, line, on, off)
