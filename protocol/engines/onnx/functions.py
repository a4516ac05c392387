"""A model's local functions: what they expand to is reckoned before it is done.

Thirty functions that each call the one before twice are two kilobytes, and a billion nodes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import onnx

from protocol.types.errors import InputError

MAX_NODES = 100_000
MAX_GROWTH = 2**28
"""Bytes that expanding may add to a model."""

Key = tuple[str, str, str]
_GRAPHS = (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS)


def inline(proto: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model without functions of its own, but those of another operator set than its own.

    InputError if they expand to too much, or cannot be expanded.
    """
    from onnx import inliner

    most = MAX_GROWTH + proto.ByteSize()
    _give_defaults(proto, name)
    cost = _expanded(proto)
    if cost.nodes > MAX_NODES:
        raise InputError(
            f"{name}: its local functions expand to {cost.nodes} nodes; at most {MAX_NODES} are taken"
        )
    if cost.size > most:
        raise InputError(f"{name}: its local functions expand to {cost.size >> 20} MiB")
    try:
        flat: onnx.ModelProto = inliner.inline_local_functions(proto)
    except Exception as fault:
        reason = " ".join(str(fault).split())
        raise InputError(f"{name}: its local functions cannot be expanded: {reason}") from fault
    return flat


def _give_defaults(proto: onnx.ModelProto, name: str) -> None:
    """Write into each call the attributes that it leaves to their defaults, which the inliner forgets.

    Graphs aside: no operator that takes one can be lowered.
    """
    defaults = {
        _key_of(f): {a.name: a for a in f.attribute_proto if a.type not in _GRAPHS} for f in proto.functions
    }
    left = MAX_GROWTH
    for node in _everywhere(proto):
        own = defaults.get(_key(node), {})
        carried = {attribute.name for attribute in node.attribute}
        missing = [attribute for called, attribute in own.items() if called not in carried]
        left -= sum(attribute.ByteSize() for attribute in missing)
        if left < 0:
            raise InputError(
                f"{name}: the defaults of its local functions expand to more than {MAX_GROWTH >> 20} MiB"
            )
        node.attribute.extend(missing)
    _check_handed_on(proto, defaults, name)


def _check_handed_on(
    proto: onnx.ModelProto, defaults: dict[Key, dict[str, onnx.AttributeProto]], name: str
) -> None:
    """InputError where a call leaves out what the function hands on to one that has a default for it:
    the inliner would forget that one too.
    """
    handed: dict[tuple[Key, str], list[tuple[Key, str]]] = {}
    for function in proto.functions:
        for node in _all(function.node):
            for attribute in node.attribute:
                if attribute.ref_attr_name and _key(node) in defaults:
                    goal = (_key(node), attribute.name)
                    handed.setdefault((_key_of(function), attribute.ref_attr_name), []).append(goal)
    names: dict[Key, list[str]] = {}
    for key, attribute_name in handed:
        names.setdefault(key, []).append(attribute_name)
    absent = {
        (_key(node), each)
        for node in _everywhere(proto)
        for each in names.get(_key(node), ())
        if each not in {attribute.name for attribute in node.attribute}
    }
    waiting = list(absent)
    while waiting:
        (_, function_name, _), each = place = waiting.pop()
        for goal in handed.get(place, ()):
            if goal[1] in defaults[goal[0]]:
                raise InputError(
                    f"{name}: a call of its function {function_name} leaves out the attribute {each!r}, "
                    f"whose default lies in {goal[0][1]}, which it is handed on to: give it in the call"
                )
            if goal not in absent:
                absent.add(goal)
                waiting.append(goal)


@dataclass(frozen=True)
class _Cost:
    """What a call expands to: nodes, bytes, and places that take an attribute or a name from it."""

    nodes: int = 0
    size: int = 0
    uses: int = 0


def _expanded(proto: onnx.ModelProto) -> _Cost:
    """The graph once every call is replaced by what it calls, each function reckoned once."""
    bodies = {_key_of(f): list(_all(f.node)) for f in proto.functions}
    cost: dict[Key, _Cost] = {}
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


def _sum(nodes: Sequence[onnx.NodeProto], cost: dict[Key, _Cost]) -> _Cost:
    parts = [_cost_of(node, cost.get(_key(node))) for node in nodes]
    return _Cost(sum(p.nodes for p in parts), sum(p.size for p in parts), sum(p.uses for p in parts))


def _cost_of(node: onnx.NodeProto, called: _Cost | None) -> _Cost:
    references = sum(bool(attribute.ref_attr_name) for attribute in node.attribute)
    if called is None:
        return _Cost(1, node.ByteSize(), references + len(node.input) + len(node.output))
    given = sum(attribute.ByteSize() for attribute in node.attribute)
    longest = max((len(each) for each in [*node.input, *node.output]), default=0)
    return _Cost(called.nodes, called.size + called.uses * (given + longest), called.uses)


def _key(node: onnx.NodeProto) -> Key:
    return plain(node.domain), node.op_type, node.overload


def _key_of(function: onnx.FunctionProto) -> Key:
    return plain(function.domain), function.name, function.overload


def plain(domain: str) -> str:
    """The default domain has two names."""
    return "" if domain == "ai.onnx" else domain


def _everywhere(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """The nodes of the graph and of all functions."""
    yield from _all(proto.graph.node)
    for function in proto.functions:
        yield from _all(function.node)


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
