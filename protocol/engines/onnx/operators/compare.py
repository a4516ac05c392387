"""Comparison and logic: Equal, Less, Greater, And, Or, Xor, Not, Where, IsNaN, IsInf.

Shape rule: inputs broadcast against each other. Booleans are i32 words 0 and 1.
"""

from collections.abc import Callable

from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.tensors import Tensor
from protocol.tape.scalar import Value, eq, where

Binary = Callable[[Value, Value], Value]
INFINITY = float("inf")


def _register(name: str, function: Binary) -> None:
    def lower(ctx: Context, a: Tensor, b: Tensor) -> Tensor:
        ctx.same_kind(a, b)
        return ctx.graph.apply("bool", function, a, b)

    operator(name)(lower)


_register("Equal", eq)
_register("Less", lambda x, y: x < y)
_register("Greater", lambda x, y: x > y)
_register("LessOrEqual", lambda x, y: x <= y)
_register("GreaterOrEqual", lambda x, y: x >= y)
_register("And", lambda x, y: x & y)
_register("Or", lambda x, y: x | y)
_register("Xor", lambda x, y: x ^ y)


@operator("Not")
def negation(ctx: Context, a: Tensor) -> Tensor:
    """1 - x."""
    return ctx.graph.apply("bool", lambda x: x ^ 1, a)


@operator("Where")
def choose(ctx: Context, condition: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """`yes` where the condition holds, else `no`."""
    kind = ctx.same_kind(yes, no)
    return ctx.graph.apply(kind, where, condition, yes, no)


@operator("IsNaN")
def is_nan(ctx: Context, a: Tensor) -> Tensor:
    """1 where x is not itself."""
    ctx.float_only(a)
    return ctx.graph.apply("bool", lambda x: eq(x, x) ^ 1, a)


@operator("IsInf")
def is_inf(ctx: Context, a: Tensor) -> Tensor:
    """1 where x is an infinity of a sign that the attributes ask for."""
    ctx.float_only(a)
    low, high = bool(ctx.attr("detect_negative", 1)), bool(ctx.attr("detect_positive", 1))

    def of(x: Value) -> Value:
        if low and high:
            return eq(abs(x), INFINITY)
        if low or high:
            return eq(x, INFINITY if high else -INFINITY)
        return eq(x, x) & 0

    return ctx.graph.apply("bool", of, a)
