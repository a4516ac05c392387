"""Pooling: MaxPool, AveragePool, LpPool and their global forms.

A MOVE gathers the windows, a REDUCE or CONTRACT takes them together. Shape rule as for Conv, channel by
channel.
"""

import math
from collections.abc import Callable

import numpy as np

from protocol.engines.onnx.operators.arithmetic import whole_power
from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.operators.windows import Windows, gather_windows, windows_of
from protocol.engines.onnx.tensors import Tensor
from protocol.tape import functions as table
from protocol.tape.dtypes import F32
from protocol.tape.nodes import ReduceKind
from protocol.tape.scalar import const, sqrt

LEAST = {"f32": -math.inf, "u8": 0, "i8": -128}
"""What is below every element of a type, or equal to it."""


def _windows(ctx: Context, x: Tensor) -> Windows:
    if x.rank < 3:
        raise ctx.refuse(f"a tensor of shape {list(x.shape)} has no spatial axes")
    return windows_of(ctx, x.shape[2:], tuple(ctx.ints("kernel_shape") or ()))


def _pooled(ctx: Context, x: Tensor, windows: Windows, fill: float) -> Tensor:
    """(N, C, *out, window)."""
    n, c = x.shape[:2]
    one_each = ctx.graph.reshape(x, (n * c, 1, *x.shape[2:]))
    cols = gather_windows(ctx, one_each, windows, fill=fill)
    return ctx.graph.reshape(cols, (n, c, *windows.out, math.prod(windows.kernel)))


@operator("MaxPool")
def max_pool(ctx: Context, x: Tensor) -> Tensor:
    """The largest of each window; padding never wins."""
    if len(ctx.node.outputs) > 1:
        raise ctx.refuse("its indices output is not supported")
    if x.kind not in LEAST:
        raise ctx.refuse(f"it is lowered for f32, i8 and u8 only, not {x.kind}")
    return ctx.graph.reduce(ReduceKind.MAX, _pooled(ctx, x, _windows(ctx, x), LEAST[x.kind]))


def _window_sizes(ctx: Context, windows: Windows, spatial: tuple[int, ...], *, padding: bool) -> np.ndarray:
    """How many elements each window holds, with or without padding (never what ceil_mode adds)."""
    ctx.graph.budget.make(windows.out)
    counts = np.ones((), np.float32)
    for i, size in enumerate(spatial):
        starts = np.arange(windows.out[i]) * windows.stride[i] - windows.before[i]
        ctx.graph.budget.make((windows.out[i], windows.kernel[i]), 16)
        places = starts[:, None] + np.arange(windows.kernel[i])[None, :] * windows.dilation[i]
        low, high = (-windows.before[i], size + windows.after[i]) if padding else (0, size)
        held = ((places >= low) & (places < high)).sum(axis=1)
        counts = counts[..., None] * held.astype(np.float32)
    return np.maximum(counts, np.float32(1))


@operator("AveragePool")
def average_pool(ctx: Context, x: Tensor) -> Tensor:
    """The mean of each window, padding counted only if asked."""
    ctx.float_only(x)
    windows = _windows(ctx, x)
    total = ctx.graph.total(_pooled(ctx, x, windows, 0))
    sizes = _window_sizes(ctx, windows, x.shape[2:], padding=bool(ctx.attr("count_include_pad", 0)))
    return ctx.graph.apply("f32", lambda s, n: s / n, total, ctx.graph.constant(sizes.astype(np.float32)))


@operator("LpPool")
def lp_pool(ctx: Context, x: Tensor) -> Tensor:
    """(sum |x|^p)^(1/p) of each window."""
    return _norm(ctx, x, lambda powered: _pooled(ctx, powered, _windows(ctx, x), 0))


def _norm(ctx: Context, x: Tensor, rows: Callable[[Tensor], Tensor]) -> Tensor:
    """The norm of the last axis of what `rows` makes of the powers of x."""
    ctx.float_only(x)
    p = int(ctx.attr("p", 2))
    if not 1 <= p <= 64:
        raise ctx.refuse(f"p = {p}; 1 to 64 are supported")
    total = ctx.graph.total(rows(ctx.graph.apply("f32", lambda v: whole_power(abs(v), p), x)))
    root = const(1.0 / p, F32)
    return ctx.graph.apply("f32", sqrt if p == 2 else lambda v: table.pow(v, root), total)


def _global(ctx: Context, x: Tensor) -> Tensor:
    return ctx.graph.reshape(x, (*x.shape[:2], math.prod(x.shape[2:])))


@operator("GlobalMaxPool")
def global_max_pool(ctx: Context, x: Tensor) -> Tensor:
    """The largest of all spatial positions."""
    made = ctx.graph.reduce(ReduceKind.MAX, _global(ctx, x))
    return ctx.graph.reshape(made, (*x.shape[:2], *(1,) * (x.rank - 2)))


@operator("GlobalLpPool")
def global_lp_pool(ctx: Context, x: Tensor) -> Tensor:
    """(sum |x|^p)^(1/p) of all spatial positions."""
    made = _norm(ctx, x, lambda powered: _global(ctx, powered))
    return ctx.graph.reshape(made, (*x.shape[:2], *(1,) * (x.rank - 2)))


@operator("GlobalAveragePool")
def global_average_pool(ctx: Context, x: Tensor) -> Tensor:
    """The mean of all spatial positions."""
    ctx.float_only(x)
    count = float(math.prod(x.shape[2:]))
    made = ctx.graph.apply("f32", lambda v: v / count, ctx.graph.total(_global(ctx, x)))
    return ctx.graph.reshape(made, (*x.shape[:2], *(1,) * (x.rank - 2)))
