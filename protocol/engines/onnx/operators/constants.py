"""Values known while lowering: Constant, ConstantOfShape, Range, EyeLike."""

import math

import numpy as np

from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.tensors import Tensor
from protocol.tape.limits import MAX_ELEMENTS


@operator("Constant")
def constant(ctx: Context) -> Tensor:
    """The tensor, number or list that the node carries."""
    for name, value in ctx.node.attributes.items():
        if name == "value":
            return ctx.graph.constant(np.asarray(value))
        if name in ("value_int", "value_ints"):
            return ctx.graph.constant(np.array(value, np.int64))
        if name in ("value_float", "value_floats"):
            return ctx.graph.constant(np.array(value, np.float32))
    raise ctx.refuse("it holds no dense number")


@operator("ConstantOfShape")
def constant_of_shape(ctx: Context, shape: Tensor) -> Tensor:
    """One number repeated; the repetition costs nothing, it is a view."""
    sizes = tuple(ctx.ints("shape", shape) or ())
    if any(s < 0 for s in sizes):
        raise ctx.refuse(f"shape {list(sizes)} is negative")
    value = ctx.attr("value")
    number = np.zeros((), np.float32) if value is None else np.asarray(value).reshape(())
    return ctx.graph.constant(np.broadcast_to(number, sizes))


@operator("Range")
def arange(ctx: Context, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """start, start + delta, ... below limit."""
    first, last, step = (ctx.fixed(t, "start, limit and delta") for t in (start, limit, delta))
    assert first is not None
    assert last is not None
    assert step is not None
    count = math.ceil((float(last) - float(first)) / float(step)) if float(step) else MAX_ELEMENTS + 1
    if count > MAX_ELEMENTS:
        raise ctx.refuse("a range without end")
    ctx.graph.budget.make((max(count, 0),), 16)
    places = np.arange(max(count, 0)).astype(first.dtype)
    return ctx.graph.constant((first + places * step).astype(first.dtype))


@operator("EyeLike")
def eye_like(ctx: Context, x: Tensor) -> Tensor:
    """Ones on the k-th diagonal."""
    from protocol.engines.onnx.operators.cast import KINDS
    from protocol.engines.onnx.tensors import DTYPE_OF_KIND

    to = ctx.attr("dtype")
    kind = x.kind if to is None else KINDS.get(int(to), "?")
    if kind not in DTYPE_OF_KIND or x.rank != 2:
        raise ctx.refuse("it needs a matrix of a type that can run")
    ctx.graph.budget.make(x.shape)
    return ctx.graph.constant(
        np.eye(x.shape[0], x.shape[1], k=int(ctx.attr("k", 0)), dtype=DTYPE_OF_KIND[kind])
    )
