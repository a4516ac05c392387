"""ONNX to tape: pins shapes, computes while lowering what is constant, lowers each node, writes the tape.

tape, labels = lower(read_model(path), {"input_ids": (1, 128)})
"""

import warnings
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from onnx import TensorProto

from protocol.engines.onnx.budget import Budget
from protocol.engines.onnx.emit import emit
from protocol.engines.onnx.expand import body_of, has_body
from protocol.engines.onnx.fold import ALSO, fold
from protocol.engines.onnx.graph import Graph
from protocol.engines.onnx.operators import OPERATORS, Context
from protocol.engines.onnx.operators.cast import KINDS
from protocol.engines.onnx.reader import Model, ModelInput, ModelNode
from protocol.engines.onnx.settle import settled
from protocol.engines.onnx.tensors import Tensor
from protocol.tape import Labels, Tape
from protocol.tape.dtypes import Shape
from protocol.types.errors import GavelError, InputError

_MISTAKES = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, AssertionError)
"""What a malformed node makes a lowering stumble over.

Wrong number of inputs, attributes of another type, ...
"""


def lower(model: Model, shapes: Mapping[str, Shape]) -> tuple[Tape, Labels]:
    """The tape of a model whose open axes are pinned by `shapes` (input name -> shape of one item).

    InputError lists every input axis left open, or every unsupported operator with its node.
    """
    graph = Graph(budget=Budget(_weights(model)))
    values: dict[str, Tensor] = {"": Tensor("", ())}
    _check_supported(model)
    for given in _pinned(model, shapes):
        values[given[0]] = graph.input(*given)
    for name, array in model.constants.items():
        values[name] = graph.constant(array)
    _lower_nodes(graph, _needed(model), values, model.opset)
    return emit(graph, [(name, values[name]) for name in model.outputs])


def _weights(model: Model) -> int:
    """Elements that the file itself brought along."""
    held = [each for node in model.nodes for each in node.attributes.values() if isinstance(each, np.ndarray)]
    return sum(array.size for array in [*model.constants.values(), *held])


def _pinned(model: Model, shapes: Mapping[str, Shape]) -> list[tuple[str, str, Shape]]:
    """Name, element type and shape of every input. InputError lists all that is wrong."""
    names = {given.name for given in model.inputs}
    wrong = [f"the model has no input {name!r}" for name in shapes if name not in names]
    found = []
    for given in model.inputs:
        if given.kind not in KINDS:
            known: dict[int, str] = {number: name for name, number in TensorProto.DataType.items()}
            kind = known.get(given.kind, given.kind)
            wrong.append(
                f"input {given.name!r} has element type {kind}: export the model with one of "
                f"{', '.join(KINDS.values())}"
            )
            continue
        shape = shapes.get(given.name)
        wrong += _open_axes(given) if shape is None else _misfits(given, tuple(shape))
        axes = given.axes if shape is None else shape
        found.append((given.name, KINDS[given.kind], tuple(a for a in axes or () if isinstance(a, int))))
    if wrong:
        raise InputError("; ".join(wrong))
    return found


def _open_axes(given: ModelInput) -> list[str]:
    if given.axes is None:
        return [f"input {given.name!r} declares no shape: give one under `shapes` in the job file"]
    return [
        f"input {given.name!r} leaves axis {i} ({axis}) open: give its shape under `shapes` in the job file"
        for i, axis in enumerate(given.axes)
        if not isinstance(axis, int)
    ]


def _misfits(given: ModelInput, shape: Shape) -> list[str]:
    if any(size < 1 for size in shape):
        return [f"input {given.name!r}: the given shape {list(shape)} has an axis below 1"]
    if given.axes is None:
        return []
    fits = len(shape) == len(given.axes) and all(
        not isinstance(axis, int) or axis == size for axis, size in zip(given.axes, shape, strict=True)
    )
    declared = ", ".join(str(axis) for axis in given.axes)
    return [] if fits else [f"input {given.name!r} is declared [{declared}], but {list(shape)} was given"]


def _check_supported(model: Model) -> None:
    """InputError that names every operator without a lowering, once each with its first node."""
    constant = set(model.constants) | {""}
    missing: dict[str, list[ModelNode]] = {}
    for node in _needed(model):
        own = (node.domain, node.op) in model.unexpanded
        known = node.domain == "" and node.op in OPERATORS
        fixed = all(name in constant for name in node.inputs)
        if fixed or node.op in ("Shape", "Size"):
            constant |= set(node.outputs)
        folds = fixed and node.domain == "" and node.op in ALSO
        if own or not (known or folds or has_body(node.op, node.domain, model.opset)):
            missing.setdefault(f"{node.domain}.{node.op}" if node.domain else node.op, []).append(node)
    if missing:
        listed = ", ".join(_named(op, nodes, model) for op, nodes in missing.items())
        raise InputError(
            f"the model uses operators that cannot be lowered: {listed}: "
            "export it without them (docs/models.md lists those that can)"
        )


def _named(op: str, nodes: list[ModelNode], model: Model) -> str:
    """An operator without a lowering, with its first node."""
    more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
    if (nodes[0].domain, nodes[0].op) in model.unexpanded:
        more += f", a function for another operator set than the model's {model.opset}: export both for one"
    return f"{op} (node {nodes[0].name!r}{more})"


def _needed(model: Model) -> list[ModelNode]:
    """The nodes that some output depends on, in order."""
    return _leading_to(list(model.nodes), set(model.outputs))


def _leading_to(nodes: list[ModelNode], wanted: set[str]) -> list[ModelNode]:
    found = []
    for node in reversed(nodes):
        if any(name in wanted for name in node.outputs if name):
            wanted.update(node.inputs)
            found.append(node)
    return found[::-1]


def _lower_nodes(graph: Graph, nodes: list[ModelNode], values: dict[str, Tensor], opset: int) -> None:
    for node in nodes:
        graph.begin(node.name, node.where)
        made = _lower_node(graph, node, values, opset)
        for name, tensor in zip(node.outputs, made, strict=False):
            values[name] = tensor
        missing = [name for name in node.outputs[len(made) :] if name]
        if missing:
            raise InputError(f"{node.where}: its output {missing[0]!r} is not supported")


def _lower_node(graph: Graph, node: ModelNode, values: dict[str, Tensor], opset: int) -> tuple[Tensor, ...]:
    inputs = [values[name] if name else None for name in node.inputs]
    while inputs and inputs[-1] is None:
        inputs.pop()
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = _computed(graph, node, inputs, opset)
            if made is None:
                made = _lowered(graph, node, inputs, opset)
    except GavelError as fault:
        text = str(fault)
        raise type(fault)(text if node.where in text else f"{node.where}: {text}") from fault
    except MemoryError:
        raise
    except _MISTAKES as fault:
        reason = str(fault) or type(fault).__name__
        raise InputError(f"{node.where} is malformed: {reason}") from fault
    return made


def _computed(
    graph: Graph, node: ModelNode, inputs: list[Tensor | None], opset: int
) -> tuple[Tensor, ...] | None:
    """The node's outputs as constants, if its inputs are and it does not take too much."""
    if not all(t is None or t.array is not None for t in inputs):
        return None
    arrays = fold(node, [None if t is None else t.array for t in inputs], opset, graph.budget)
    if arrays is not None:
        return tuple(graph.constant(array) for array in arrays)
    if node.domain or node.op not in OPERATORS:
        return None
    alone = Graph(label=graph.label, places=graph.places, budget=graph.budget)
    return settled(alone, _lowered(alone, node, inputs, opset))


def _lowered(graph: Graph, node: ModelNode, inputs: list[Tensor | None], opset: int) -> tuple[Tensor, ...]:
    if node.domain or node.op not in OPERATORS:
        return _lower_body(graph, node, inputs, opset)
    made = OPERATORS[node.op](Context(graph, node, opset), *inputs)
    return made if isinstance(made, tuple) else (made,)


def _lower_body(graph: Graph, node: ModelNode, inputs: list[Tensor | None], opset: int) -> tuple[Tensor, ...]:
    """Lower what ONNX defines the operator by, in a scope of its own."""
    body = body_of(node, inputs, opset)
    if body is None:
        raise InputError(f"{node.where} uses an operator that cannot be lowered: {node.op}")
    nodes, names, outputs, version = body
    absent = Tensor("", ())
    scope = {"": absent}
    scope |= {
        name: tensor if tensor is not None else absent
        for name, tensor in zip(names, [*inputs, *[None] * len(names)], strict=False)
    }
    wanted = {name for name, outer in zip(outputs, node.outputs, strict=False) if outer}
    inner = [_without_absent(n, scope) for n in _leading_to(nodes, wanted)]
    _lower_nodes(graph, inner, scope, version)
    return tuple(scope.get(name, absent) for name in outputs[: len(node.outputs)])


def _without_absent(node: ModelNode, scope: dict[str, Tensor]) -> ModelNode:
    """The node with names of absent inputs emptied."""
    absent = scope[""]
    return replace(node, inputs=tuple("" if scope.get(name) is absent else name for name in node.inputs))
