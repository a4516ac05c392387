"""Quantised operators: QuantizeLinear, DequantizeLinear, QLinearMatMul, QLinearConv.

Bytes are held as i32 words, so products of quantised numbers are exact. Rounding is to nearest even, as
ONNX asks.
"""

from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.operators.conv import check_channels, convolve
from protocol.engines.onnx.operators.matmul import centred, product
from protocol.engines.onnx.operators.scalars import clamp
from protocol.engines.onnx.operators.windows import windows_of
from protocol.engines.onnx.tensors import Tensor
from protocol.tape import functions as table
from protocol.tape.scalar import Value, maximum, minimum, to_f32, to_i32

RANGE = {"u8": (0, 255), "i8": (-128, 127)}


def per_axis(ctx: Context, parameter: Tensor, x: Tensor, axis: int) -> Tensor:
    """A scale or zero point shaped to broadcast along one axis of x."""
    if parameter.size == 1:
        return ctx.graph.reshape(parameter, ())
    if parameter.rank != 1 or parameter.size != x.shape[axis]:
        raise ctx.refuse("blocked quantisation is not supported")
    return ctx.graph.reshape(parameter, tuple(x.shape[axis] if a == axis else 1 for a in range(x.rank)))


def shaped(ctx: Context, parameter: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A parameter of one number, or of one per row or column, in a broadcasting shape."""
    return ctx.graph.reshape(parameter, shape if parameter.size > 1 else ())


def quantised(x: Value, zero: Value, low: int, high: int) -> Value:
    """Nearest even, moved by the zero point, within the type. Clamped before the conversion as well."""
    whole = to_i32(clamp(table.round_even(x), -1e6, 1e6))
    return minimum(maximum(whole + zero, low), high)


@operator("QuantizeLinear")
def quantize(ctx: Context, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """round(x / scale) + zero point, saturated to u8 or i8."""
    ctx.float_only(x, scale)
    kind = (
        zero.kind
        if zero is not None
        else {0: "u8", 2: "u8", 3: "i8"}.get(int(ctx.attr("output_dtype", 0)), "?")
    )
    if kind not in RANGE:
        raise ctx.refuse(f"it quantises to {kind}; only u8 and i8 can run")
    axis = ctx.axis(int(ctx.attr("axis", 1)), x.rank) if scale.size > 1 else 0
    low, high = RANGE[kind]
    factor = per_axis(ctx, scale, x, axis)
    if zero is None:
        zero = ctx.scalar(0, "i32")
    point = per_axis(ctx, ctx.graph.retype(zero, "i32"), x, axis)
    return ctx.graph.apply(kind, lambda v, s, z: quantised(v / s, z, low, high), x, factor, point)


@operator("DequantizeLinear")
def dequantize(ctx: Context, x: Tensor, scale: Tensor, zero: Tensor | None = None) -> Tensor:
    """(x - zero point) scale."""
    ctx.float_only(scale)
    axis = ctx.axis(int(ctx.attr("axis", 1)), x.rank) if scale.size > 1 else 0
    factor = per_axis(ctx, scale, x, axis)
    wide = ctx.graph.retype(x, "i32")
    if zero is None:
        return ctx.graph.apply("f32", lambda v, s: to_f32(v) * s, wide, factor)
    point = per_axis(ctx, ctx.graph.retype(zero, "i32"), x, axis)
    return ctx.graph.apply("f32", lambda v, s, z: to_f32(v - z) * s, wide, factor, point)


def requantise(ctx: Context, sums: Tensor, factor: Tensor, zero: Tensor) -> Tensor:
    """i32 sums times a factor, as the output's bytes."""
    low, high = RANGE[zero.kind]
    ctx.fits(factor, sums.shape, "scale")
    point = ctx.graph.reshape(ctx.graph.retype(zero, "i32"), ())
    return ctx.graph.apply(
        zero.kind, lambda v, f, z: quantised(to_f32(v) * f, z, low, high), sums, factor, point
    )


def factor_of(ctx: Context, a: Tensor, b: Tensor, y: Tensor) -> Tensor:
    """a b / y of three scales."""
    return ctx.graph.apply("f32", lambda p, q, r: p * q / r, a, b, y)


@operator("QLinearMatMul")
def qlinear_matmul(ctx: Context, *given: Tensor) -> Tensor:
    """Inputs a, its scale and zero point, b likewise, and the output's scale and zero point."""
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = given
    rows, columns = (a_zero.size, 1), (b_zero.size,)
    left = centred(ctx, a, a_zero, rows if a_zero.size > 1 else (1,) * a.rank)
    right = centred(ctx, b, b_zero, columns if b_zero.size > 1 else (1,) * b.rank)
    scales = (shaped(ctx, a_scale, (a_scale.size, 1)), shaped(ctx, b_scale, (b_scale.size,)))
    factor = factor_of(ctx, *scales, ctx.graph.reshape(y_scale, ()))
    return requantise(ctx, product(ctx, left, right), factor, y_zero)


@operator("QLinearConv")
def qlinear_conv(ctx: Context, *given: Tensor) -> Tensor:
    """Inputs x, its scale and zero point, w likewise, the output's scale and zero point, and an i32 bias."""
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero = given[:8]
    groups = int(ctx.attr("group", 1))
    check_channels(ctx, x, w, groups)
    windows = windows_of(ctx, x.shape[2:], w.shape[2:])
    per_channel = (w.shape[0], *(1,) * (w.rank - 1))
    left = centred(ctx, x, x_zero, (1,) * x.rank)
    right = centred(ctx, w, w_zero, per_channel if w_zero.size > 1 else (1,) * w.rank)
    sums = convolve(ctx, left, right, windows, groups)
    along = (w.shape[0], *(1,) * (x.rank - 2))
    if len(given) > 8:
        bias = ctx.graph.reshape(given[8], along)
        sums = ctx.graph.apply("i32", lambda v, c: v + c, sums, bias)
    one = ctx.graph.reshape(x_scale, ())
    factor = factor_of(ctx, one, shaped(ctx, w_scale, along), ctx.graph.reshape(y_scale, ()))
    return requantise(ctx, sums, factor, y_zero)
