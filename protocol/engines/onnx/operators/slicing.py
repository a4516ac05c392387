"""Parts and unions of tensors: Slice, Split, Concat, Pad, Tile, Trilu, DepthToSpace, SpaceToDepth.

Slices are views; Concat is a JOIN; padding with a constant is a MOVE, every other mode a JOIN of slices.
"""

from collections.abc import Callable, Sequence

import numpy as np

from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.tensors import DTYPE_OF_KIND, Tensor, as_words
from protocol.tape.scalar import const, where


@operator("Slice")
def slice_(ctx: Context, x: Tensor, *ranges: Tensor | None) -> Tensor:
    """Ranges of axes (starts, ends, axes, steps), clamped to what there is."""
    starts, ends, axes, steps = (*ranges, None, None, None, None)[:4]
    first, last = ctx.ints("starts", starts) or [], ctx.ints("ends", ends) or []
    named = ctx.ints("axes", axes)
    along = list(range(len(first))) if named is None else named
    stride = ctx.ints("steps", steps) or [1] * len(first)
    if not len(first) == len(last) == len(along) == len(stride):
        raise ctx.refuse("starts, ends, axes and steps differ in length")
    for start, end, axis_, step in zip(first, last, along, stride, strict=True):
        axis = ctx.axis(axis_, x.rank)
        if step == 0:
            raise ctx.refuse("a step of 0")
        picked = _range(start, end, step, x.shape[axis])
        x = ctx.graph.slice(x, axis, picked.start if picked else 0, len(picked), step)
    return x


def _range(start: int, end: int, step: int, size: int) -> range:
    """ONNX's clamping: backwards, start lies in 0 .. size - 1 and end in -1 .. size - 1."""
    least, most = (0, size) if step > 0 else (-1, size - 1)
    first = min(max(start + size if start < 0 else start, least, 0), most)
    last = min(max(end + size if end < 0 else end, least), most)
    return range(first, last, step)


@operator("Split")
def split(ctx: Context, x: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    """Consecutive parts of an axis, equal unless told."""
    axis = ctx.axis(int(ctx.attr("axis", 0)), x.rank)
    parts = ctx.ints("split", sizes, len(ctx.node.outputs))
    if parts is None:
        count = int(ctx.attr("num_outputs", len(ctx.node.outputs)))
        if count != len(ctx.node.outputs):
            raise ctx.refuse(f"it makes {count} parts, but has {len(ctx.node.outputs)} outputs")
        if "num_outputs" not in ctx.node.attributes and x.shape[axis] % count:
            raise ctx.refuse(f"{x.shape[axis]} elements do not make {count} equal parts")
        width = -(-x.shape[axis] // count)
        parts = [min(width, x.shape[axis] - i * width) for i in range(count)]
    if sum(parts) != x.shape[axis] or any(p < 0 for p in parts):
        raise ctx.refuse(f"parts {parts} do not make up {x.shape[axis]}")
    starts = np.cumsum([0, *parts[:-1]])
    return tuple(ctx.graph.slice(x, axis, int(s), p) for s, p in zip(starts, parts, strict=True))


@operator("Concat")
def concat(ctx: Context, *inputs: Tensor) -> Tensor:
    """One after the other along `axis`."""
    ctx.same_kind(*inputs)
    axis = ctx.axis(int(ctx.attr("axis", 0)), inputs[0].rank)
    others = {(*t.shape[:axis], *t.shape[axis + 1 :]) for t in inputs}
    if len(others) != 1:
        raise ctx.refuse("its inputs differ on another axis than the one joined")
    return join(ctx, [t for t in inputs if t.shape[axis]] or list(inputs[:1]), axis)


def join(ctx: Context, parts: Sequence[Tensor], axis: int) -> Tensor:
    """A JOIN, in layers where there are more parts than one node takes."""
    parts = list(parts)
    while len(parts) > 1:
        parts = [
            ctx.graph.join(parts[i : i + 32], axis) if len(parts[i : i + 32]) > 1 else parts[i]
            for i in range(0, len(parts), 32)
        ]
    return parts[0]


@operator("Pad")
def pad(
    ctx: Context,
    x: Tensor,
    pads: Tensor | None = None,
    value: Tensor | None = None,
    axes: Tensor | None = None,
) -> Tensor:
    """Elements added (or, with negative counts, taken away) at both ends of axes."""
    counts = ctx.ints("pads", pads) or []
    named = ctx.ints("axes", axes)
    along = list(range(x.rank)) if named is None else [ctx.axis(a, x.rank) for a in named]
    if len(counts) != 2 * len(along):
        raise ctx.refuse(f"{len(counts)} pads for {len(along)} axes")
    before, after = [0] * x.rank, [0] * x.rank
    for i, axis in enumerate(along):
        before[axis], after[axis] = counts[i], counts[i + len(along)]
    mode = ctx.attr("mode", "constant")
    for axis, (low, high) in enumerate(zip(before, after, strict=True)):
        size, cut = x.shape[axis], max(0, -low) + max(0, -high)
        if low + high + size < 0 or (cut > size and mode != "constant"):
            raise ctx.refuse(f"{mode} padding by {[low, high]} of an axis of {size}")
        if 0 < cut <= size:
            x = ctx.graph.slice(x, axis, max(0, -low), size - cut)
            before[axis], after[axis] = max(0, low), max(0, high)
    if not any(before) and not any(after):
        return x
    if mode == "constant":
        return pad_constant(ctx, x, before, after, fill_of(ctx, x.kind, value))
    for axis in range(x.rank):
        if before[axis] or after[axis]:
            x = _pad_axis(ctx, x, axis, (before[axis], after[axis]), mode)
    return x


def fill_of(ctx: Context, kind: str, value: Tensor | None) -> float:
    """The number that a constant padding puts in."""
    found = ctx.fixed(value, "constant_value")
    number = ctx.attr("value", 0.0) if found is None else (found.reshape(-1)[0] if found.size else 0)
    return float(as_words(np.array([number]).astype(DTYPE_OF_KIND[kind]))[0])


def pad_constant(ctx: Context, x: Tensor, before: Sequence[int], after: Sequence[int], fill: float) -> Tensor:
    """One MOVE that reads outside. Negative counts take away, from what the other end adds if need be."""
    shape = tuple(b + s + a for b, s, a in zip(before, x.shape, after, strict=True))
    identity = [[int(i == j) for j in range(x.rank)] for i in range(x.rank)]
    return ctx.graph.window(x, shape, [-b for b in before], identity, fill=fill)


def _pad_axis(ctx: Context, x: Tensor, axis: int, counts: tuple[int, int], mode: str) -> Tensor:
    size = x.shape[axis]
    before, after = counts
    take = ctx.graph.slice
    if size == 0 or (mode == "reflect" and max(counts) >= size) or (mode == "wrap" and max(counts) > size):
        raise ctx.refuse(f"{mode} padding by {list(counts)} of an axis of {size}")
    if mode == "reflect":
        head, tail = take(x, axis, before, before, -1), take(x, axis, size - 2, after, -1)
    elif mode == "wrap":
        head, tail = take(x, axis, size - before, before), take(x, axis, 0, after)
    elif mode == "edge":
        shape = list(x.shape)
        shape[axis] = before
        head = ctx.graph.expand(take(x, axis, 0, 1), tuple(shape))
        shape[axis] = after
        tail = ctx.graph.expand(take(x, axis, size - 1, 1), tuple(shape))
    else:
        raise ctx.refuse(f"padding mode {mode!r} is not supported")
    return join(ctx, [t for t in (head, x, tail) if t.shape[axis]], axis)


@operator("Tile")
def tile(ctx: Context, x: Tensor, repeats: Tensor) -> Tensor:
    """Each axis repeated."""
    counts = ctx.ints("repeats", repeats) or []
    if len(counts) != x.rank or any(c < 0 for c in counts):
        raise ctx.refuse(f"repeats {counts} for {x.rank} axes")
    apart = [n for size in x.shape for n in (1, size)]
    wide = [n for size, count in zip(x.shape, counts, strict=True) for n in (count, size)]
    spread = ctx.graph.expand(ctx.graph.reshape(x, tuple(apart)), tuple(wide))
    return ctx.graph.reshape(spread, tuple(s * c for s, c in zip(x.shape, counts, strict=True)))


def _block(ctx: Context, sizes: tuple[int, ...], unit: Callable[[int], int]) -> int:
    """The node's block size. InputError unless it is positive and `unit` of it divides these sizes."""
    b = int(ctx.attr("blocksize", 1))
    if b < 1 or any(size % unit(b) for size in sizes):
        raise ctx.refuse(f"axes of {list(sizes)} do not make blocks of {b}")
    return b


@operator("DepthToSpace")
def depth_to_space(ctx: Context, x: Tensor) -> Tensor:
    """(N, C b b, H, W) to (N, C, H b, W b)."""
    n, c, h, w = x.shape
    b = _block(ctx, (c,), lambda b: b * b)
    rows_first = ctx.attr("mode", "DCR") == "DCR"
    apart = (n, b, b, c // (b * b), h, w) if rows_first else (n, c // (b * b), b, b, h, w)
    perm = [0, 3, 4, 1, 5, 2] if rows_first else [0, 1, 4, 2, 5, 3]
    moved = ctx.graph.transpose(ctx.graph.reshape(x, apart), perm)
    return ctx.graph.reshape(moved, (n, c // (b * b), h * b, w * b))


@operator("SpaceToDepth")
def space_to_depth(ctx: Context, x: Tensor) -> Tensor:
    """(N, C, H b, W b) to (N, b b C, H, W)."""
    n, c, h, w = x.shape
    b = _block(ctx, (h, w), lambda b: b)
    apart = ctx.graph.reshape(x, (n, c, h // b, b, w // b, b))
    perm = [0, 3, 5, 1, 2, 4] if ctx.attr("mode", "DCR") == "DCR" else [0, 1, 3, 5, 2, 4]
    return ctx.graph.reshape(ctx.graph.transpose(apart, perm), (n, c * b * b, h // b, w // b))


@operator("Trilu")
def trilu(ctx: Context, x: Tensor, k: Tensor | None = None) -> Tensor:
    """The upper or lower triangle, zeros elsewhere: a MAP with a constant mask."""
    shift = (ctx.ints("k", k) or [0])[0]
    ctx.graph.budget.make(x.shape[-2:])
    ones = np.ones(x.shape[-2:], np.bool_)
    mask = np.triu(ones, shift) if ctx.attr("upper", 1) else np.tril(ones, shift)
    kept = ctx.graph.constant(mask)
    return ctx.graph.apply(x.kind, lambda v, m: where(m, v, const(0, v.dtype)), x, kept)
