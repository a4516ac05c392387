"""The Reduce family: Sum, Mean, Max, Min, Prod, L1, L2, SumSquare, LogSum, LogSumExp.

A sum is a CONTRACT with the literal 1, an extreme is a REDUCE, both along the last axis: other axes are
moved there by their view. Shape rule: reduced axes go, or stay with one element (`keepdims`).
"""

import math
from collections.abc import Callable

import numpy as np

from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.operators.scalars import wrap
from protocol.engines.onnx.tensors import DTYPE_OF_KIND, Tensor
from protocol.tape import functions as table
from protocol.tape.dtypes import F32
from protocol.tape.nodes import ReduceKind
from protocol.tape.scalar import Value, const, sqrt, where

Rows = Callable[[Context, Tensor], Tensor]
"""Takes (kept..., reduced) to (kept...)."""


def reduced_axes(ctx: Context, x: Tensor, axes: Tensor | None) -> list[int]:
    """Which axes go: by default all. With `noop_with_empty_axes` none; all else that it does is done."""
    named = ctx.ints("axes", axes)
    if not named:
        return [] if ctx.attr("noop_with_empty_axes", 0) else list(range(x.rank))
    return ctx.axes(named, x.rank)


def reduce_over(ctx: Context, x: Tensor, gone: list[int], keep: bool, rows: Rows) -> Tensor:
    """Bring axes to the end, join them, reduce, and put the shape right."""
    kept = [a for a in range(x.rank) if a not in gone]
    moved = ctx.graph.transpose(x, [*kept, *gone])
    joined = ctx.graph.reshape(moved, (*moved.shape[: len(kept)], math.prod(moved.shape[len(kept) :])))
    made = rows(ctx, joined)
    if keep:
        made = ctx.graph.reshape(made, tuple(1 if a in gone else s for a, s in enumerate(x.shape)))
    return made


def row_sum(ctx: Context, x: Tensor) -> Tensor:
    """Sum of the last axis."""
    made = ctx.graph.total(x)
    return ctx.graph.apply(x.kind, lambda v: wrap(v, x.kind), made) if x.kind in ("i8", "u8") else made


def row_mean(ctx: Context, x: Tensor) -> Tensor:
    """Mean of the last axis."""
    ctx.float_only(x)
    count = float(x.shape[-1])
    return ctx.graph.apply("f32", lambda v: v / count, ctx.graph.total(x))


def row_product(ctx: Context, x: Tensor) -> Tensor:
    """Product of the last axis by halves."""
    axis, kind = x.rank - 1, x.kind
    if x.shape[axis] == 0:
        return ctx.graph.constant(np.broadcast_to(np.ones((), DTYPE_OF_KIND[kind]), x.shape[:-1]))
    while x.shape[axis] > 1:
        size = x.shape[axis]
        half = size // 2
        left, right = ctx.graph.slice(x, axis, 0, half), ctx.graph.slice(x, axis, half, half)
        made = ctx.graph.apply(kind, lambda a, b: wrap(a * b, kind), left, right)
        if size % 2:
            made = ctx.graph.join([made, ctx.graph.slice(x, axis, size - 1, 1)], axis)
        x = made
    return ctx.graph.reshape(x, x.shape[:-1])


def row_log_sum_exp(ctx: Context, x: Tensor) -> Tensor:
    """log(sum(exp(x))), shifted by the largest so that nothing overflows; by 0 if that is no number."""
    largest = ctx.graph.reduce(ReduceKind.MAX, x)
    top = ctx.graph.apply("f32", lambda m: where(abs(m) < math.inf, m, const(0.0, F32)), largest)
    wide = ctx.graph.reshape(top, (*top.shape, 1))
    summed = ctx.graph.total(ctx.graph.apply("f32", lambda v, m: table.exp(v - m), x, wide))
    return ctx.graph.apply("f32", lambda s, m: table.log(s) + m, summed, top)


def _then(first: Callable[[Value], Value] | None, last: Callable[[Value], Value] | None) -> Rows:
    def rows(ctx: Context, x: Tensor) -> Tensor:
        before = ctx.graph.apply(x.kind, first, x) if first else x
        made = row_sum(ctx, before)
        if last is None:
            return made
        ctx.float_only(x)
        return ctx.graph.apply("f32", last, made)

    return rows


def _extreme(kind: ReduceKind) -> Rows:
    return lambda ctx, x: ctx.graph.reduce(kind, x)


def _register(name: str, rows: Rows) -> None:
    def lower(ctx: Context, x: Tensor, axes: Tensor | None = None) -> Tensor:
        gone = reduced_axes(ctx, x, axes)
        return reduce_over(ctx, x, gone, bool(ctx.attr("keepdims", 1)), rows)

    operator(name)(lower)


def _square(v: Value) -> Value:
    return v * v


_register("ReduceSum", row_sum)
_register("ReduceMean", row_mean)
_register("ReduceMax", _extreme(ReduceKind.MAX))
_register("ReduceMin", _extreme(ReduceKind.MIN))
_register("ReduceProd", row_product)
_register("ReduceL1", _then(abs, None))
_register("ReduceL2", _then(_square, sqrt))
_register("ReduceSumSquare", _then(_square, None))
_register("ReduceLogSum", _then(None, table.log))
_register("ReduceLogSumExp", row_log_sum_exp)
