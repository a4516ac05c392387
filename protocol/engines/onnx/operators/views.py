"""Shape without arithmetic: Reshape, Squeeze, Transpose, Expand, Identity and the like.

They change views, not elements; a MOVE appears only where a consumer cannot read through the view.
"""

import math

import numpy as np

from protocol.engines.onnx.operators.context import Context, Lowered, operator
from protocol.engines.onnx.strides import broadcast_shapes
from protocol.engines.onnx.tensors import Tensor
from protocol.tape.dtypes import Shape


@operator("Identity")
def identity(_: Context, x: Tensor) -> Tensor:
    """x itself."""
    return x


@operator("Dropout")
def dropout(ctx: Context, x: Tensor, _: Tensor | None = None, training: Tensor | None = None) -> Lowered:
    """x itself: this is inference."""
    mode = ctx.fixed(training, "training_mode")
    if mode is not None and bool(mode.reshape(-1)[0]):
        raise ctx.refuse("training mode draws randomness, which no tape has")
    return (x, ctx.graph.constant(np.broadcast_to(np.True_, x.shape))) if len(ctx.node.outputs) > 1 else x


@operator("Reshape")
def reshape(ctx: Context, x: Tensor, shape: Tensor | None = None) -> Tensor:
    """0 copies an axis, -1 is what remains."""
    wanted = ctx.ints("shape", shape)
    if wanted is None:
        raise ctx.refuse("it names no shape")
    return ctx.graph.reshape(x, _resolve(ctx, x.shape, wanted))


def _resolve(ctx: Context, shape: Shape, wanted: list[int]) -> Shape:
    sizes = list(wanted)
    if not ctx.attr("allowzero", 0):
        for axis, size in enumerate(sizes):
            if size == 0:
                if axis >= len(shape):
                    raise ctx.refuse(f"shape {wanted} copies axis {axis}, which the input has not")
                sizes[axis] = shape[axis]
    if sizes.count(-1) > 1 or any(s < -1 for s in sizes):
        raise ctx.refuse(f"shape {wanted} leaves more than one axis open")
    if -1 in sizes:
        known = math.prod(s for s in sizes if s != -1)
        total = math.prod(shape)
        if known == 0 or total % known:
            raise ctx.refuse(f"shape {list(shape)} cannot become {wanted}")
        sizes[sizes.index(-1)] = total // known
    return tuple(sizes)


@operator("Flatten")
def flatten(ctx: Context, x: Tensor) -> Tensor:
    """To two axes, split before `axis`."""
    axis = int(ctx.attr("axis", 1))
    axis = axis if axis == x.rank else ctx.axis(axis, x.rank)
    return ctx.graph.reshape(x, (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


@operator("Squeeze")
def squeeze(ctx: Context, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Without axes of one element: the named ones, or all."""
    named = ctx.ints("axes", axes)
    gone = ctx.axes(named, x.rank) if named is not None else [i for i, s in enumerate(x.shape) if s == 1]
    for axis in gone:
        if x.shape[axis] != 1:
            raise ctx.refuse(f"axis {axis} has {x.shape[axis]} elements, not 1")
    return ctx.graph.reshape(x, tuple(s for i, s in enumerate(x.shape) if i not in gone))


@operator("Unsqueeze")
def unsqueeze(ctx: Context, x: Tensor, axes: Tensor | None = None) -> Tensor:
    """With axes of one element put in at the named places of the output."""
    named = ctx.ints("axes", axes)
    if named is None:
        raise ctx.refuse("it names no axes")
    rank = x.rank + len(named)
    fresh = ctx.axes(named, rank)
    sizes = iter(x.shape)
    return ctx.graph.reshape(x, tuple(1 if i in fresh else next(sizes) for i in range(rank)))


@operator("Transpose")
def transpose(ctx: Context, x: Tensor) -> Tensor:
    """Axes in the order `perm`, reversed by default."""
    perm = ctx.ints("perm") or list(reversed(range(x.rank)))
    if sorted(perm) != list(range(x.rank)):
        raise ctx.refuse(f"perm {perm} does not order {x.rank} axes")
    return ctx.graph.transpose(x, perm)


@operator("Expand")
def expand(ctx: Context, x: Tensor, shape: Tensor) -> Tensor:
    """Broadcast against a shape."""
    wanted = ctx.ints("shape", shape) or []
    return ctx.graph.expand(x, broadcast_shapes(x.shape, tuple(wanted)))


@operator("Shape")
def shape_of(ctx: Context, x: Tensor) -> Tensor:
    """The axes' sizes, known while lowering."""
    start, end = int(ctx.attr("start", 0)), ctx.attr("end")
    return ctx.graph.constant(np.array(x.shape[slice(start, end)], np.int64))


@operator("Size")
def size_of(ctx: Context, x: Tensor) -> Tensor:
    """The number of elements, known while lowering."""
    return ctx.graph.constant(np.array(x.size, np.int64))
