"""Windows: a MOVE with a fill (im2col, a pad in a view) as two tables of places over a padded copy of
its source.

The copy's margin of fill values is so wide that no read leaves it. Then an element's place is a number
for its row plus one for its column. Products pack straight from there and the MOVE is never written out;
else it is written by the tables.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from protocol.engines.cpu.strides import span
from protocol.tape.dtypes import Shape, TensorType, row_major
from protocol.tape.nodes import Affine, Move

LARGEST_MARGIN = 4  # times the source, else the MOVE is written out after all


@dataclass(frozen=True)
class Window:
    """`margin` makes the padded copy; element (r, c) of the MOVE lies in it at rows[r] + columns[c]."""

    margin: Move
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]

    @property
    def type(self) -> TensorType:
        """Of the padded copy."""
        return TensorType(self.margin.dtype, self.margin.shape)


def split_grid(grid: Shape, columns: int) -> int | None:
    """Where the grid's last axes that make up one row begin, or None if a row ends inside an axis."""
    size = 1
    for axis in range(len(grid), 0, -1):
        if size == columns:
            return axis
        size *= grid[axis - 1]
    return 0 if size == columns else None


def window_of(node: Move, kind: TensorType, source: TensorType, overlap: int) -> Window | None:
    """The window of a MOVE of type `kind`, or None if writing it out is as good.

    `overlap`: how often at least the MOVE must hold each element of the padded copy. The tables take
    4 * (rows + columns) bytes.
    """
    split = split_grid(node.grid, kind.columns)
    if node.dtype.width != 4 or split is None or not kind.elements or not source.elements:
        return None
    spans = [span(node.grid, axis) for axis in node.axes]
    lows = [min(0, low) for low, _ in spans]
    padded = tuple(
        max(extent - 1, high) - low + 1 for low, (_, high), extent in zip(lows, spans, node.view, strict=True)
    )
    most = min(LARGEST_MARGIN * source.elements, kind.elements // overlap, (1 << 31) - 1)
    if math.prod(padded) > most:
        return None
    rank = len(padded)
    units = [tuple(int(i == axis) for i in range(rank)) for axis in range(rank)]
    axes = tuple(Affine(low, unit) for low, unit in zip(lows, units, strict=True))
    margin = Move(node.dtype, padded, node.source, padded, node.view, axes, node.fill)
    offset, coefs = 0, [0] * len(node.grid)
    for axis, low, step in zip(node.axes, lows, row_major(padded), strict=True):
        offset += (axis.offset - low) * step
        coefs = [have + coef * step for have, coef in zip(coefs, axis.coefs, strict=True)]
    rows = places(node.grid[:split], Affine(offset, tuple(coefs[:split])))
    return Window(margin, rows, places(node.grid[split:], Affine(0, tuple(coefs[split:]))))


def places(shape: Shape, at: Affine) -> NDArray[np.int32]:
    """The form's values over a shape, row-major, axis by axis: no more memory than the result takes twice.

    INVARIANT: all are places in a padded copy, or differences of two, so 32 bits hold each of them, and each
    step from one to the next. A stride that is never taken, of an axis of one place, may be of any size.
    """
    found = np.array([at.offset], np.int32)
    for extent, coef in zip(shape, at.coefs, strict=True):
        if extent > 1:
            steps = np.arange(extent, dtype=np.int32) * np.int32(coef)
            found = (found[:, None] + steps).reshape(-1)
    return found
