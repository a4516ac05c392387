"""Operators that ONNX itself defines by others (Attention, RotaryEmbedding, losses, ...): their bodies.

What has no lowering of its own is replaced by the function body of its schema, with the node's attributes
put in.
"""

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import defs, helper

from protocol.engines.onnx.operators.cast import KINDS
from protocol.engines.onnx.reader import Data, ModelNode, attributes_of
from protocol.engines.onnx.tensors import Tensor

_NUMBERS = {kind: number for number, kind in KINDS.items()}


def has_body(op: str, domain: str, opset: int) -> bool:
    """Whether ONNX defines this operator by others."""
    schema = _schema(op, domain, opset)
    return schema is not None and bool(schema.has_function or schema.has_context_dependent_function)


def _schema(op: str, domain: str, opset: int) -> Any:
    try:
        return defs.get_schema(op, opset, domain)
    except defs.SchemaError:
        return None


def body_of(
    node: ModelNode, inputs: Sequence[Tensor | None], opset: int
) -> tuple[list[ModelNode], list[str], list[str], int] | None:
    """Nodes, input names, output names and operator set of the body.

    None if there is none for these inputs.
    """
    schema = _schema(node.op, node.domain, opset)
    if schema is None:
        return None
    function = onnx.FunctionProto()
    try:
        if schema.has_context_dependent_function:
            proto = _proto(node)
            types = [_type(t).SerializeToString() for t in inputs]
            function.ParseFromString(schema.get_context_dependent_function(proto.SerializeToString(), types))
        else:
            function.CopyFrom(schema.function_body)
    except (RuntimeError, ValueError, TypeError):
        return None
    if not function.node:
        return None
    defaults = {name: a.default_value for name, a in schema.attributes.items() if a.default_value.name}
    nodes = [_filled(n, i, node, defaults) for i, n in enumerate(function.node)]
    versions = {o.domain: int(o.version) for o in function.opset_import}
    return nodes, list(function.input), list(function.output), versions.get("", opset)


def _type(tensor: Tensor | None) -> onnx.TypeProto:
    if tensor is None:
        return onnx.TypeProto()
    return helper.make_tensor_type_proto(_NUMBERS.get(tensor.kind, 0), tensor.shape)


def _proto(node: ModelNode) -> onnx.NodeProto:
    import numpy as np
    from onnx import numpy_helper

    proto = helper.make_node(
        node.op, list(node.inputs), list(node.outputs), name=node.name, domain=node.domain
    )
    for name, value in node.attributes.items():
        plain = numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        proto.attribute.append(helper.make_attribute(name, plain))
    return proto


def _filled(proto: onnx.NodeProto, index: int, outer: ModelNode, defaults: dict[str, Any]) -> ModelNode:
    """A node of the body, its references to the outer node's attributes replaced."""
    own = onnx.NodeProto()
    own.CopyFrom(proto)
    del own.attribute[:]
    attributes: dict[str, Any] = {}
    for attribute in proto.attribute:
        reference = attribute.ref_attr_name
        if not reference:
            own.attribute.append(attribute)
        elif reference in outer.attributes:
            attributes[attribute.name] = outer.attributes[reference]
        elif reference in defaults:
            attributes[attribute.name] = helper.get_attribute_value(defaults[reference])
    where = f"{proto.op_type} in {outer.where}"
    attributes.update(attributes_of(own, where, Data(None)))
    for name, value in attributes.items():
        attributes[name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    label = f"{outer.name}/{proto.op_type}{index}"
    return ModelNode(proto.op_type, proto.domain, label, tuple(proto.input), tuple(proto.output), attributes)
