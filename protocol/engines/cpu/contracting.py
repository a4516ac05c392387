"""Turning a CONTRACT into batched matrix products.

Each output axis moves the left operand's row, the right one's, both or neither. One axis of the first
two kinds becomes n, along which the kernel works in vectors, one of the other side's becomes m, the rest
are batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from protocol.engines.cpu.compiling import Call, Machine, Place, rows_from
from protocol.engines.cpu.library import ProductTask, ReductionTask, Task, library, row
from protocol.engines.cpu.strides import merge, scaled
from protocol.tape.dtypes import F32, I32, TensorType, row_major
from protocol.tape.nodes import Affine, Contract, Operand

PANEL = 96  # a multiple of every kernel's panel width


@dataclass(frozen=True)
class Axis:
    """One merged output axis: its length, the operands' strides and the output's, in elements."""

    extent: int
    left: int
    right: int
    out: int


def compile_contract(node: Contract, sources: Sequence[Place], out: Place, machine: Machine) -> Call:
    """Products for f32, integer dots for the rest."""
    left = sources[0]
    columns = left.type.columns
    keep = []
    if node.right is None:
        right = _ones(left.type)
        operand = Operand(-1, Affine(0, (0,) * len(node.shape)))
        keep.append(right)
    else:
        right, operand = sources[1], node.right
    extents, vectors = merge(
        node.shape,
        scaled(node.left.at, columns).coefs,
        scaled(operand.at, columns).coefs,
        row_major(node.shape),
    )
    axes = [Axis(*numbers) for numbers in zip(extents, *vectors, strict=True)]
    call = None
    if node.dtype is F32 and out.type.elements:
        call = _products(axes, (left, node.left.at), (right, operand.at), out, machine)
    if call is None:
        kernel = "gv_dots" if node.dtype is F32 else "gv_integer_dots"

        def make(_: int) -> Task:
            return ReductionTask(
                out=out.address,
                dims=len(extents),
                extents=row(extents),
                depth=columns,
                a=rows_from(left, node.left.at, vectors[0]),
                b=rows_from(right, operand.at, vectors[1]),
            )

        call = Call(kernel, machine.share(make, out.type.elements, 16))
    call.keep += keep
    return call


def _ones(kind: TensorType) -> Place:
    dtype = F32 if kind.dtype is F32 else I32
    ones = np.ones(kind.columns, dtype.numpy)
    return Place(ones, TensorType(dtype, ones.shape), False)


def _products(
    axes: list[Axis],
    left: tuple[Place, Affine],
    right: tuple[Place, Affine],
    out: Place,
    machine: Machine,
) -> Call | None:
    single = [axis for axis in axes if (axis.left == 0) != (axis.right == 0)]
    if not single:
        return None
    along = min(single, key=lambda axis: (axis.out != 1, -axis.extent))
    (a, a_at), (b, b_at) = (left, right) if along.left == 0 else (right, left)

    def of(axis: Axis) -> tuple[int, int]:
        """The axis's strides of a and b."""
        return (axis.left, axis.right) if along.left == 0 else (axis.right, axis.left)

    others = [axis for axis in single if of(axis)[1] == 0]
    down = max(others, key=lambda axis: axis.extent, default=Axis(1, 0, 0, 0))
    batches = [axis for axis in axes if axis is not along and axis is not down]
    columns = a.type.columns
    a_from = a.address + 4 * columns * a_at.offset
    b_from = b.address + 4 * columns * b_at.offset
    keep = []
    packed = 0
    if b.constant and columns and not any(of(axis)[1] for axis in batches):
        panels = _pack(b_from, along.extent, of(along)[1], columns)
        keep.append(panels)
        packed = panels.ctypes.data

    def make(scratch: int) -> Task:
        return ProductTask(
            a=a_from,
            b=b_from,
            packed=packed,
            out=out.address,
            scratch=scratch,
            m=down.extent,
            n=along.extent,
            k=columns,
            a_row=of(down)[0],
            b_row=of(along)[1],
            out_m=down.out,
            out_n=along.out,
            batches=len(batches),
            extents=row([axis.extent for axis in batches]),
            a_batch=row([of(axis)[0] for axis in batches]),
            b_batch=row([of(axis)[1] for axis in batches]),
            out_batch=row([axis.out for axis in batches]),
        )

    count = int(np.prod([axis.extent for axis in batches], dtype=np.int64))
    tasks = machine.share(make, along.extent, PANEL) if count == 1 else machine.share(make, count)
    return Call("gv_products", tasks, keep=keep)


def _pack(address: int, rows: int, stride: int, depth: int) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
    kernels = library()
    panels = np.empty(kernels.gv_packed_size(rows, depth), np.float32)
    kernels.gv_pack_b(panels.ctypes.data, address, rows, stride, depth)
    return panels
