"""Cast and CastLike.

Shape rule: unchanged. f32 to integer truncates and saturates at 32 bits (NaN gives 0), then wraps for
bytes; i64 and i32 are the same words; anything to bool is 1 unless zero.
"""

from onnx import TensorProto

from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.operators.scalars import as_bool, wrap
from protocol.engines.onnx.tensors import Tensor
from protocol.tape.scalar import Value, to_f32, to_i32

KINDS: dict[int, str] = {
    TensorProto.FLOAT: "f32",
    TensorProto.INT32: "i32",
    TensorProto.INT64: "i64",
    TensorProto.BOOL: "bool",
    TensorProto.INT8: "i8",
    TensorProto.UINT8: "u8",
}
"""ONNX element types that can run, by their number."""

WIDER = {
    "bool": {"bool", "u8", "i8", "i32", "i64"},
    "u8": {"u8", "i32", "i64"},
    "i8": {"i8", "i32", "i64"},
    "i32": {"i32", "i64"},
    "i64": {"i32", "i64"},
    "f32": {"f32"},
}
"""Casts that keep every word as it is."""


def cast_to(ctx: Context, x: Tensor, kind: str) -> Tensor:
    """The tensor as another element type."""
    if kind in WIDER.get(x.kind, ()):
        return ctx.graph.retype(x, kind)

    def of(v: Value) -> Value:
        if kind == "f32":
            return to_f32(v)
        return as_bool(v) if kind == "bool" else wrap(to_i32(v), kind)

    return ctx.graph.apply(kind, of, x)


@operator("Cast")
def cast(ctx: Context, x: Tensor) -> Tensor:
    """To the element type that attribute `to` names."""
    to = int(ctx.attr("to", 0))
    if to not in KINDS:
        names: dict[int, str] = {v: k for k, v in TensorProto.DataType.items()}
        raise ctx.refuse(f"it casts to {names.get(to, to)}; only {', '.join(KINDS.values())} can run")
    return cast_to(ctx, x, KINDS[to])


@operator("CastLike")
def cast_like(ctx: Context, x: Tensor, like: Tensor) -> Tensor:
    """To the element type of the second input."""
    return cast_to(ctx, x, like.kind)
