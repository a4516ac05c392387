"""Resize and Upsample: nearest, linear and cubic, one axis after another.

Each output place along an axis is a weighted sum of a few input places (taps), all known while lowering:
constant indices for the reads, constant weights for a MAP. Formulas are those of ONNX's specification. It
does not say how they are rounded: sizes and places are computed in f32, as onnxruntime and PyTorch do, since
models are made for the sizes that these give (320 * 0.7 is 224 there, and 223.999996 in exact arithmetic).
"""

import math
from collections.abc import Callable

import numpy as np

from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.operators.gather import take
from protocol.engines.onnx.tensors import Array, Tensor
from protocol.tape.limits import MAX_ELEMENTS
from protocol.tape.scalar import fma

Tap = tuple[Array, Array]
"""Input index and weight for every output place."""


def _places(ctx: Context, size: int, out: int, scale: np.float32, mode: str) -> Array:
    """Where each output place lies in the input: f32."""
    x, half = np.arange(out, dtype=np.float32), np.float32(0.5)
    match mode:
        case "half_pixel":
            return (x + half) / scale - half
        case "half_pixel_symmetric":
            adjustment = np.float32(out) / (scale * np.float32(size))
            return np.float32(size) * half * (1 - adjustment) + (x + half) / scale - half
        case "pytorch_half_pixel":
            return (x + half) / scale - half if out > 1 else np.zeros(out, np.float32)
        case "align_corners":
            return x * np.float32(size - 1) / np.float32(max(out - 1, 1))
        case "asymmetric":
            return x / scale
        case _:
            raise ctx.refuse(f"coordinate mode {mode!r} is not supported")


_NEAREST: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _cubic(ctx: Context, offset: Array) -> list[Array]:
    a = float(ctx.attr("cubic_coeff_a", -0.75))

    def near(t: Array) -> Array:
        return ((a + 2) * t - (a + 3)) * t * t + 1

    def far(t: Array) -> Array:
        return ((t - 5) * t + 8) * t * a - 4 * a

    return [far(offset + 1), near(offset), near(1 - offset), far(2 - offset)]


def taps_of(ctx: Context, size: int, out: int, scale: np.float32) -> list[Tap]:
    """The taps of one axis."""
    mode = str(ctx.attr("mode", "nearest"))
    ctx.graph.budget.make((out,), 128)  # four taps of place and weight, and what they are computed by
    default = "asymmetric" if ctx.opset < 11 else "half_pixel"
    places = _places(ctx, size, out, scale, str(ctx.attr("coordinate_transformation_mode", default)))
    if mode == "nearest":
        rule = str(ctx.attr("nearest_mode", "floor" if ctx.opset < 11 else "round_prefer_floor"))
        if rule not in _NEAREST:
            raise ctx.refuse(f"nearest mode {rule!r} is not supported")
        return [(np.clip(_NEAREST[rule](places).astype(np.int64), 0, size - 1), np.ones(out))]
    whole = np.floor(places)
    offset = places - whole
    if mode == "linear":
        weights, first = [1 - offset, offset], 0
    elif mode == "cubic":
        weights, first = _cubic(ctx, offset), -1
    else:
        raise ctx.refuse(f"mode {mode!r} is not supported")
    taps = [(whole.astype(np.int64) + first + i, weight) for i, weight in enumerate(weights)]
    if ctx.attr("exclude_outside", 0):
        taps = [(at, np.where((at >= 0) & (at < size), weight, 0.0)) for at, weight in taps]
        total = np.sum([weight for _, weight in taps], axis=0)
        taps = [(at, weight / total) for at, weight in taps]
    return [(np.clip(at, 0, size - 1), weight) for at, weight in taps]


def resize_axis(ctx: Context, x: Tensor, axis: int, taps: list[Tap]) -> Tensor:
    """One axis read through its taps and summed, in the order of the taps."""
    indices = [ctx.graph.constant(at) for at, _ in taps]
    parts = [take(ctx, x, index, axis) for index in indices]
    if len(taps) == 1:
        return parts[0]
    shape = (-1, *(1,) * (x.rank - axis - 1))
    weights = [ctx.graph.constant(w.astype(np.float32).reshape(shape)) for _, w in taps]
    made = ctx.graph.apply("f32", lambda v, w: v * w, parts[0], weights[0])
    for part, weight in zip(parts[1:], weights[1:], strict=True):
        made = ctx.graph.apply("f32", fma, part, weight, made)
    return made


@operator("Resize", "Upsample")
def resize(ctx: Context, x: Tensor, *given: Tensor | None) -> Tensor:
    """Scales or sizes are constant; axes that keep their size are left alone."""
    if ctx.attr("antialias", 0) or ctx.attr("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise ctx.refuse("antialias and tf_crop_and_resize are not supported")
    if ctx.opset < 11 or ctx.node.op == "Upsample":
        scales, sizes = (given[0] if given else None), None
    else:
        _, scales, sizes = (*given, None, None, None)[:3]
    axes = [ctx.axis(a, x.rank) for a in ctx.ints("axes") or range(x.rank)]
    factors = _factors(ctx, x, axes, scales, sizes)
    for axis, (factor, out) in zip(axes, factors, strict=True):
        if out < 1 or out * (x.size // x.shape[axis]) > MAX_ELEMENTS:
            raise ctx.refuse(f"axis {axis} would have {out} elements")
        if out != x.shape[axis] or factor != 1.0:
            x = resize_axis(ctx, x, axis, taps_of(ctx, x.shape[axis], out, factor))
    return x


def _factors(
    ctx: Context, x: Tensor, axes: list[int], scales: Tensor | None, sizes: Tensor | None
) -> list[tuple[np.float32, int]]:
    """Scale and size of each named axis."""
    wanted = ctx.ints("sizes", sizes)
    if wanted:
        ratios = [np.float32(w) / np.float32(x.shape[a]) for w, a in zip(wanted, axes, strict=True)]
        policy = str(ctx.attr("keep_aspect_ratio_policy", "stretch"))
        if policy == "stretch":
            return list(zip(ratios, wanted, strict=True))
        one = min(ratios) if policy == "not_larger" else max(ratios)
        return [(one, math.floor(float(one) * x.shape[a] + 0.5)) for a in axes]
    given = ctx.fixed(scales, "scales")
    listed = ctx.attr("scales") if given is None else given.reshape(-1)
    if listed is None or len(listed) != len(axes):
        raise ctx.refuse("it needs one scale or size per axis")
    factors = [np.float32(s) for s in listed]
    return [(s, math.floor(np.float32(x.shape[a]) * s)) for s, a in zip(factors, axes, strict=True)]
