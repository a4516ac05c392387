"""TopK: by rank for short axes, by repeated extraction for few results of long ones.

Numbers are compared through integer keys of the same order, so that infinities need no special place: the
least key of all stands for "taken". Ties go to the lower index, as ONNX asks.
"""

import numpy as np

from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.operators.ordering import best_index
from protocol.engines.onnx.tensors import Tensor
from protocol.tape.dtypes import F32, I32
from protocol.tape.nodes import ReduceKind
from protocol.tape.scalar import Value, bits, const, eq, from_bits, where

LONGEST_RANKED = 2048
"""Ranks compare every pair of an axis."""
MOST_EXTRACTED = 64
TAKEN = -(2**31)


def key_of(x: Value) -> Value:
    """An integer in the order of x. No number has the least one."""
    if x.dtype is not F32:
        return x
    word = bits(x + 0.0)  # -0 and +0 are equal, so they must share a key
    return word ^ ((word >> 31) & 0x7FFFFFFF)


def number_of(key: Value, floating: bool) -> Value:
    """What `key_of` was made from."""
    return from_bits(key ^ ((key >> 31) & 0x7FFFFFFF)) if floating else key


@operator("TopK")
def top_k(ctx: Context, x: Tensor, k: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The k largest (or smallest) of an axis, in order, and their indices."""
    count = (ctx.ints("k", k) or [0])[0]
    axis = ctx.axis(int(ctx.attr("axis", -1)), x.rank)
    size = x.shape[axis]
    if not 0 <= count <= size:
        raise ctx.refuse(f"k = {count} of {size}")
    order = [*(a for a in range(x.rank) if a != axis), axis]
    undo = [order.index(a) for a in range(x.rank)]
    flip = const(0 if ctx.attr("largest", 1) else -1, I32)
    keys = ctx.graph.apply("i32", lambda v: key_of(v) ^ flip, ctx.graph.transpose(x, order))
    if size <= LONGEST_RANKED:
        best, index = _by_rank(ctx, keys, count)
    elif count <= MOST_EXTRACTED:
        best, index = _by_extraction(ctx, keys, count)
    else:
        raise ctx.refuse(f"k = {count} of {size}: above {LONGEST_RANKED} elements at most {MOST_EXTRACTED}")
    values = ctx.graph.apply(x.kind, lambda v: number_of(v ^ flip, x.word is F32), best)
    return ctx.graph.transpose(values, undo), ctx.graph.transpose(ctx.graph.retype(index, "i64"), undo)


def _by_rank(ctx: Context, keys: Tensor, count: int) -> tuple[Tensor, Tensor]:
    size = keys.shape[-1]
    line = ctx.graph.constant(np.arange(size, dtype=np.int32))
    mine, others = (*keys.shape, 1), (*keys.shape[:-1], 1, size)
    before = ctx.graph.apply(
        "i32",
        lambda a, b, i, j: (a < b) | (eq(a, b) & (j < i)),
        ctx.graph.reshape(keys, mine),
        ctx.graph.reshape(keys, others),
        ctx.graph.reshape(line, (size, 1)),
        line,
    )
    rank = ctx.graph.reshape(ctx.graph.total(before), others)
    place = ctx.graph.constant(np.arange(count, dtype=np.int32).reshape(count, 1))

    def picked(what: Tensor, none: int) -> Tensor:
        def of(r: Value, p: Value, v: Value) -> Value:
            return where(eq(r, p), v, const(none, I32))

        return ctx.graph.reduce(ReduceKind.MAX, ctx.graph.apply("i32", of, rank, place, what))

    return picked(ctx.graph.reshape(keys, others), TAKEN), picked(line, -1)


def _by_extraction(ctx: Context, keys: Tensor, count: int) -> tuple[Tensor, Tensor]:
    ctx.graph.budget.make(keys.shape[-1:], 4)
    line = ctx.graph.constant(np.arange(keys.shape[-1], dtype=np.int32))
    best: list[Tensor] = []
    places: list[Tensor] = []
    for _ in range(count):
        top = ctx.graph.reduce(ReduceKind.MAX, keys)
        index = best_index(ctx, keys, ReduceKind.MAX, last=False)
        wide = (*keys.shape[:-1], 1)
        best.append(ctx.graph.reshape(top, wide))
        places.append(ctx.graph.reshape(ctx.graph.retype(index, "i32"), wide))
        keys = ctx.graph.apply(
            "i32", lambda v, i, p: where(eq(i, p), const(TAKEN, I32), v), keys, line, places[-1]
        )
    axis = keys.rank - 1
    return ctx.graph.join(best, axis), ctx.graph.join(places, axis)
