"""A model's local functions: what they expand to is reckoned before it is done.

Thirty functions that each call the one before twice are two kilobytes, and a billion nodes.
"""

from collections.abc import Iterator, Sequence

import onnx

from protocol.types.errors import InputError

MAX_NODES = 100_000
MAX_GROWTH = 2**28
"""Bytes that expanding may add to a model."""

Key = tuple[str, str, str]


def inline(proto: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model without functions of its own. InputError if they expand to too much, or call themselves."""
    from onnx import inliner

    nodes, size = _expanded(proto)
    if nodes > MAX_NODES:
        raise InputError(
            f"{name}: its local functions expand to {nodes} nodes; at most {MAX_NODES} are taken"
        )
    if size > MAX_GROWTH + proto.ByteSize():
        raise InputError(f"{name}: its local functions expand to {size >> 20} MiB")
    try:
        flat: onnx.ModelProto = inliner.inline_local_functions(proto)
    except Exception as fault:
        reason = " ".join(str(fault).split())
        raise InputError(f"{name}: its local functions cannot be expanded: {reason}") from fault
    return flat


def _expanded(proto: onnx.ModelProto) -> tuple[int, int]:
    """Nodes and bytes of the graph once every call is replaced by what it calls, each function once."""
    bodies = {(f.domain, f.name, f.overload): list(_all(f.node)) for f in proto.functions}
    cost: dict[Key, tuple[int, int]] = {}
    open_: set[Key] = set()
    stack: list[Key] = list(bodies)
    while stack:
        key = stack[-1]
        waiting = [k for k in map(_key, bodies[key]) if k in bodies and k not in cost and k not in open_]
        if key in cost or (key in open_ and not waiting):
            stack.pop()
            open_.discard(key)
            # A function that calls itself counts as nothing here: the inliner refuses it.
            cost.setdefault(key, _sum(bodies[key], cost))
        else:
            open_.add(key)
            stack += waiting
    return _sum(list(_all(proto.graph.node)), cost)


def _sum(nodes: Sequence[onnx.NodeProto], cost: dict[Key, tuple[int, int]]) -> tuple[int, int]:
    parts = [cost.get(_key(node)) or (1, node.ByteSize()) for node in nodes]
    return sum(n for n, _ in parts), sum(size for _, size in parts)


def _key(node: onnx.NodeProto) -> Key:
    return node.domain, node.op_type, node.overload


def _all(nodes: Sequence[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Nodes with those of the graphs in their attributes."""
    stack = list(nodes)
    while stack:
        node = stack.pop()
        yield node
        for attribute in node.attribute:
            stack += attribute.g.node
            for graph in attribute.graphs:
                stack += graph.node
