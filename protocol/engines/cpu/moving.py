"""Turning a MOVE into kernel calls: a strided copy, a transposition, rows by tables, or runs of source
and fill.
"""

from protocol.engines.cpu.compiling import Call, Machine, Place
from protocol.engines.cpu.layout import flat_view
from protocol.engines.cpu.library import (
    CopyTask,
    MoveTask,
    Row,
    SpreadTask,
    Task,
    TransposeTask,
    row,
)
from protocol.engines.cpu.strides import Strides, merge
from protocol.engines.cpu.windows import Window
from protocol.tape.dtypes import Shape, row_major
from protocol.tape.nodes import Affine, Move

TILE = 16  # of gv_transpose
SMALL = 256  # elements that a cache line's worth of waste does not matter for


def compile_move(node: Move, source: Place, out: Place, machine: Machine) -> Call:
    """A copy if nothing lies outside the source, else runs."""
    flat = flat_view(node)
    if flat is None:
        return _runs(node, source, out, machine)
    extents, (strides,) = merge(node.grid, flat.coefs)
    fast = [axis for axis, step in enumerate(strides[:-1]) if abs(step) == 1 and extents[axis] > 1]
    if strides[-1] in (0, 1) or not fast or out.type.elements < SMALL:
        return _copy(extents, flat, strides, source, out=out, machine=machine)
    return _transpose(extents, flat, strides, source, run=fast[-1], out=out, machine=machine)


def compile_spread(window: Window, padded: Place, out: Place, machine: Machine) -> Call:
    """A MOVE written out from its window's padded copy."""

    def make(_: int) -> Task:
        return SpreadTask(
            source=padded.address,
            out=out.address,
            row_at=window.rows.ctypes.data,
            column_at=window.columns.ctypes.data,
            depth=len(window.columns),
        )

    return Call("gv_spread", machine.share(make, len(window.rows), 64), keep=[window])


def _copy(
    extents: Shape, flat: Affine, strides: Strides, source: Place, *, out: Place, machine: Machine
) -> Call:
    def make(_: int) -> Task:
        return CopyTask(
            source=source.address,
            out=out.address,
            width=out.type.dtype.width,
            offset=flat.offset,
            dims=len(extents),
            extents=row(extents),
            strides=row(strides),
        )

    return Call("gv_copy", machine.share(make, out.type.elements // extents[-1], 64))


def _transpose(
    extents: Shape, flat: Affine, strides: Strides, source: Place, *, run: int, out: Place, machine: Machine
) -> Call:
    steps = row_major(extents)
    order = [axis for axis in range(len(extents) - 1) if axis != run] + [run, len(extents) - 1]
    blocks = -(-extents[run] // TILE)

    def make(_: int) -> Task:
        return TransposeTask(
            source=source.address,
            out=out.address,
            width=out.type.dtype.width,
            offset=flat.offset,
            dims=len(extents),
            extents=row([extents[axis] for axis in order]),
            strides=row([strides[axis] for axis in order]),
            out_strides=row([steps[axis] for axis in order]),
        )

    units = out.type.elements // extents[run] // extents[-1] * blocks
    return Call("gv_transpose", machine.share(make, units))


def _runs(node: Move, source: Place, out: Place, machine: Machine) -> Call:
    grid = node.grid or (1,)
    coefs = [axis.coefs or (0,) for axis in node.axes]

    def make(_: int) -> Task:
        return MoveTask(
            source=source.address,
            out=out.address,
            width=node.dtype.width,
            fill=node.fill,
            dims=len(grid),
            extents=row(grid),
            views=len(node.view),
            view=row(node.view),
            steps=row(row_major(node.view)),
            offsets=row([axis.offset for axis in node.axes]),
            coefs=(Row * len(Row()))(*(row(line) for line in coefs)),
        )

    return Call("gv_move", machine.share(make, out.type.elements // max(grid[-1], 1), 64))
