"""Writes a lowered graph as a tape.

Operands that a node kind cannot read through their view are copied by a MOVE first; constants are laid out
by numpy instead, once per layout. Reshapes between stored shapes are MOVEs that no engine copies anything
for.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from protocol.engines.onnx.fuse import consumers_of, fuse, input_dtypes
from protocol.engines.onnx.graph import Graph
from protocol.engines.onnx.layout import merged, reads_rows, spell, wanted_rows
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
from protocol.engines.onnx.scalars import substitute
from protocol.engines.onnx.tensors import Array, Tensor, View
from protocol.tape import Affine, Labels, Placed, Ref, Tape, TapeBuilder, row_major
from protocol.tape.dtypes import Shape
from protocol.tape.limits import MAX_RANK
from protocol.tape.scalar import Value as Scalar
from protocol.tape.scalar import assemble
from protocol.tape.validate import validate
from protocol.types.errors import InputError


def emit(graph: Graph, outputs: list[tuple[str, Tensor]]) -> tuple[Tape, Labels]:
    """The tape that computes these outputs, and its labels. InputError if it leaves the tape's limits."""
    for name, tensor in outputs:
        _check_rank(f"output {name!r}", tensor.shape)
    roots = [graph.flat(tensor) for _, tensor in outputs]
    nodes = fuse(graph, roots)
    writer = _Writer(graph, nodes, roots, {r: t.shape for r, (_, t) in zip(roots, outputs, strict=True)})
    refs = writer.write()
    named = [
        writer.shaped(refs[root], tensor.shape, name)
        for root, (name, tensor) in zip(roots, outputs, strict=True)
    ]
    tape, labels = writer.builder.build(named, [name for name, _ in outputs])
    validate(tape, [graph.where(label) for label in labels.nodes])
    return tape, labels


@dataclass
class _Writer:
    graph: Graph
    nodes: list[Node]
    roots: list[int]
    exact: dict[int, Shape]
    builder: TapeBuilder = field(default_factory=TapeBuilder)
    refs: dict[int, Ref] = field(default_factory=dict)
    copies: dict[tuple[object, ...], Ref] = field(default_factory=dict)

    def write(self) -> dict[int, Ref]:
        """One value of the tape per node that an output needs."""
        sizes = [self.graph.size_of(index) for index in range(len(self.nodes))]
        rows = wanted_rows(self.nodes, self.roots, sizes)
        needed = consumers_of(self.nodes, self.roots)
        for index, node in enumerate(self.nodes):
            if isinstance(node, InputNode):
                self.refs[index] = self.builder.input(node.word, node.shape, node.name)
            elif index in needed:
                self.refs[index] = self.node(node, rows.get(index), self.exact.get(index))
        return self.refs

    def check_rank(self, label: str, shape: Shape) -> None:
        """InputError with the model's node if these are more axes than the tape has."""
        _check_rank(self.graph.where(label), shape)

    def node(self, node: Node, row: int | None, exact: Shape | None) -> Ref:
        match node:
            case MapNode():
                return self.map(node, row, exact)
            case ContractNode() | ReduceNode():
                return self.rows_node(node, row, exact)
            case MoveNode():
                return self.move(node, row, exact)
            case GatherNode():
                return self.gather(node, row, exact)
            case JoinNode():
                return self.join(node)
            case ConstNode():
                return self.builder.constant(_stored(node.array))
            case InputNode():
                raise AssertionError("inputs are written first")

    def map(self, node: MapNode, row: int | None, exact: Shape | None) -> Ref:
        shape, strides = spell(node.shape, [v.strides for v in node.args], row=row, exact=exact)
        used = input_dtypes(node.expr)
        kept = sorted(used) or [0]
        numbers = {old: new for new, old in enumerate(kept)}
        expr = substitute(
            node.expr, {old: Scalar(s.dtype, "input", word=numbers[old]) for old, s in used.items()}
        )
        placed = [Placed(self.refs[node.args[i].node], node.args[i].offset, strides[i]) for i in kept]
        program = assemble(expr, tuple(p.ref.dtype.register for p in placed))
        self.check_rank(node.label, shape)
        return self.builder.map_at(program, placed, shape, None, node.label)

    def rows_node(self, node: ContractNode | ReduceNode, row: int | None, exact: Shape | None) -> Ref:
        views = (
            [node.source] if isinstance(node, ReduceNode) else [v for v in (node.a, node.b) if v is not None]
        )
        read = [self.rows(view, node.shape, node.k, node.label) for view in views]
        shape, strides = spell(node.shape, [s for _, _, s in read], row=row, exact=exact)
        self.check_rank(node.label, shape)
        places = [Affine(offset, s) for (_, offset, _), s in zip(read, strides, strict=True)]
        if isinstance(node, ReduceNode):
            return self.builder.reduce(node.op, shape, read[0][0], places[0], node.label)
        if len(read) == 1:
            return self.builder.contract(shape, read[0][0], places[0], None, None, name=node.label)
        return self.builder.contract(shape, read[0][0], places[0], read[1][0], places[1], name=node.label)

    def rows(self, view: View, shape: Shape, k: int, label: str) -> tuple[Ref, int, tuple[int, ...]]:
        """A source whose last axis is k, with the row of each output coordinate: offset and strides."""
        source = self.nodes[view.node]
        size = self.graph.size_of(view.node)
        if reads_rows(shape, k, view, size):
            ref = self.shaped_rows(view.node, k)
            strides = view.strides[:-1]
            steps = tuple(0 if n == 1 else s // max(k, 1) for s, n in zip(strides, shape, strict=True))
            return ref, view.offset // max(k, 1), steps
        kept = [i for i, stride in enumerate(view.strides[:-1]) if stride != 0 and shape[i] != 1]
        dense = tuple(shape[i] for i in kept)
        rows = iter(row_major(dense))
        steps = tuple(next(rows) if i in kept else 0 for i in range(len(shape)))
        strides = (*(view.strides[i] for i in kept), view.strides[-1])
        return self.copied(source, View(view.node, view.offset, strides), (*dense, k), label), 0, steps

    def shaped_rows(self, index: int, k: int) -> Ref:
        """Node `index` with a last axis of k, reshaped for free if it is stored otherwise."""
        ref = self.refs[index]
        if ref.type.columns == k and ref.shape:
            return ref
        rows = ref.type.elements // max(k, 1)
        node = self.nodes[index]
        if isinstance(node, ConstNode):
            return self.builder.constant(node.array.reshape(rows, k))
        return self.shaped(ref, (rows, k), "")

    def shaped(self, ref: Ref, shape: Shape, label: str) -> Ref:
        """The value in another shape of equal size."""
        if ref.shape == shape:
            return ref
        key = (ref.number, shape)
        if key not in self.copies:
            constant = self.builder.value(ref)
            if constant is not None:
                self.copies[key] = self.builder.constant(constant.reshape(shape))
            else:
                axes = [Affine(0, tuple(int(i == j) for j in range(len(shape)))) for i in range(len(shape))]
                self.copies[key] = self.builder.move(ref, shape, shape, axes, name=label)
        return self.copies[key]

    def copied(self, source: Node, view: View, shape: Shape, label: str) -> Ref:
        """The elements that a view shows, laid out densely."""
        key = (view, shape)
        if key not in self.copies:
            if isinstance(source, ConstNode):
                self.graph.budget.pay(12 * math.prod(shape))  # places are computed in 64 bits
                self.copies[key] = self.builder.constant(_laid_out(source.array, view, shape))
            else:
                grid, strides = merged(shape, [view.strides], keep_last=False)
                self.check_rank(label, grid)
                axes = [Affine(view.offset, strides[0])]
                ref = self.refs[view.node]
                self.copies[key] = self.builder.move(
                    ref, shape, (ref.type.elements,), axes, grid=grid, name=label
                )
        return self.copies[key]

    def move(self, node: MoveNode, row: int | None, exact: Shape | None) -> Ref:
        views = [tuple(line) for line in node.matrix]
        grid, lines = (node.shape, views) if 0 in node.shape else merged(node.shape, views, keep_last=False)
        self.check_rank(node.label, grid)
        axes = [Affine(start, line) for start, line in zip(node.start, lines, strict=True)]
        shape, _ = spell(node.shape, [], row=row, exact=exact)
        source = self.refs[node.source]
        return self.builder.move(
            source, shape, node.view_shape, axes, fill=node.fill, grid=grid, name=node.label
        )

    def gather(self, node: GatherNode, row: int | None, exact: Shape | None) -> Ref:
        width = node.shape[1]
        shape, _ = spell(node.shape, [], row=row or (width if width > 1 else None), exact=exact)
        table, index = self.refs[node.table], self.refs[node.index]
        return self.builder.gather(table, index, shape, width, fill=node.fill, name=node.label)

    def join(self, node: JoinNode) -> Ref:
        outer, _, inner = node.shape
        parts = []
        for source, width in zip(node.sources, node.widths, strict=True):
            shape = (width, inner) if outer == 1 else (outer, width * inner)
            parts.append(self.shaped(self.refs[source], shape, node.label))
        return self.builder.join(parts, 0 if outer == 1 else 1, node.label)


def _check_rank(where: str, shape: Shape) -> None:
    if len(shape) > MAX_RANK:
        raise InputError(f"{where} needs {len(shape)} axes at once; at most {MAX_RANK} can run: merge some")


def _stored(array: Array) -> Array:
    """A constant in a shape whose last axis wastes little of a leaf."""
    return array if array.ndim and array.shape[-1] >= 32 else array.reshape(-1)


def _laid_out(array: Array, view: View, shape: Shape) -> Array:
    flat = array.reshape(-1)
    places = np.full((1,) * len(shape), view.offset, np.int64)
    for axis, (size, stride) in enumerate(zip(shape, view.strides, strict=True)):
        line = np.arange(size, dtype=np.int64) * stride
        places = places + line.reshape((1,) * axis + (-1,) + (1,) * (len(shape) - axis - 1))
    return np.ascontiguousarray(flat[places]) if math.prod(shape) else flat[:0].reshape(shape)
