"""What a node takes beside its arithmetic and its bytes, as bytes moved: measured on processors of today.

A client picks shapes. However small its rows, products and runs are, an item must not take many times what
is estimated: so whatever a kernel does once per batch, row, run or element is counted here.
"""

import math
from collections.abc import Sequence

from protocol.engines.cpu.contracting import axes_of, roles_of
from protocol.engines.cpu.layout import flat_view
from protocol.engines.cpu.strides import merge
from protocol.tape.dtypes import F32, I32, TensorType
from protocol.tape.nodes import Contract, Gather, Join, Map, Move, Node, Reduce

CALL = 4096
"""A kernel call, from Python."""
BATCH = 128
"""One of a product's batches."""
TILE = (12, 32)
"""What a product's operands are padded to, in rows; half a byte for each padded element that is packed."""
DOT = 4
"""A term of a dot product whose operands both move: it is fetched alone."""
ROW, AXIS = 8, 8
"""A row that is found by itself, and for each of its merged axes."""
RUN = 32
"""A run of a copy; `VIEW` for each axis of a view that it may leave."""
VIEW = 16
PIECE = 16
"""A run of an operand of a MAP, a row of a GATHER, or a run of a part of a JOIN."""


def handling(node: Node, types: Sequence[TensorType], constants: range) -> int:
    """Bytes that could have been moved meanwhile. `types`: of all values; `constants`: which are such."""
    elements = math.prod(node.shape)
    if not elements:
        return CALL
    match node:
        case Map():
            extents, _ = merge(node.shape, *(operand.at.coefs for operand in node.operands))
            return CALL + PIECE * len(node.operands) * (elements // extents[-1])
        case Contract():
            return CALL + _contract(node, types, constants)
        case Reduce():
            extents, _ = merge(node.shape, node.operand.at.coefs)
            return CALL + elements * (ROW + AXIS * len(extents))
        case Move():
            flat = flat_view(node)
            if flat is None:
                run = node.grid[-1] if node.grid else 1
                return CALL + (RUN + VIEW * len(node.view)) * (elements // run)
            extents, _ = merge(node.grid, flat.coefs)
            return CALL + RUN * (elements // extents[-1])
        case Gather():
            return CALL + PIECE * types[node.index].elements
        case Join():
            return CALL + PIECE * len(node.parts) * math.prod(node.shape[: node.axis])


def _contract(node: Contract, types: Sequence[TensorType], constants: range) -> int:
    elements, left = math.prod(node.shape), types[node.left.source]
    depth, right = left.columns, left if node.right is None else types[node.right.source]
    axes = axes_of(node, depth)
    roles = roles_of(axes) if left.dtype is right.dtype and left.dtype is not I32 else None
    if roles is None:
        return elements * (DOT * depth + ROW + 2 * AXIS * len(axes))
    b = node.left if roles.left_is_b else node.right
    # Packed once, before the first item.
    ready = (
        b is not None
        and b.source in constants
        and left.dtype is F32
        and not any(roles.steps(axis)[1] for axis in roles.batches)
    )
    batches = math.prod(axis.extent for axis in roles.batches)
    down, along = (
        -(-axis.extent // to) * to for axis, to in zip((roles.down, roles.along), TILE, strict=True)
    )
    packed = down + (0 if ready else along)
    return elements + batches * (BATCH + packed * depth // 2)
