"""The graph between ONNX and the tape: it makes nodes, and views of them.

Transpose, slice, squeeze, expand and most reshapes only change a view (offset and one stride per axis). A
MOVE appears where an operand cannot be read through its view (`emit` decides) or where something lies
outside (padding).
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from protocol.engines.onnx.budget import MAX_STEPS, Budget
from protocol.engines.onnx.nodes import (
    ConstNode,
    ContractNode,
    GatherNode,
    InputNode,
    JoinNode,
    MapNode,
    MoveNode,
    Node,
    ReduceNode,
)
from protocol.engines.onnx.scalars import argument, substitute
from protocol.engines.onnx.strides import broadcast_shapes, is_contiguous, reshape_strides
from protocol.engines.onnx.tensors import (
    DTYPE_OF_KIND,
    KIND_OF_DTYPE,
    Array,
    Tensor,
    View,
    as_words,
    literal,
    word_of,
)
from protocol.tape.dtypes import F32, Shape, row_major
from protocol.tape.limits import MAX_ELEMENTS
from protocol.tape.nodes import ReduceKind
from protocol.tape.scalar import Value as Scalar
from protocol.types.errors import InputError


@dataclass
class Graph:
    """Nodes in order, each naming only earlier ones. `label` is put on what is made next."""

    nodes: list[Node] = field(default_factory=list)
    label: str = ""
    places: dict[str, str] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    _constants: dict[tuple[str, Shape, bytes], int] = field(default_factory=dict)
    _held: dict[tuple[object, ...], tuple[Array, int]] = field(default_factory=dict)
    """By place in memory, so that a weight is looked at once; the array keeps the place its own.

    Of f32 alone: bytes are made wider on the way, and what is between would be kept with them.
    """

    def begin(self, label: str, where: str) -> None:
        """What is made next comes of this node of the model; `where` is how errors name it."""
        self.label = label
        if self.places.setdefault(label, where) != where:
            self.places[label] = f"node {label!r}"

    def where(self, label: str) -> str:
        """How errors name what a node of the tape comes of."""
        return self.places.get(label, f"output {label!r}" if label else "a reshape")

    def _add(self, node: Node, kind: str, shape: Shape) -> Tensor:
        if math.prod(shape) > MAX_ELEMENTS:
            raise InputError(f"a tensor of shape {list(shape)} has more than 2^30 elements")
        if any(size < 0 for size in shape):
            raise InputError(f"a tensor of shape {list(shape)} has a negative axis")
        if len(self.nodes) >= MAX_STEPS:
            raise InputError(f"the model takes more than {MAX_STEPS} steps")
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
        array = value.array
        assert array is not None
        place = (array.__array_interface__["data"][0], array.shape, array.strides, array.dtype)
        if place in self._held:
            return View(self._held[place][1], 0, row_major(value.shape))
        self.budget.pay(4 * array.size)
        node = self._held_words(as_words(array))
        if array.dtype == np.float32:
            self._held[place] = (array, node)
        return View(node, 0, row_major(value.shape))

    def _held_words(self, words: Array) -> int:
        """The node that holds these words, a new one if there is none."""
        key = (words.dtype.char, words.shape, words.tobytes() if words.size <= 4096 else _digest(words))
        if key not in self._constants:
            self.nodes.append(ConstNode(words))
            self._constants[key] = len(self.nodes) - 1
        return self._constants[key]

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
        if not index.size * width:
            return self.empty(table.kind, (*index.shape, width))
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

    def empty(self, kind: str, shape: Shape) -> Tensor:
        """No element, in a shape with an axis of 0."""
        return self.constant(np.zeros(shape, DTYPE_OF_KIND[kind]))

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
            if not value.array.flags.c_contiguous:
                self.budget.pay(value.array.itemsize * value.size)
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
            end = start + step * count
            part = slice(start, end if end >= 0 else None, step) if count else slice(0)
            return Tensor(value.kind, shape, value.array[(*(slice(None),) * axis, part)])
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
            if value.array.dtype != DTYPE_OF_KIND[kind]:
                self.budget.pay(DTYPE_OF_KIND[kind].itemsize * value.size)
            return self.constant(value.array.astype(DTYPE_OF_KIND[kind], copy=False))
        return Tensor(kind, value.shape, None, value.view)


def _digest(words: Array) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(words).data).digest()
