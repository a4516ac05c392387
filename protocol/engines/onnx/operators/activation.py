"""Functions of one element: Exp to Erf, the sigmoid and relu families, Clip, rounding.

Shape rule: the output has the input's shape. exp, log, tanh, erf, sigmoid and the like are the tape's own
table.
"""

from collections.abc import Callable

import numpy as np

from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.operators.scalars import clamp
from protocol.engines.onnx.tensors import Tensor
from protocol.tape import functions as table
from protocol.tape.dtypes import F32
from protocol.tape.scalar import Value, const, maximum, minimum, where

Unary = Callable[[Value], Value]


def unary(ctx: Context, x: Tensor, function: Unary) -> Tensor:
    """An elementwise MAP of one f32 tensor."""
    ctx.float_only(x)
    return ctx.graph.apply("f32", function, x)


def _register(name: str, function: Unary) -> None:
    operator(name)(lambda ctx, x: unary(ctx, x, function))


def _sinh(x: Value) -> Value:
    """Near 0 by expm1, where exponentials cancel; far out by halves, which overflow no sooner than sinh."""
    near = table.expm1(x)
    half = table.exp(abs(x) * 0.5)
    far = half * 0.5 * half - const(0.5, F32) / half / half
    return where(abs(x) < 1.0, (near + near / (near + 1.0)) * 0.5, where(x < 0.0, -far, far))


def _cosh(x: Value) -> Value:
    """(exp(x) + exp(-x)) / 2 by halves, which overflow no sooner than cosh."""
    half = table.exp(abs(x) * 0.5)
    return half * 0.5 * half + const(0.5, F32) / half / half


_register("Exp", table.exp)
_register("Log", table.log)
_register("Tanh", table.tanh)
_register("Erf", table.erf)
_register("Sigmoid", table.sigmoid)
_register("Sin", table.sin)
_register("Cos", table.cos)
_register("Tan", lambda x: table.sin(x) / table.cos(x))
_register("Floor", table.floor)
_register("Ceil", table.ceil)
_register("Round", table.round_even)
_register("Softplus", table.softplus)
_register("Softsign", lambda x: x / (abs(x) + 1.0))
_register("HardSwish", lambda x: x * clamp(x * (1.0 / 6.0) + 0.5, 0.0, 1.0))
_register("Mish", lambda x: x * table.tanh(table.softplus(x)))
_register("Sinh", _sinh)
_register("Cosh", _cosh)


@operator("Relu")
def relu(ctx: Context, x: Tensor) -> Tensor:
    """max(x, 0)."""
    return ctx.graph.apply(x.kind, lambda v: maximum(v, const(0, v.dtype)), x)


@operator("LeakyRelu")
def leaky_relu(ctx: Context, x: Tensor) -> Tensor:
    """x, or alpha x below 0."""
    alpha = float(ctx.attr("alpha", 0.01))
    return unary(ctx, x, lambda v: where(v < 0.0, v * alpha, v))


@operator("ThresholdedRelu")
def thresholded_relu(ctx: Context, x: Tensor) -> Tensor:
    """x above alpha, else 0."""
    alpha = float(ctx.attr("alpha", 1.0))
    return unary(ctx, x, lambda v: where(v > alpha, v, const(0.0, F32)))


@operator("PRelu")
def p_relu(ctx: Context, x: Tensor, slope: Tensor) -> Tensor:
    """x, or slope x below 0; the slope broadcasts to x."""
    ctx.float_only(x, slope)
    ctx.fits(slope, x.shape, "slope")
    return ctx.graph.apply("f32", lambda v, s: where(v < 0.0, v * s, v), x, slope)


@operator("Elu")
def elu(ctx: Context, x: Tensor) -> Tensor:
    """x, or alpha (exp(x) - 1) below 0."""
    alpha = float(ctx.attr("alpha", 1.0))
    return unary(ctx, x, lambda v: where(v < 0.0, table.expm1(v) * alpha, v))


@operator("Celu")
def celu(ctx: Context, x: Tensor) -> Tensor:
    """max(x, 0) + min(0, alpha (exp(x / alpha) - 1))."""
    alpha = float(ctx.attr("alpha", 1.0))
    return unary(ctx, x, lambda v: maximum(v, 0.0) + minimum(table.expm1(v * (1.0 / alpha)) * alpha, 0.0))


@operator("Selu")
def selu(ctx: Context, x: Tensor) -> Tensor:
    """gamma x, or gamma alpha (exp(x) - 1) up to 0."""
    alpha = float(ctx.attr("alpha", 1.67326319217681884765625))
    gamma = float(ctx.attr("gamma", 1.05070102214813232421875))
    return unary(ctx, x, lambda v: where(v > 0.0, v, table.expm1(v) * alpha) * gamma)


@operator("HardSigmoid")
def hard_sigmoid(ctx: Context, x: Tensor) -> Tensor:
    """alpha x + beta within 0 and 1."""
    alpha, beta = float(ctx.attr("alpha", 0.2)), float(ctx.attr("beta", 0.5))
    return unary(ctx, x, lambda v: clamp(v * alpha + beta, 0.0, 1.0))


@operator("Swish")
def swish(ctx: Context, x: Tensor) -> Tensor:
    """x sigmoid(alpha x)."""
    alpha = float(ctx.attr("alpha", 1.0))
    return unary(ctx, x, lambda v: v * table.sigmoid(v * alpha))


@operator("Shrink")
def shrink(ctx: Context, x: Tensor) -> Tensor:
    """x moved towards 0 by `bias` outside [-lambd, lambd], 0 inside."""
    bias, edge = float(ctx.attr("bias", 0.0)), float(ctx.attr("lambd", 0.5))
    return unary(ctx, x, lambda v: where(v < -edge, v + bias, where(v > edge, v - bias, const(0.0, F32))))


@operator("Gelu")
def gelu(ctx: Context, x: Tensor) -> Tensor:
    """0.5 x (1 + erf(x / sqrt 2)), or its tanh approximation."""
    if ctx.attr("approximate", "none") == "tanh":
        scale = float(np.sqrt(2.0 / np.pi))
        return unary(ctx, x, lambda v: v * 0.5 * (table.tanh((v * v * v * 0.044715 + v) * scale) + 1.0))
    return unary(ctx, x, table.gelu)


@operator("Clip")
def clip(ctx: Context, x: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    """x within bounds, which are inputs, or attributes in old operator sets."""
    if ctx.opset < 11:
        low = ctx.scalar(float(ctx.attr("min", -np.inf)))
        high = ctx.scalar(float(ctx.attr("max", np.inf)))
    ctx.fits(low, x.shape, "min")
    ctx.fits(high, x.shape, "max")
    if low is not None:
        x = ctx.graph.apply(ctx.same_kind(x, low), maximum, x, low)
    if high is not None:
        x = ctx.graph.apply(ctx.same_kind(x, high), minimum, x, high)
    return x
