"""Joins chains of elementwise nodes into one MAP each, within the limits of a scalar program.

A MAP takes in the MAPs that it alone reads, element by element, as long as the program keeps to 128
instructions and four inputs. What is recomputed nowhere and stored nowhere costs one pass over memory less.
"""

from collections import defaultdict
from dataclasses import replace

from protocol.engines.onnx.graph import Graph
from protocol.engines.onnx.nodes import (
    ContractNode,
    GatherNode,
    JoinNode,
    MapNode,
    MoveNode,
    Node,
    ReduceNode,
)
from protocol.engines.onnx.scalars import substitute
from protocol.engines.onnx.strides import is_contiguous, reshape_strides
from protocol.engines.onnx.tensors import View
from protocol.tape.limits import MAX_INSTRUCTIONS, MAX_MAP_OPERANDS, MAX_PROGRAM_CONSTANTS
from protocol.tape.scalar import Value as Scalar
from protocol.tape.scalar import assemble

OUTPUT = -1
"""The consumer that stands for "this is an output"."""


def sources_of(node: Node) -> tuple[int, ...]:
    """The nodes that a node reads."""
    match node:
        case MapNode():
            return tuple(view.node for view in node.args)
        case ContractNode():
            return (node.a.node,) if node.b is None else (node.a.node, node.b.node)
        case ReduceNode():
            return (node.source.node,)
        case MoveNode():
            return (node.source,)
        case GatherNode():
            return (node.table, node.index)
        case JoinNode():
            return node.sources
        case _:
            return ()


def consumers_of(nodes: list[Node], outputs: list[int]) -> dict[int, set[int]]:
    """Who reads each node that an output needs; nodes that none needs are absent."""
    readers: dict[int, set[int]] = defaultdict(set)
    for output in outputs:
        readers[output].add(OUTPUT)
    for index in range(len(nodes) - 1, -1, -1):
        if index in readers:
            for source in sources_of(nodes[index]):
                readers[source].add(index)
    return readers


def fits(expr: Scalar, arguments: int) -> bool:
    """Whether the expression makes a legal scalar program."""
    if arguments > MAX_MAP_OPERANDS:
        return False
    program = assemble(expr, ())
    constants = len(program.f32) + len(program.i32)
    return len(program.code) <= MAX_INSTRUCTIONS and constants <= MAX_PROGRAM_CONSTANTS


def merge(reader: MapNode, made: MapNode, index: int) -> MapNode | None:
    """`reader` with its argument `index` computed in place, or None where that cannot be."""
    args: list[View] = []
    words: dict[int, Scalar] = {}

    def place(view: View, scalar: Scalar) -> Scalar:
        if view not in args:
            args.append(view)
        return Scalar(scalar.dtype, "input", word=args.index(view))

    inner_dtypes = input_dtypes(made.expr)
    outer_dtypes = input_dtypes(reader.expr)
    inner: dict[int, Scalar] = {}
    for i, view in enumerate(made.args):
        strides = reshape_strides(made.shape, view.strides, reader.shape)
        if strides is None:
            return None
        if i in inner_dtypes:
            inner[i] = place(View(view.node, view.offset, strides), inner_dtypes[i])
    body = substitute(made.expr, inner)
    for i, view in enumerate(reader.args):
        if i in outer_dtypes:
            words[i] = body if view.node == index else place(view, outer_dtypes[i])
    if len(args) > MAX_MAP_OPERANDS:
        return None
    expr = substitute(reader.expr, words)
    if not fits(expr, len(args)):
        return None
    return replace(reader, args=tuple(args), expr=expr)


def input_dtypes(root: Scalar) -> dict[int, Scalar]:
    """The inputs that an expression reads, by number."""
    found: dict[int, Scalar] = {}
    seen: set[int] = set()
    stack = [root]
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.op == "input":
            found[node.word] = node
        stack.extend(node.args)
    return found


def reads_whole(reader: MapNode, index: int, nodes: list[Node]) -> bool:
    """Whether every view of `index` in the reader is element by element."""
    size = 1
    made = nodes[index]
    assert isinstance(made, MapNode)
    for axis in made.shape:
        size *= axis
    total = 1
    for axis in reader.shape:
        total *= axis
    return total == size and all(
        view.offset == 0 and is_contiguous(reader.shape, view.strides)
        for view in reader.args
        if view.node == index
    )


def fuse(graph: Graph, outputs: list[int]) -> list[Node]:
    """The graph's nodes with fused MAPs in their last node's place; what was taken in is read by nobody."""
    nodes = list(graph.nodes)
    readers = consumers_of(nodes, outputs)
    for index in range(len(nodes) - 1, -1, -1):
        reader = nodes[index]
        if not isinstance(reader, MapNode) or index not in readers:
            continue
        refused: set[int] = set()
        while True:
            candidates = [
                view.node
                for view in reader.args
                if isinstance(nodes[view.node], MapNode)
                and view.node not in refused
                and readers[view.node] == {index}
                and reads_whole(reader, view.node, nodes)
            ]
            if not candidates:
                break
            # The latest first: what it reads may then be read by this node alone.
            chosen = max(candidates)
            made = nodes[chosen]
            assert isinstance(made, MapNode)
            merged = merge(reader, made, chosen)
            if merged is None:
                refused.add(chosen)
                continue
            reader = merged
            nodes[index] = reader
            for view in made.args:
                readers[view.node].discard(chosen)
            del readers[chosen]
            for view in reader.args:
                readers[view.node].add(index)
            refused.clear()
    return nodes
