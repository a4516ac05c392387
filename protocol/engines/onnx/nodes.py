"""The tape's six kinds under construction: operands are views, stored shapes are not yet chosen."""

from dataclasses import dataclass

from protocol.engines.onnx.tensors import Array, View
from protocol.tape.dtypes import DType, Shape
from protocol.tape.nodes import ReduceKind
from protocol.tape.scalar import Value as Scalar


@dataclass(frozen=True, eq=False)
class InputNode:
    """A tensor that every item brings."""

    name: str
    word: DType
    shape: Shape


@dataclass(frozen=True, eq=False)
class ConstNode:
    """A constant, f32 or i32."""

    array: Array


@dataclass(frozen=True, eq=False)
class MapNode:
    """`expr` of one element of each argument; each view has one stride per axis of `shape`."""

    shape: Shape
    word: DType
    args: tuple[View, ...]
    expr: Scalar
    label: str


@dataclass(frozen=True, eq=False)
class ContractNode:
    """sum over k of a * b.

    Views have one stride per axis of `shape` and a last one for k; no b is the literal 1.
    """

    shape: Shape
    word: DType
    k: int
    a: View
    b: View | None
    label: str


@dataclass(frozen=True, eq=False)
class ReduceNode:
    """max or min over k; the view as for a contraction."""

    shape: Shape
    word: DType
    op: ReduceKind
    k: int
    source: View
    label: str


@dataclass(frozen=True, eq=False)
class MoveNode:
    """Element of `source`, reshaped to `view_shape`, at start + matrix @ c.

    `fill` if that is outside.
    """

    shape: Shape
    word: DType
    source: int
    view_shape: Shape
    start: tuple[int, ...]
    matrix: tuple[tuple[int, ...], ...]
    fill: float
    label: str


@dataclass(frozen=True, eq=False)
class GatherNode:
    """Rows of `table` (rows, width) named by the flat output of `index`.

    Outside gives `fill`. Shape (n, width).
    """

    shape: Shape
    word: DType
    table: int
    rows: int
    index: int
    fill: float
    label: str


@dataclass(frozen=True, eq=False)
class JoinNode:
    """The sources, each (outer, its width, inner), one after the other along the middle axis."""

    shape: Shape
    word: DType
    sources: tuple[int, ...]
    widths: tuple[int, ...]
    label: str


Node = InputNode | ConstNode | MapNode | ContractNode | ReduceNode | MoveNode | GatherNode | JoinNode
