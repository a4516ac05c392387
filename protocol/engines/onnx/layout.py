"""How nodes are spelt on the tape: which shape each output is stored in, and views in other coordinates.

A CONTRACT or REDUCE reads whole rows of its source's last axis, so a node that feeds one is best stored
with that row length. Views address elements by their flat place, so the shape that a node is stored in is
free: axes of one element are dropped and neighbours merged where every view allows it.
"""

import math
from collections import Counter, defaultdict

from protocol.engines.onnx.fuse import consumers_of
from protocol.engines.onnx.nodes import ContractNode, InputNode, Node, ReduceNode
from protocol.engines.onnx.strides import reshape_strides
from protocol.engines.onnx.tensors import View
from protocol.tape.dtypes import Shape


def reads_rows(shape: Shape, k: int, view: View, elements: int) -> bool:
    """Whether a view (one stride per axis of `shape`, a last one for k) reads whole rows of k elements."""
    if k == 1:
        return True
    rest = [stride for stride, size in zip(view.strides, shape, strict=False) if size != 1]
    along = view.strides[-1] == 1
    return along and k > 0 and elements % k == 0 and view.offset % k == 0 and all(s % k == 0 for s in rest)


def row_views(node: Node) -> list[tuple[View, int]]:
    """The views that a node reads rows through, with the row length."""
    if isinstance(node, ContractNode):
        return [(view, node.k) for view in (node.a, node.b) if view is not None]
    if isinstance(node, ReduceNode):
        return [(node.source, node.k)]
    return []


def wanted_rows(nodes: list[Node], outputs: list[int], sizes: list[int]) -> dict[int, int]:
    """The row length that most of a node's reading is done in, for nodes whose rows are read."""
    votes: dict[int, Counter[int]] = defaultdict(Counter)
    for index in consumers_of(nodes, outputs):
        node = nodes[index] if index >= 0 else None
        if isinstance(node, ContractNode | ReduceNode):
            for view, k in row_views(node):
                if k > 1 and reads_rows(node.shape, k, view, sizes[view.node]):
                    votes[view.node][k] += math.prod(node.shape) * k
    return {
        index: counter.most_common(1)[0][0]
        for index, counter in votes.items()
        if not isinstance(nodes[index], InputNode)
    }


def with_rows(shape: Shape, row: int) -> Shape | None:
    """The shape with its trailing axes regrouped so that the last is `row`, or None if they do not divide."""
    axes = [size for size in shape if size != 1]
    step = 1
    while axes and step < row:
        size = axes.pop()
        if step * size <= row:
            if row % (step * size):
                return None
            step *= size
        else:
            need = row // step
            if size % need:
                return None
            axes.append(size // need)
            step = row
    return (*axes, row) if step == row else None


def respelt(shape: Shape, views: list[tuple[int, ...]], new: Shape) -> list[tuple[int, ...]] | None:
    """The views' strides in coordinates of another shape of equal size, or None."""
    found = [reshape_strides(shape, strides, new) for strides in views]
    return None if any(f is None for f in found) else [f for f in found if f is not None]


def merged(
    shape: Shape, views: list[tuple[int, ...]], keep_last: bool
) -> tuple[Shape, list[tuple[int, ...]]]:
    """Neighbouring axes made one wherever every view steps through both evenly.

    The last may be kept as it is.
    """
    axes = [(size, tuple(v[i] for v in views)) for i, size in enumerate(shape) if size != 1]
    done: list[tuple[int, tuple[int, ...]]] = []
    for place, (size, steps) in enumerate(axes):
        last = place == len(axes) - 1
        even = done and all(outer == size * inner for outer, inner in zip(done[-1][1], steps, strict=True))
        if even and not (last and keep_last):
            done[-1] = (done[-1][0] * size, steps)
        else:
            done.append((size, steps))
    if not done:
        return (1,), [(0,) for _ in views]
    return tuple(size for size, _ in done), [tuple(s[i] for _, s in done) for i in range(len(views))]


def spell(
    shape: Shape, views: list[tuple[int, ...]], *, row: int | None, exact: Shape | None
) -> tuple[Shape, list[tuple[int, ...]]]:
    """The shape to store an output in and its views there: exactly as asked, in rows as asked, or merged."""
    if exact is not None:
        strides = respelt(shape, views, exact)
        if strides is not None:
            return exact, strides
    if 0 in shape:
        return shape, views
    if row is not None:
        new = with_rows(shape, row)
        strides = respelt(shape, views, new) if new is not None else None
        if new is not None and strides is not None:
            return merged(new, strides, keep_last=True)
    return merged(shape, views, keep_last=False)
