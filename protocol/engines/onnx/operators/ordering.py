"""Along one axis: ArgMax, ArgMin, Hardmax, CumSum.

ArgMax is REDUCE max, MAP (own index where equal, else a number beyond), REDUCE min. CumSum adds shifted
copies, doubling the shift: log2(n) MOVEs.
"""

import numpy as np

from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.operators.scalars import wrap
from protocol.engines.onnx.operators.slicing import pad_constant
from protocol.engines.onnx.tensors import Tensor
from protocol.tape.dtypes import F32, I32
from protocol.tape.nodes import ReduceKind
from protocol.tape.scalar import Value, const, eq, where


def best_index(ctx: Context, x: Tensor, kind: ReduceKind, *, last: bool) -> Tensor:
    """Where along the last axis the extreme first (or last) stands, as i64; NaN is more extreme than all."""
    top = ctx.graph.reduce(kind, x)
    wide = ctx.graph.reshape(top, (*top.shape, 1))
    ctx.graph.budget.make(x.shape[-1:])
    line = ctx.graph.constant(np.arange(x.shape[-1]))
    beyond = -1 if last else x.shape[-1]

    def place(v: Value, m: Value, i: Value) -> Value:
        hit = eq(v, m) if v.dtype is not F32 else eq(v, m) | (eq(v, v) ^ 1)
        return where(hit, i, const(beyond, I32))

    own = ctx.graph.apply("i64", place, x, wide, line)
    return ctx.graph.reduce(ReduceKind.MAX if last else ReduceKind.MIN, own)


def _arg(name: str, kind: ReduceKind) -> None:
    def lower(ctx: Context, x: Tensor) -> Tensor:
        axis = ctx.axis(int(ctx.attr("axis", 0)), x.rank)
        moved = ctx.graph.transpose(x, [*(a for a in range(x.rank) if a != axis), axis])
        made = best_index(ctx, moved, kind, last=bool(ctx.attr("select_last_index", 0)))
        if ctx.attr("keepdims", 1):
            made = ctx.graph.reshape(made, tuple(1 if a == axis else s for a, s in enumerate(x.shape)))
        return made

    operator(name)(lower)


_arg("ArgMax", ReduceKind.MAX)
_arg("ArgMin", ReduceKind.MIN)


@operator("Hardmax")
def hardmax(ctx: Context, x: Tensor) -> Tensor:
    """1 at the first largest element of an axis, else 0."""
    from protocol.engines.onnx.operators.softmax import last_axis_form, restore

    ctx.float_only(x)
    rows, undo = last_axis_form(ctx, x)
    best = best_index(ctx, rows, ReduceKind.MAX, last=False)
    wide = ctx.graph.reshape(best, (*best.shape, 1))
    ctx.graph.budget.make(rows.shape[-1:])
    line = ctx.graph.constant(np.arange(rows.shape[-1]))
    made = ctx.graph.apply("f32", lambda b, i: where(eq(b, i), const(1.0, F32), 0.0), wide, line)
    return restore(ctx, made, x, undo)


@operator("CumSum")
def cum_sum(ctx: Context, x: Tensor, axis: Tensor) -> Tensor:
    """Running sums of an axis.

    `exclusive` leaves each element out of its own, `reverse` starts at the end.
    """
    named = ctx.ints("axis", axis) or [0]
    along = ctx.axis(named[0], x.rank)
    size = x.shape[along]
    if ctx.attr("reverse", 0):
        x = ctx.graph.slice(x, along, max(size - 1, 0), size, -1)

    def shifted(t: Tensor, by: int) -> Tensor:
        before = [by if a == along else 0 for a in range(t.rank)]
        return pad_constant(ctx, ctx.graph.slice(t, along, 0, size - by), before, [0] * t.rank, 0)

    if ctx.attr("exclusive", 0) and size:
        x = shifted(x, 1)
    step, kind = 1, x.kind
    while step < size:
        x = ctx.graph.apply(kind, lambda a, b: wrap(a + b, kind), x, shifted(x, step))
        step *= 2
    return ctx.graph.slice(x, along, size - 1, size, -1) if ctx.attr("reverse", 0) and size else x
