"""Arithmetic from Add to Pow, Min and Max, Sum and Mean, bit operations.

Shape rule: inputs broadcast against each other. Integers wrap in 32 bits (i64 too), bytes in 8.
"""

from collections.abc import Callable
from functools import reduce

import numpy as np

from protocol.engines.onnx.operators.context import Context, Lowering, operator
from protocol.engines.onnx.operators.scalars import wrap
from protocol.engines.onnx.tensors import Tensor
from protocol.tape import functions as table
from protocol.tape.dtypes import F32, I32
from protocol.tape.scalar import Value, const, eq, fma, idiv, irem, maximum, minimum, sqrt, where

Binary = Callable[[Value, Value], Value]


def binary(function: Binary, ctx: Context, a: Tensor, b: Tensor) -> Tensor:
    """An elementwise MAP of two tensors of one type."""
    kind = ctx.same_kind(a, b)
    return ctx.graph.apply(kind, lambda x, y: wrap(function(x, y), kind), a, b)


def divide(x: Value, y: Value) -> Value:
    """Quotient: IEEE for f32, towards zero for integers."""
    return x / y if x.dtype is F32 else idiv(x, y)


def _register(name: str, function: Binary) -> None:
    def lower(ctx: Context, a: Tensor, b: Tensor) -> Tensor:
        return binary(function, ctx, a, b)

    operator(name)(lower)


_register("Add", lambda x, y: x + y)
_register("Sub", lambda x, y: x - y)
_register("Mul", lambda x, y: x * y)
_register("Div", divide)
_register("BitwiseAnd", lambda x, y: x & y)
_register("BitwiseOr", lambda x, y: x | y)
_register("BitwiseXor", lambda x, y: x ^ y)


def _fold(function: Binary) -> Lowering:
    def lower(ctx: Context, *inputs: Tensor) -> Tensor:
        return reduce(lambda a, b: binary(function, ctx, a, b), inputs)

    return lower


operator("Sum")(_fold(lambda x, y: x + y))
operator("Max")(_fold(maximum))
operator("Min")(_fold(minimum))


@operator("Mean")
def mean(ctx: Context, *inputs: Tensor) -> Tensor:
    """The sum of all inputs over their number."""
    ctx.float_only(*inputs)
    total = reduce(lambda a, b: binary(lambda x, y: x + y, ctx, a, b), inputs)
    return ctx.graph.apply("f32", lambda x: x / float(len(inputs)), total)


def _floor_mod(x: Value, y: Value) -> Value:
    """Remainder with the sign of the divisor."""
    rest = irem(x, y)
    other_sign = ((rest ^ y) >> 31) & 1
    return where(other_sign & (eq(rest, 0) ^ 1), rest + y, rest)


def _float_mod(x: Value, y: Value) -> Value:
    """x - y * trunc(x / y), right while the quotient is below 2^70.

    A quotient of 24 bits leaves an exact remainder, 2^23 times smaller at least: three rounds.
    """
    rest = x
    for _ in range(3):
        rest = fma(-table.trunc(rest / y), y, rest)
    rest = where(abs(x) < abs(y), x, rest)  # an infinite y too, whose product with 0 is no number
    too_far = ((rest < 0.0) ^ (x < 0.0)) & (eq(rest, 0.0) ^ 1)
    towards = where((x < 0.0) ^ (y < 0.0), -y, y)
    return where(too_far, rest + towards, rest)


def _float_floor_mod(x: Value, y: Value) -> Value:
    """The same with the sign of the divisor."""
    rest = _float_mod(x, y)
    return where(((rest < 0.0) ^ (y < 0.0)) & (eq(rest, 0.0) ^ 1), rest + y, rest)


@operator("Mod")
def mod(ctx: Context, a: Tensor, b: Tensor) -> Tensor:
    """fmod = 0: sign of the divisor; fmod = 1: sign of the dividend."""
    kind = ctx.same_kind(a, b)
    if kind == "f32":
        return binary(_float_mod if ctx.attr("fmod", 0) else _float_floor_mod, ctx, a, b)
    return binary(irem if ctx.attr("fmod", 0) else _floor_mod, ctx, a, b)


def whole_power(x: Value, power: int) -> Value:
    """x to a small positive power by squaring."""
    result: Value | None = None
    while power:
        if power & 1:
            result = x if result is None else result * x
        power >>= 1
        if power:
            x = x * x
    assert result is not None
    return result


@operator("Pow")
def power(ctx: Context, a: Tensor, b: Tensor) -> Tensor:
    """Small constant powers by multiplication, 0.5 by sqrt, everything else by the table's pow."""
    if b.array is not None and b.size == 1:
        exponent = float(b.array.reshape(-1)[0])
        shaped = ctx.graph.expand(a, tuple(np.broadcast_shapes(a.shape, b.shape)))
        if exponent == 0.5 and a.kind == "f32":
            return ctx.graph.apply("f32", sqrt, shaped)
        if exponent in range(1, 65):
            return ctx.graph.apply(a.kind, lambda x: wrap(whole_power(x, int(exponent)), a.kind), shaped)
        if exponent == -1.0 and a.kind == "f32":
            return ctx.graph.apply("f32", lambda x: const(1.0, F32) / x, shaped)
    if a.kind != "f32":
        raise ctx.refuse("an integer base needs a constant power from 1 to 64")
    return ctx.graph.apply("f32", lambda x, y: table.pow(x, _to_f32(y)), a, b)


def _to_f32(x: Value) -> Value:
    from protocol.tape.scalar import to_f32

    return to_f32(x)


@operator("Neg")
def negate(ctx: Context, a: Tensor) -> Tensor:
    """-x."""
    return ctx.graph.apply(a.kind, lambda x: wrap(-x, a.kind), a)


@operator("Abs")
def absolute(ctx: Context, a: Tensor) -> Tensor:
    """|x|."""
    return ctx.graph.apply(a.kind, lambda x: wrap(abs(x), a.kind), a)


@operator("Sign")
def sign(ctx: Context, a: Tensor) -> Tensor:
    """-1, 0 or 1; NaN stays NaN."""

    def of(x: Value) -> Value:
        one = const(1, x.dtype)
        return where(x > const(0, x.dtype), one, where(x < const(0, x.dtype), -one, x))

    return ctx.graph.apply(a.kind, of, a)


@operator("Reciprocal")
def reciprocal(ctx: Context, a: Tensor) -> Tensor:
    """1 / x."""
    ctx.float_only(a)
    return ctx.graph.apply("f32", lambda x: const(1.0, F32) / x, a)


@operator("Sqrt")
def square_root(ctx: Context, a: Tensor) -> Tensor:
    """Correctly rounded square root."""
    ctx.float_only(a)
    return ctx.graph.apply("f32", sqrt, a)


@operator("BitwiseNot")
def bitwise_not(ctx: Context, a: Tensor) -> Tensor:
    """Every bit flipped."""
    return ctx.graph.apply(a.kind, lambda x: wrap(x ^ -1, a.kind), a)


@operator("BitShift")
def bit_shift(ctx: Context, a: Tensor, b: Tensor) -> Tensor:
    """Shift by any amount; a signed value keeps its sign to the right. i64 shifts its low 32 bits."""
    kind = ctx.same_kind(a, b)
    left = ctx.attr("direction") == "LEFT"

    def of(x: Value, y: Value) -> Value:
        inside = (y >= 0) & (y < 32)
        if left:
            return wrap(where(inside, x << y, const(0, I32)), kind)
        return where(inside, x >> y, x >> 31)

    return ctx.graph.apply(kind, of, a, b)
