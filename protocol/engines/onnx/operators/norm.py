"""Normalisation: Layer-, Batch-, Instance-, Group- and RMSNormalization, LpNormalization.

Shape rule: unchanged. The variance is the mean of squared distances from the mean, in two passes.
"""

import math

import numpy as np

from protocol.engines.onnx.operators.context import Context, Lowered, operator
from protocol.engines.onnx.operators.reduce import row_mean
from protocol.engines.onnx.tensors import Tensor
from protocol.tape.dtypes import F32
from protocol.tape.scalar import const, fma, sqrt


def normalised_rows(ctx: Context, x: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Distances from the mean of the last axis, that mean, and 1 / sqrt(variance + epsilon)."""
    wide = (*x.shape[:-1], 1)
    mean = ctx.graph.reshape(row_mean(ctx, x), wide)
    away = ctx.graph.apply("f32", lambda v, m: v - m, x, mean)
    variance = row_mean(ctx, ctx.graph.apply("f32", lambda v: v * v, away))
    scale = ctx.graph.apply("f32", lambda v: const(1.0, F32) / sqrt(v + epsilon), variance)
    return away, mean, ctx.graph.reshape(scale, wide)


@operator("LayerNormalization")
def layer_norm(ctx: Context, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Lowered:
    """Over the axes from `axis` on, then scaled and shifted."""
    ctx.float_only(x, scale)
    axis = ctx.axis(int(ctx.attr("axis", -1)), x.rank)
    kept, gone = x.shape[:axis], x.shape[axis:]
    rows = ctx.graph.reshape(x, (*kept, math.prod(gone)))
    away, mean, inverse = normalised_rows(ctx, rows, float(ctx.attr("epsilon", 1e-5)))
    away = ctx.graph.reshape(away, x.shape)
    shape = (*kept, *(1,) * len(gone))
    mean, inverse = ctx.graph.reshape(mean, shape), ctx.graph.reshape(inverse, shape)
    ctx.fits(scale, x.shape, "scale")
    ctx.fits(bias, x.shape, "bias")
    if bias is None:
        made = ctx.graph.apply("f32", lambda v, i, s: v * i * s, away, inverse, scale)
    else:
        made = ctx.graph.apply("f32", lambda v, i, s, b: fma(v * i, s, b), away, inverse, scale, bias)
    return (made, mean, inverse) if len(ctx.node.outputs) > 1 else made


@operator("RMSNormalization")
def rms_norm(ctx: Context, x: Tensor, scale: Tensor) -> Tensor:
    """x / sqrt(mean(x^2) + epsilon) over the axes from `axis` on, scaled."""
    ctx.float_only(x, scale)
    axis = ctx.axis(int(ctx.attr("axis", -1)), x.rank)
    epsilon = float(ctx.attr("epsilon", 1e-5))
    rows = ctx.graph.reshape(x, (*x.shape[:axis], math.prod(x.shape[axis:])))
    mean = row_mean(ctx, ctx.graph.apply("f32", lambda v: v * v, rows))
    inverse = ctx.graph.apply("f32", lambda v: const(1.0, F32) / sqrt(v + epsilon), mean)
    shaped = ctx.graph.reshape(inverse, (*x.shape[:axis], *(1,) * (x.rank - axis)))
    ctx.fits(scale, x.shape, "scale")
    return ctx.graph.apply("f32", lambda v, i, s: v * i * s, x, shaped, scale)


@operator("BatchNormalization")
def batch_norm(ctx: Context, x: Tensor, scale: Tensor, bias: Tensor, *statistics: Tensor) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias with stored statistics, one per channel."""
    ctx.float_only(x)
    mean, variance = statistics
    if ctx.attr("training_mode", 0) or len([o for o in ctx.node.outputs if o]) > 1:
        raise ctx.refuse("training mode is not supported: export the model for inference")
    epsilon = float(ctx.attr("epsilon", 1e-5))
    # Old operator sets may have statistics of their own for every position.
    everywhere = ctx.opset < 9 and not ctx.attr("spatial", 1)
    kept = x.shape[1:] if everywhere else x.shape[1:2] or (1,)
    for each in (scale, bias, mean, variance):
        if each.shape != kept:
            raise ctx.refuse(f"statistics of {list(each.shape)} for an input of {list(x.shape)}")
    shape = kept if everywhere else (*kept, *(1,) * (x.rank - 2))
    if all(t.array is not None for t in (scale, bias, mean, variance)):
        ctx.graph.budget.make(kept, 32)
        arrays = [np.asarray(t.array, np.float32) for t in (scale, bias, mean, variance)]
        with np.errstate(all="ignore"):
            factor = arrays[0] / np.sqrt(arrays[3] + np.float32(epsilon))
            shift = arrays[1] - arrays[2] * factor
        a, b = (ctx.graph.constant(t.astype(np.float32).reshape(shape)) for t in (factor, shift))
    else:
        a = ctx.graph.apply("f32", lambda s, v: s / sqrt(v + epsilon), scale, variance)
        b = ctx.graph.apply("f32", lambda c, m, f: c - m * f, bias, mean, a)
        a, b = ctx.graph.reshape(a, shape), ctx.graph.reshape(b, shape)
    return ctx.graph.apply("f32", fma, x, a, b)


def _grouped(ctx: Context, x: Tensor, groups: int, scale: Tensor, bias: Tensor, *, per_group: bool) -> Tensor:
    """Normalised over each group of channels and all positions; one scale and bias per channel (or group)."""
    ctx.float_only(x, scale, bias)
    n, c = x.shape[:2]
    if groups < 1 or c % groups:
        raise ctx.refuse(f"{c} channels do not make {groups} groups")
    rows = ctx.graph.reshape(x, (n, groups, x.size // (n * groups)))
    away, _, inverse = normalised_rows(ctx, rows, float(ctx.attr("epsilon", 1e-5)))
    unit = ctx.graph.apply("f32", lambda v, i: v * i, away, inverse)
    shape = (groups, 1) if per_group else (c, *(1,) * (x.rank - 2))
    unit = unit if per_group else ctx.graph.reshape(unit, x.shape)
    s, b = ctx.graph.reshape(scale, shape), ctx.graph.reshape(bias, shape)
    return ctx.graph.reshape(ctx.graph.apply("f32", fma, unit, s, b), x.shape)


@operator("InstanceNormalization")
def instance_norm(ctx: Context, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Each channel of each instance over its positions."""
    return _grouped(ctx, x, x.shape[1], scale, bias, per_group=False)


@operator("GroupNormalization")
def group_norm(ctx: Context, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    """Groups of channels; scales are per group before operator set 21."""
    groups = int(ctx.attr("num_groups", 1))
    return _grouped(ctx, x, groups, scale, bias, per_group=ctx.opset < 21)


@operator("LpNormalization")
def lp_norm(ctx: Context, x: Tensor) -> Tensor:
    """x over the L1 or L2 norm of an axis; a norm of 0 gives 0."""
    from protocol.engines.onnx.operators.reduce import reduce_over, row_sum
    from protocol.tape.scalar import eq, where

    ctx.float_only(x)
    axis, p = ctx.axis(int(ctx.attr("axis", -1)), x.rank), int(ctx.attr("p", 2))
    powered = ctx.graph.apply("f32", (lambda v: v * v) if p == 2 else abs, x)
    total = reduce_over(ctx, powered, [axis], True, row_sum)
    norm = ctx.graph.apply("f32", sqrt, total) if p == 2 else total
    return ctx.graph.apply("f32", lambda v, n: where(eq(n, 0.0), const(0.0, F32), v / n), x, norm)
