"""Matrix products: MatMul, Gemm, MatMulInteger.

A CONTRACT reads both operands along their last axis, so the right one is transposed: while lowering if it
is constant, else by its view. Shape rule: numpy's matmul.
"""

import numpy as np

from protocol.engines.onnx.operators.arithmetic import binary
from protocol.engines.onnx.operators.context import Context, operator
from protocol.engines.onnx.operators.scalars import wrap
from protocol.engines.onnx.tensors import Tensor
from protocol.tape.dtypes import F32


def swap_last(ctx: Context, x: Tensor) -> Tensor:
    """The last two axes exchanged."""
    return ctx.graph.transpose(x, [*range(x.rank - 2), x.rank - 1, x.rank - 2])


def product(ctx: Context, a: Tensor, b: Tensor) -> Tensor:
    """numpy's matmul of two tensors, vectors included."""
    if not a.rank or not b.rank:
        raise ctx.refuse("a scalar is no matrix")
    left = ctx.graph.reshape(a, (1, *a.shape)) if a.rank == 1 else a
    right = ctx.graph.reshape(b, (*b.shape, 1)) if b.rank == 1 else b
    if left.shape[-1] != right.shape[-2]:
        raise ctx.refuse(f"shapes {list(a.shape)} and {list(b.shape)} do not multiply")
    made = ctx.graph.contract(left, swap_last(ctx, right))
    shape = list(made.shape)
    if a.rank == 1:
        del shape[-2]
    if b.rank == 1:
        del shape[-1]
    return ctx.graph.reshape(made, tuple(shape))


@operator("MatMul")
def matmul(ctx: Context, a: Tensor, b: Tensor) -> Tensor:
    """numpy's matmul."""
    kind = ctx.same_kind(a, b)
    made = product(ctx, a, b)
    return made if kind == "f32" else ctx.graph.retype(made, kind)


@operator("Gemm")
def gemm(ctx: Context, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """alpha A B + beta C, each of A and B transposed if asked."""
    kind = ctx.same_kind(a, b)
    if a.rank != 2 or b.rank != 2:
        raise ctx.refuse(f"shapes {list(a.shape)} and {list(b.shape)} are no matrices")
    left = swap_last(ctx, a) if ctx.attr("transA", 0) else a
    right = b if ctx.attr("transB", 0) else swap_last(ctx, b)
    made = ctx.graph.contract(left, right)
    alpha, beta = float(ctx.attr("alpha", 1.0)), float(ctx.attr("beta", 1.0))
    if kind != "f32" and (alpha != 1.0 or beta != 1.0):
        raise ctx.refuse("integer matrices need alpha = beta = 1")
    if alpha != 1.0:
        made = ctx.graph.apply("f32", lambda x: x * alpha, made)
    ctx.fits(c, made.shape, "C")
    if c is not None and beta != 1.0:
        c = ctx.graph.apply("f32", lambda x: x * beta, c)
    if c is not None:
        made = binary(lambda x, y: x + y, ctx, made, c)
    return made


def centred(ctx: Context, x: Tensor, zero_point: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    """Bytes less their zero point (of the given shape), as i32."""
    wide = ctx.graph.retype(x, "i32")
    if zero_point is None:
        return wide
    ctx.graph.budget.pay(zero_point.size)
    if zero_point.array is not None and not zero_point.array.any():
        return wide
    point = ctx.graph.reshape(ctx.graph.retype(zero_point, "i32"), shape)
    ctx.fits(point, wide.shape, "zero point")
    return ctx.graph.apply("i32", lambda v, z: v - z, wide, point)


@operator("MatMulInteger")
def matmul_integer(
    ctx: Context, a: Tensor, b: Tensor, a_zero: Tensor | None = None, b_zero: Tensor | None = None
) -> Tensor:
    """Byte matrices less their zero points, multiplied in i32: exact."""
    rows = (a_zero.size, 1) if a_zero is not None and a_zero.size > 1 else (1,) * a.rank
    columns = (b_zero.size,) if b_zero is not None and b_zero.size > 1 else (1,) * b.rank
    return product(ctx, centred(ctx, a, a_zero, rows), centred(ctx, b, b_zero, columns))


@operator("Einsum")
def einsum(ctx: Context, *inputs: Tensor) -> Tensor:
    """Two operands without repeated letters, or one: batch letters, kept letters, summed letters."""
    equation = str(ctx.attr("equation", "")).replace(" ", "")
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if not arrow:
        letters = "".join(terms)
        right = "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    plain = all(len(set(t)) == len(t) and t.isalpha() for t in [*terms, right or "a"])
    if not plain or len(terms) != len(inputs) or len(terms) > 2:
        raise ctx.refuse(f"equation {equation!r} is beyond two operands of plain letters")
    kind = ctx.same_kind(*inputs)
    sizes = {c: s for t, x in zip(terms, inputs, strict=True) for c, s in zip(t, x.shape, strict=True)}
    if len(terms) == 1:
        gone = [c for c in terms[0] if c not in right]
        moved = ctx.graph.transpose(inputs[0], [terms[0].index(c) for c in [*right, *gone]])
        if not gone:
            return moved
        return ctx.graph.total(ctx.graph.reshape(moved, (*(sizes[c] for c in right), _count(sizes, gone))))
    done = _einsum_two(ctx, terms, inputs, right, sizes)
    return done if done.word is F32 else ctx.graph.apply(kind, lambda v: wrap(v, kind), done)


def _count(sizes: dict[str, int], letters: list[str]) -> int:
    return int(np.prod([sizes[c] for c in letters], dtype=np.int64))


def _einsum_two(
    ctx: Context, terms: list[str], inputs: tuple[Tensor, ...], right: str, sizes: dict[str, int]
) -> Tensor:
    first, second = terms
    batch = [c for c in first if c in second and c in right]
    inner = [c for c in first if c in second and c not in right]
    rows = [c for c in first if c not in second]
    columns = [c for c in second if c not in first]
    if any(c not in right for c in [*rows, *columns]) or any(c not in sizes for c in right):
        raise ctx.refuse("a letter of one operand alone is summed: sum it first")

    def arrange(term: str, x: Tensor, kept: list[str]) -> Tensor:
        moved = ctx.graph.transpose(x, [term.index(c) for c in [*batch, *kept, *inner]])
        shape = (*(sizes[c] for c in batch), _count(sizes, kept), _count(sizes, inner))
        return ctx.graph.reshape(moved, shape)

    made = ctx.graph.contract(arrange(first, inputs[0], rows), arrange(second, inputs[1], columns))
    apart = ctx.graph.reshape(made, tuple(sizes[c] for c in [*batch, *rows, *columns]))
    order = [*batch, *rows, *columns]
    return ctx.graph.transpose(apart, [order.index(c) for c in right])
