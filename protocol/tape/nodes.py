"""The six node kinds. A source is a value index: inputs come first, then constants, then nodes, in order.

All positions are affine in the coordinates of the output element, so that anyone who knows a node's header
and an element's index knows where every operand lies.
"""

import enum
from dataclasses import dataclass

from protocol.tape.dtypes import DType, Shape
from protocol.tape.scalar.program import ScalarProgram


@dataclass(frozen=True, slots=True)
class Affine:
    """offset + sum of coefs[i] * output coordinate i."""

    offset: int
    coefs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Operand:
    """A source read at an affine place: of elements for MAP, of rows of its last axis for CONTRACT and
    REDUCE.
    """

    source: int
    at: Affine


class ReduceKind(enum.IntEnum):
    """Which extreme a REDUCE takes."""

    MAX = 1
    MIN = 2


@dataclass(frozen=True, slots=True)
class Map:
    """out[c] = program(operand_0[at_0(c)], ...); a NaN is stored as 0x7FC00000, an i8 keeps the low byte."""

    dtype: DType
    shape: Shape
    program: ScalarProgram
    operands: tuple[Operand, ...]

    @property
    def sources(self) -> tuple[int, ...]:
        """Value indices it reads, in order."""
        return tuple(operand.source for operand in self.operands)


@dataclass(frozen=True, slots=True)
class Contract:
    """out[c] = sum over k of left[row_l(c)][k] * right[row_r(c)][k], k along the last axes; right None is 1.

    f32 operands: fma chains in order B256, f32 result. i8 and i32 operands: sum mod 2^32, i32 result.
    K is the length of both last axes; K = 0 gives +0.
    """

    dtype: DType
    shape: Shape
    left: Operand
    right: Operand | None

    @property
    def sources(self) -> tuple[int, ...]:
        """Value indices it reads, in order."""
        return (self.left.source,) if self.right is None else (self.left.source, self.right.source)


@dataclass(frozen=True, slots=True)
class Reduce:
    """out[c] = extreme of source[row(c)] along its last axis.

    f32: NaN propagates and -0 < +0. An empty row gives the identity: -inf or +inf, or the type's least or
    greatest.
    """

    dtype: DType
    shape: Shape
    kind: ReduceKind
    operand: Operand

    @property
    def sources(self) -> tuple[int, ...]:
        """Value indices it reads, in order."""
        return (self.operand.source,)


@dataclass(frozen=True, slots=True)
class Move:
    """out = one element of the source, or `fill`.

    The output is seen through `grid`, the source through `view`: shapes of the same element counts as
    `shape` and the source. Coordinate v of the view is axes[v] of the grid coordinates; outside [0,
    view[v]) on any v gives the fill. `fill` is a 32-bit word (for i8 one byte, 0..255).
    """

    dtype: DType
    shape: Shape
    source: int
    grid: Shape
    view: Shape
    axes: tuple[Affine, ...]
    fill: int

    @property
    def sources(self) -> tuple[int, ...]:
        """Value indices it reads, in order."""
        return (self.source,)


@dataclass(frozen=True, slots=True)
class Gather:
    """out seen as [n, row] = source seen as [-1, row] at [index[n]]; an index outside gives the fill.

    `index` is an i32 or i8 tensor of n elements; `row` divides the source's element count.
    """

    dtype: DType
    shape: Shape
    source: int
    index: int
    row: int
    fill: int

    @property
    def sources(self) -> tuple[int, ...]:
        """Value indices it reads, in order."""
        return (self.source, self.index)


@dataclass(frozen=True, slots=True)
class Join:
    """The sources one after another along `axis`; their shapes agree on every other axis."""

    dtype: DType
    shape: Shape
    axis: int
    parts: tuple[int, ...]

    @property
    def sources(self) -> tuple[int, ...]:
        """Value indices it reads, in order."""
        return self.parts


Node = Map | Contract | Reduce | Move | Gather | Join
