"""Softmax, LogSoftmax, Hardmax: REDUCE, MAP and CONTRACT.

Shape rule: unchanged. Before operator set 13 the axes from `axis` on were taken as one.
"""

import math

from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.tensors import Tensor
from protocol.tape import functions as table
from protocol.tape.nodes import ReduceKind


def last_axis_form(ctx: Context, x: Tensor) -> tuple[Tensor, list[int] | None]:
    """The tensor with its axis last, and the order that undoes it (None: only a reshape undoes it)."""
    old = ctx.opset < 13
    axis = ctx.axis(int(ctx.attr("axis", 1 if old else -1)), x.rank)
    if old:
        return ctx.graph.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))), None
    order = [a for a in range(x.rank) if a != axis] + [axis]
    return ctx.graph.transpose(x, order), [order.index(a) for a in range(x.rank)]


def restore(ctx: Context, made: Tensor, x: Tensor, undo: list[int] | None) -> Tensor:
    """Back to the shape of x."""
    return ctx.graph.reshape(made, x.shape) if undo is None else ctx.graph.transpose(made, undo)


def row_softmax(ctx: Context, x: Tensor) -> Tensor:
    """exp(x - max) / sum along the last axis."""
    wide = (*x.shape[:-1], 1)
    top = ctx.graph.reshape(ctx.graph.reduce(ReduceKind.MAX, x), wide)
    raised = ctx.graph.apply("f32", lambda v, m: table.exp(v - m), x, top)
    total = ctx.graph.reshape(ctx.graph.total(raised), wide)
    return ctx.graph.apply("f32", lambda v, s: v / s, raised, total)


@operator("Softmax")
def softmax(ctx: Context, x: Tensor) -> Tensor:
    """exp(x) / sum(exp(x)) along an axis."""
    ctx.float_only(x)
    rows, undo = last_axis_form(ctx, x)
    return restore(ctx, row_softmax(ctx, rows), x, undo)


@operator("LogSoftmax")
def log_softmax(ctx: Context, x: Tensor) -> Tensor:
    """x - max - log(sum(exp(x - max)))."""
    ctx.float_only(x)
    rows, undo = last_axis_form(ctx, x)
    wide = (*rows.shape[:-1], 1)
    top = ctx.graph.reshape(ctx.graph.reduce(ReduceKind.MAX, rows), wide)
    shifted = ctx.graph.apply("f32", lambda v, m: v - m, rows, top)
    total = ctx.graph.reshape(ctx.graph.total(ctx.graph.apply("f32", table.exp, shifted)), wide)
    made = ctx.graph.apply("f32", lambda v, s: v - table.log(s), shifted, total)
    return restore(ctx, made, x, undo)
