"""The graph between ONNX and the tape: the tape's six kinds, with operands read through strided views.

A `Tensor` is what an ONNX name stands for while lowering: either a constant array, or a view (offset and one
stride per axis, in elements) of the flat output of a node. Transpose, slice, squeeze, expand and most
reshapes are therefore only a change of view; a MOVE appears where an operand cannot be read through its
view (`emit` decides), or where something lies outside (padding).

Element types are ONNX's names f32, i32, i64, bool, i8, u8. All but f32 are held as i32 words: bool as 0 or
1, i8 and u8 as their value, i64 as its low 32 bits (README of the room: `docs/models.md`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protocol.tape.dtypes import F32, I32, DType, Shape, row_major
from protocol.tape.limits import MAX_ELEMENTS
from protocol.tape.nodes import ReduceKind
from protocol.tape.scalar import Value as Scalar
from protocol.types.errors import InputError

Array = np.ndarray[Any, np.dtype[Any]]

KIND_OF_DTYPE: dict[np.dtype[Any], str] = {
    np.dtype(np.float32): "f32",
    np.dtype(np.int32): "i32",
    np.dtype(np.int64): "i64",
    np.dtype(np.bool_): "bool",
    np.dtype(np.int8): "i8",
    np.dtype(np.uint8): "u8",
}
DTYPE_OF_KIND: dict[str, np.dtype[Any]] = {name: dtype for dtype, name in KIND_OF_DTYPE.items()}


def word_of(kind: str) -> DType:
    """The words that hold elements of an ONNX type."""
    return F32 if kind == "f32" else I32


def argument(index: int, word: DType) -> Scalar:
    """The symbolic element of argument `index` of a MAP."""
    return Scalar(word, "input", word=index)


def substitute(root: Scalar, parts: dict[int, Scalar]) -> Scalar:
    """The expression with input i replaced by `parts[i]`; shared subexpressions stay shared."""
    memo: dict[int, Scalar] = {}

    def walk(node: Scalar) -> Scalar:
        if node.op == "input":
            return parts[node.word]
        if not node.args:
            return node
        if id(node) not in memo:
            memo[id(node)] = Scalar(node.dtype, node.op, tuple(walk(a) for a in node.args), node.word)
        return memo[id(node)]

    return walk(root)


@dataclass(frozen=True)
class View:
    """Elements of the flat output of node `node`.

    At output coordinate c, element offset + sum(stride * c).
    """

    node: int
    offset: int
    strides: tuple[int, ...]


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


@dataclass(frozen=True, eq=False)
class Tensor:
    """What an ONNX name stands for: a constant (`array`) or a view of a node's output."""

    kind: str
    shape: Shape
    array: Array | None = None
    view: View | None = None

    @property
    def word(self) -> DType:
        """The words that hold it: F32 for f32, I32 for everything else."""
        return F32 if self.kind == "f32" else I32

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)


def is_contiguous(shape: Shape, strides: Sequence[int]) -> bool:
    """Whether the strides are those of a contiguous tensor, axes of one element aside."""
    return all(
        size == 1 or stride == natural
        for size, stride, natural in zip(shape, strides, row_major(shape), strict=True)
    )


def literal(tensor: "Tensor") -> Scalar:
    """A constant of one element as a literal of the scalar program."""
    assert tensor.array is not None
    words = as_words(tensor.array)
    return Scalar(tensor.word, "const", word=int(words.reshape(-1).view(np.uint32)[0]))


def broadcast_shapes(*shapes: Shape) -> Shape:
    """ONNX's multidirectional broadcast. InputError if the shapes do not fit."""
    try:
        return tuple(int(d) for d in np.broadcast_shapes(*shapes))
    except ValueError as fault:
        listed = ", ".join(str(list(s)) for s in shapes)
        raise InputError(f"shapes {listed} do not broadcast") from fault


def reshape_strides(shape: Shape, strides: Sequence[int], new: Shape) -> tuple[int, ...] | None:
    """Strides of the same elements in another shape, or None where only a copy can do it."""
    old = [(size, stride) for size, stride in zip(shape, strides, strict=True) if size != 1]
    result = [0] * len(new)
    i = 0
    wanted = [(axis, size) for axis, size in enumerate(new) if size != 1]
    j = 0
    while i < len(old) and j < len(wanted):
        i_end, j_end = i + 1, j + 1
        have, want = old[i][0], wanted[j][1]
        while have != want:
            if have < want:
                if i_end == len(old):
                    return None
                have *= old[i_end][0]
                i_end += 1
            else:
                if j_end == len(wanted):
                    return None
                want *= wanted[j_end][1]
                j_end += 1
        for a in range(i, i_end - 1):
            if old[a][1] != old[a + 1][0] * old[a + 1][1]:
                return None
        step = old[i_end - 1][1]
        for b in range(j_end - 1, j - 1, -1):
            result[wanted[b][0]] = step
            step *= wanted[b][1]
        i, j = i_end, j_end
    return tuple(result)


@dataclass
class Graph:
    """Nodes in order, each naming only earlier ones. `label` is put on what is made next."""

    nodes: list[Node] = field(default_factory=list)
    label: str = ""
    _constants: dict[tuple[str, Shape, bytes], int] = field(default_factory=dict)

    def _add(self, node: Node, kind: str, shape: Shape) -> Tensor:
        if math.prod(shape) > MAX_ELEMENTS:
            raise InputError(f"a tensor of shape {list(shape)} has more than 2^30 elements")
        self.nodes.append(node)
        return Tensor(kind, shape, None, View(len(self.nodes) - 1, 0, row_major(shape)))

    def input(self, name: str, kind: str, shape: Shape) -> Tensor:
        """A tensor that every item brings."""
        return self._add(InputNode(name, word_of(kind), shape), kind, shape)

    def constant(self, array: Array) -> Tensor:
        """A constant of any element type; it becomes a node only when something reads it."""
        return Tensor(KIND_OF_DTYPE.get(array.dtype, str(array.dtype)), tuple(array.shape), array)

    def viewed(self, value: Tensor) -> View:
        """The value as a view of a node, making the node of a constant.

        InputError where words cannot hold it.
        """
        if value.view is not None:
            return value.view
        assert value.array is not None
        words = as_words(value.array)
        key = (words.dtype.char, words.shape, words.tobytes() if words.size <= 4096 else _digest(words))
        if key not in self._constants:
            self.nodes.append(ConstNode(words))
            self._constants[key] = len(self.nodes) - 1
        return View(self._constants[key], 0, row_major(value.shape))

    def flat(self, value: Tensor) -> int:
        """The node whose flat output is exactly the value's elements in order, copying if need be."""
        view = self.viewed(value)
        whole = view.offset == 0 and self.size_of(view.node) == value.size
        if whole and is_contiguous(value.shape, view.strides):
            return view.node
        moved = self.copy(value).view
        assert moved is not None
        return moved.node

    def size_of(self, node: int) -> int:
        """Elements of a node's output."""
        made = self.nodes[node]
        return made.array.size if isinstance(made, ConstNode) else math.prod(made.shape)

    def copy(self, value: Tensor) -> Tensor:
        """The value laid out contiguously by a MOVE."""
        view = self.viewed(value)
        node = MoveNode(
            shape=value.shape,
            word=value.word,
            source=view.node,
            view_shape=(self.size_of(view.node),),
            start=(view.offset,),
            matrix=(view.strides,),
            fill=0,
            label=self.label,
        )
        return self._add(node, value.kind, value.shape)

    def map(self, kind: str, expr: Scalar, *args: Tensor, shape: Shape | None = None) -> Tensor:
        """`expr` over the arguments, broadcast against each other (and to `shape`)."""
        full = broadcast_shapes(*(a.shape for a in args), *([shape] if shape is not None else []))
        word = word_of(kind)
        assert expr.dtype is word, (kind, expr.dtype)
        read = [i for i, a in enumerate(args) if a.array is None or a.size != 1] or [0]
        parts = {i: argument(read.index(i), a.word) if i in read else literal(a) for i, a in enumerate(args)}
        views = tuple(self._broadcast_view(args[i], full) for i in read)
        return self._add(MapNode(full, word, views, substitute(expr, parts), self.label), kind, full)

    def apply(self, kind: str, function: Callable[..., Scalar], *args: Tensor) -> Tensor:
        """A MAP of `function`, which is called with one symbolic scalar per argument."""
        return self.map(kind, function(*(argument(i, a.word) for i, a in enumerate(args))), *args)

    def _broadcast_view(self, value: Tensor, shape: Shape) -> View:
        view = self.viewed(value)
        lead = len(shape) - value.rank
        strides = [0] * lead + [
            0 if size == 1 and full != 1 else stride
            for size, full, stride in zip(value.shape, shape[lead:], view.strides, strict=True)
        ]
        return View(view.node, view.offset, tuple(strides))

    def contract(self, a: Tensor, b: Tensor) -> Tensor:
        """(..., m, k) times (..., n, k), batch axes broadcast: (..., m, n)."""
        assert a.word == b.word
        batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
        m, n, k = a.shape[-2], b.shape[-2], a.shape[-1]
        if k != b.shape[-1]:
            raise InputError(f"inner sizes {k} and {b.shape[-1]} differ")
        left = self._broadcast_view(a, (*batch, m, k))
        right = self._broadcast_view(b, (*batch, n, k))
        shape = (*batch, m, n)
        node = ContractNode(
            shape=shape,
            word=a.word,
            k=k,
            a=View(left.node, left.offset, (*left.strides[:-1], 0, left.strides[-1])),
            b=View(right.node, right.offset, (*right.strides[:-2], 0, *right.strides[-2:])),
            label=self.label,
        )
        return self._add(node, "f32" if a.word is F32 else "i32", shape)

    def total(self, value: Tensor) -> Tensor:
        """The sum over the last axis, which goes."""
        node = ContractNode(
            value.shape[:-1], value.word, value.shape[-1], self.viewed(value), None, self.label
        )
        return self._add(node, value.kind, value.shape[:-1])

    def reduce(self, op: ReduceKind, value: Tensor) -> Tensor:
        """The largest or smallest element of the last axis, which goes."""
        shape = value.shape[:-1]
        node = ReduceNode(shape, value.word, op, value.shape[-1], self.viewed(value), self.label)
        return self._add(node, value.kind, shape)

    def window(
        self,
        value: Tensor,
        shape: Shape,
        start: Sequence[int],
        matrix: Sequence[Sequence[int]],
        *,
        fill: float = 0,
    ) -> Tensor:
        """A MOVE.

        At c the value's element at start + matrix @ c (one row per axis), `fill` where that is outside.
        """
        source, order = self._ordered(value)
        node = MoveNode(
            shape=shape,
            word=value.word,
            source=source,
            view_shape=tuple(value.shape[axis] for axis in order),
            start=tuple(start[axis] for axis in order),
            matrix=tuple(tuple(matrix[axis]) for axis in order),
            fill=fill,
            label=self.label,
        )
        return self._add(node, value.kind, shape)

    def _ordered(self, value: Tensor) -> tuple[int, list[int]]:
        """A node that holds exactly the value's elements, and the order of axes in which it does."""
        view = self.viewed(value)
        order = sorted(range(value.rank), key=lambda axis: (-view.strides[axis], axis))
        shape = tuple(value.shape[axis] for axis in order)
        whole = view.offset == 0 and self.size_of(view.node) == value.size
        if whole and is_contiguous(shape, [view.strides[axis] for axis in order]):
            return view.node, order
        return self.flat(value), list(range(value.rank))

    def gather(self, table: Tensor, index: Tensor, *, fill: float = 0) -> Tensor:
        """Rows of `table`, shape (rows, width), by `index` of any shape: index's shape + (width,)."""
        rows, width = table.shape
        node = GatherNode(
            shape=(index.size, width),
            word=table.word,
            table=self.flat(table),
            rows=rows,
            index=self.flat(index),
            fill=fill,
            label=self.label,
        )
        made = self._add(node, table.kind, (index.size, width))
        return self.reshape(made, (*index.shape, width))

    def join(self, values: Sequence[Tensor], axis: int) -> Tensor:
        """The values one after the other along an axis."""
        first = values[0]
        shape = (*first.shape[:axis], sum(v.shape[axis] for v in values), *first.shape[axis + 1 :])
        outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
        node = JoinNode(
            shape=(outer, shape[axis], inner),
            word=first.word,
            sources=tuple(self.flat(v) for v in values),
            widths=tuple(v.shape[axis] for v in values),
            label=self.label,
        )
        return self.reshape(self._add(node, first.kind, node.shape), shape)

    # Changes of view. Constants are changed by numpy.

    def reshape(self, value: Tensor, shape: Shape) -> Tensor:
        """The same elements in order in another shape, copied only if the view cannot show it."""
        if math.prod(shape) != value.size:
            raise InputError(
                f"shape {list(value.shape)} cannot become {list(shape)}: other number of elements"
            )
        if value.array is not None:
            return Tensor(value.kind, shape, value.array.reshape(shape))
        assert value.view is not None
        strides = reshape_strides(value.shape, value.view.strides, shape)
        if strides is None:
            return self.reshape(self.copy(value), shape)
        return Tensor(value.kind, shape, None, View(value.view.node, value.view.offset, strides))

    def transpose(self, value: Tensor, perm: Sequence[int]) -> Tensor:
        """Axes in the order `perm`."""
        shape = tuple(value.shape[p] for p in perm)
        if value.array is not None:
            return Tensor(value.kind, shape, np.transpose(value.array, perm))
        assert value.view is not None
        strides = tuple(value.view.strides[p] for p in perm)
        return Tensor(value.kind, shape, None, View(value.view.node, value.view.offset, strides))

    def slice(self, value: Tensor, axis: int, start: int, count: int, step: int = 1) -> Tensor:
        """`count` elements of an axis from `start`, `step` apart (negative goes backwards)."""
        shape = (*value.shape[:axis], count, *value.shape[axis + 1 :])
        if value.array is not None:
            picked = np.take(value.array, start + step * np.arange(count), axis=axis)
            return Tensor(value.kind, shape, picked)
        assert value.view is not None
        view = value.view
        stride = view.strides[axis]
        strides = (*view.strides[:axis], stride * step, *view.strides[axis + 1 :])
        offset = view.offset + (start * stride if count else 0)
        return Tensor(value.kind, shape, None, View(view.node, offset, strides))

    def expand(self, value: Tensor, shape: Shape) -> Tensor:
        """Broadcast to `shape`, which must be the broadcast result."""
        if value.array is not None:
            return Tensor(value.kind, shape, np.broadcast_to(value.array, shape))
        return Tensor(value.kind, shape, None, self._broadcast_view(value, shape))

    def retype(self, value: Tensor, kind: str) -> Tensor:
        """The same words under another ONNX type."""
        if value.array is not None:
            return self.constant(value.array.astype(DTYPE_OF_KIND[kind]))
        return Tensor(kind, value.shape, None, value.view)


def _digest(words: Array) -> bytes:
    import hashlib

    return hashlib.sha256(np.ascontiguousarray(words).data).digest()


def as_words(array: Array) -> Array:
    """A constant as f32 or i32 words. InputError for a type or value that words cannot hold."""
    if array.dtype == np.float32:
        return np.ascontiguousarray(array)
    if array.dtype not in KIND_OF_DTYPE:
        raise InputError(f"element type {array.dtype} cannot run: convert the model to f32")
    if array.dtype == np.int64 and array.size:
        low, high = int(array.min()), int(array.max())
        if low < -(2**31) or high >= 2**31:
            raise InputError(f"the i64 value {low if low < -(2**31) else high} does not fit 32 bits")
    return np.ascontiguousarray(array.astype(np.int32))
