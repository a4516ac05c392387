"""Turning a CONTRACT into batched matrix products.

Each output axis moves the left operand's row, the right one's, both or neither. One axis of the first
two kinds becomes n, along which the kernel works in vectors, one of the other side's becomes m, the rest
are batches.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from protocol.engines.cpu.compiling import Call, Machine, Place, rows_from
from protocol.engines.cpu.library import ProductTask, ReductionTask, Task, row
from protocol.engines.cpu.strides import merge, scaled
from protocol.engines.cpu.windows import Window
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


@dataclass(frozen=True)
class Roles:
    """What each axis does: `along` is n, `down` is m. `left_is_b`: the left operand is what moves along n."""

    along: Axis
    down: Axis
    batches: tuple[Axis, ...]
    left_is_b: bool

    def steps(self, axis: Axis) -> tuple[int, int]:
        """The axis's strides of a and b."""
        return (axis.right, axis.left) if self.left_is_b else (axis.left, axis.right)


def roles_of(axes: Sequence[Axis]) -> Roles | None:
    """Who does what, or None if no axis moves one operand alone."""
    single = [axis for axis in axes if (axis.left == 0) != (axis.right == 0)]
    if not single:
        return None
    along = min(single, key=lambda axis: (axis.out != 1, -axis.extent))
    left_is_b = along.right == 0
    others = [axis for axis in single if (axis.left if left_is_b else axis.right) == 0]
    down = max(others, key=lambda axis: axis.extent, default=Axis(1, 0, 0, 0))
    batches = tuple(axis for axis in axes if axis is not along and axis is not down)
    return Roles(along, down, batches, left_is_b)


def axes_of(node: Contract, columns: int) -> list[Axis]:
    """The merged axes of a CONTRACT over `columns` terms."""
    still = (0,) * len(node.shape)
    extents, vectors = merge(
        node.shape,
        scaled(node.left.at, columns).coefs,
        still if node.right is None else scaled(node.right.at, columns).coefs,
        row_major(node.shape),
    )
    return [Axis(*numbers) for numbers in zip(extents, *vectors, strict=True)]


def compile_contract(
    node: Contract,
    sources: Sequence[Place],
    windows: Sequence[Window | None],
    *,
    columns: int,
    out: Place,
    machine: Machine,
) -> Call:
    """Tiled products for f32 by f32 and i8 by i8, plain dots for the rest, over `columns` terms each.

    A source with a window is read through its tables; its place is the padded copy.
    """
    left = sources[0]
    keep = []
    if node.right is None:
        ones = machine.ones[left.type.dtype]
        right = Place(ones, TensorType(left.type.dtype, ones.shape), False)
        operand = Operand(-1, Affine(0, (0,) * len(node.shape)))
        keep.append(ones)
    else:
        right, operand = sources[1], node.right
    axes = axes_of(node, columns)
    alike = left.type.dtype is right.type.dtype and left.type.dtype is not I32
    roles = roles_of(axes) if alike else None
    if roles is not None:
        call = _products(
            roles,
            (left, node.left.at),
            (right, operand.at),
            windows,
            columns=columns,
            out=out,
            machine=machine,
        )
    else:
        kernel = "gv_dots" if node.dtype is F32 else "gv_integer_dots"

        def make(_: int) -> Task:
            return ReductionTask(
                out=out.address,
                dims=len(axes),
                extents=row([axis.extent for axis in axes]),
                depth=columns,
                a=rows_from(left, node.left.at, columns, tuple(axis.left for axis in axes)),
                b=rows_from(right, operand.at, columns, tuple(axis.right for axis in axes)),
            )

        call = Call(kernel, machine.share(make, out.type.elements, 16))
    call.keep += keep
    return call


def _products(
    roles: Roles,
    left: tuple[Place, Affine],
    right: tuple[Place, Affine],
    windows: Sequence[Window | None],
    *,
    columns: int,
    out: Place,
    machine: Machine,
) -> Call:
    (a, a_at), (b, b_at) = (right, left) if roles.left_is_b else (left, right)
    window = windows[0] if roles.left_is_b else windows[1]
    width = a.type.dtype.width
    a_from = a.address + width * columns * a_at.offset
    b_from = b.address if window else b.address + width * columns * b_at.offset
    unit = columns if window else 1  # of b's strides: with a window they count rows
    along, down, batches = roles.along, roles.down, roles.batches
    keep: list[object] = [window]
    packed = row_at = column_at = 0
    if window is not None:
        row_at = window.rows.ctypes.data + 4 * b_at.offset
        column_at = window.columns.ctypes.data
    elif b.constant and columns and width == 4 and not any(roles.steps(axis)[1] for axis in batches):
        panels = machine.packs.get(b_from, along.extent, roles.steps(along)[1], columns)
        packed = 0 if panels is None else panels.ctypes.data
        keep.append(panels)

    def make(scratch: int) -> Task:
        return ProductTask(
            a=a_from,
            b=b_from,
            packed=packed,
            row_at=row_at,
            column_at=column_at,
            out=out.address,
            scratch=scratch,
            m=down.extent,
            n=along.extent,
            k=columns,
            a_row=roles.steps(down)[0],
            b_row=roles.steps(along)[1] // unit,
            out_m=down.out,
            out_n=along.out,
            batches=len(batches),
            extents=row([axis.extent for axis in batches]),
            a_batch=row([roles.steps(axis)[0] for axis in batches]),
            b_batch=row([roles.steps(axis)[1] // unit for axis in batches]),
            out_batch=row([axis.out for axis in batches]),
        )

    count = math.prod(axis.extent for axis in batches)
    tasks = machine.share(make, along.extent, PANEL) if count == 1 else machine.share(make, count)
    return Call("gv_products" if width == 4 else "gv_byte_products", tasks, keep=keep)
