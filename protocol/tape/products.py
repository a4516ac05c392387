"""Everyday CONTRACTs and REDUCEs: matrix products, sums and extremes along the last axis."""

import numpy as np

from protocol.tape.builder import TapeBuilder
from protocol.tape.dtypes import Shape, row_major
from protocol.tape.nodes import Affine, ReduceKind
from protocol.tape.refs import Ref, broadcast_strides
from protocol.types.errors import InputError


def matmul(b: TapeBuilder, left: Ref, right: Ref, name: str = "") -> Ref:
    """left (..., M, K) by right (..., N, K), both read along their last axis: (..., M, N); batches broadcast.

    This is ONNX's MatMul with the right operand's last two axes swapped.
    """
    if len(left.shape) < 2 or len(right.shape) < 2:
        raise InputError(f"matmul needs matrices, not {left.shape} and {right.shape}")
    (*batch_l, m, _), (*batch_r, n, _) = left.shape, right.shape
    try:
        batch = np.broadcast_shapes(tuple(batch_l), tuple(batch_r))
    except ValueError as error:
        raise InputError(f"batches of {left.shape} and {right.shape} do not broadcast") from error
    rows_l = tuple(m * step for step in broadcast_strides(tuple(batch_l), batch))
    rows_r = tuple(n * step for step in broadcast_strides(tuple(batch_r), batch))
    return b.contract(
        (*batch, m, n), left, Affine(0, (*rows_l, 1, 0)), right, Affine(0, (*rows_r, 0, 1)), name=name
    )


def total(b: TapeBuilder, source: Ref, keepdims: bool = False, name: str = "") -> Ref:
    """The sum along the last axis, in order B256."""
    shape, at = _rows(source, keepdims)
    return b.contract(shape, source, at, None, None, name=name)


def dot(b: TapeBuilder, left: Ref, right: Ref, keepdims: bool = False, name: str = "") -> Ref:
    """The sum of products along the last axis of two tensors of one shape, such as a sum of squares."""
    if left.shape != right.shape:
        raise InputError(f"dot needs equal shapes, not {left.shape} and {right.shape}")
    shape, at = _rows(left, keepdims)
    return b.contract(shape, left, at, right, at, name=name)


def greatest(b: TapeBuilder, source: Ref, keepdims: bool = False, name: str = "") -> Ref:
    """The maximum along the last axis."""
    shape, at = _rows(source, keepdims)
    return b.reduce(ReduceKind.MAX, shape, source, at, name)


def least(b: TapeBuilder, source: Ref, keepdims: bool = False, name: str = "") -> Ref:
    """The minimum along the last axis."""
    shape, at = _rows(source, keepdims)
    return b.reduce(ReduceKind.MIN, shape, source, at, name)


def _rows(source: Ref, keepdims: bool) -> tuple[Shape, Affine]:
    if not source.shape:
        raise InputError("a scalar has no last axis")
    shape = source.shape[:-1] + ((1,) if keepdims else ())
    return shape, Affine(0, row_major(shape))
