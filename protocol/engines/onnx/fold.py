"""Computes nodes whose inputs are all constant, with ONNX's own numpy reference.

Shape arithmetic runs in 64 bits here, so nothing of it has to fit the tape's words. Only operators that
draw no randomness and run no graph of their own are folded.
"""

import math
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from protocol.engines.onnx.graph import Array
from protocol.engines.onnx.operators.context import OPERATORS
from protocol.engines.onnx.reader import ModelNode
from protocol.types.errors import InputError

ALSO = frozenset({"NonZero", "Unique", "ScatterElements", "ScatterND", "Compress", "Scatter", "Det"})
"""Operators without a lowering that are still fine on constants."""
MAX_FOLDED = 2**28
"""Elements that a folded node may make: more is a bomb, not a shape."""
GROWING = frozenset({"Expand", "Tile", "ConstantOfShape", "Range", "Pad", "OneHot", "Resize", "EyeLike"})
"""Operators whose output can be far larger than their inputs: lowered as views, never folded blindly."""


def can_fold(node: ModelNode) -> bool:
    """Whether this operator may be computed while lowering."""
    known = node.op in OPERATORS or node.op in ALSO
    return node.domain == "" and known and node.op not in ("Constant", "Shape", "Size")


def _claims_too_much(node: ModelNode, arrays: list[Array | None]) -> bool:
    if node.op not in GROWING:
        return False
    sizes = (
        [a for a in arrays[1:] if a is not None]
        if node.op != "ConstantOfShape"
        else [a for a in arrays if a is not None]
    )
    if node.op == "Range":
        return False
    for a in sizes:
        if a.dtype.kind in "iu" and a.size <= 64:
            claimed = math.prod(max(1, abs(int(v))) for v in a.reshape(-1))
            base = arrays[0].size if arrays[0] is not None and node.op in ("Tile", "OneHot") else 1
            if claimed * base > MAX_FOLDED and node.op != "Pad":
                return True
            if node.op == "Pad" and claimed > MAX_FOLDED**2:
                return True
    return False


def fold(node: ModelNode, arrays: list[Array | None], opset: int) -> list[Array]:
    """The node's outputs. InputError if the reference refuses or the result is beyond all measure."""
    if _claims_too_much(node, arrays):
        raise InputError(f"{node.where}: it makes a constant of more than {MAX_FOLDED} elements")
    names = [f"i{i}" if a is not None else "" for i, a in enumerate(arrays)]
    outputs = [name or "" for name in node.outputs]
    given = [_attribute(k, v) for k, v in node.attributes.items()]
    proto = helper.make_node(node.op, names, outputs)
    proto.attribute.extend(given)
    unknown = [helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in names if n]
    kept = [o for o in outputs if o]
    made = helper.make_graph(
        [proto],
        "fold",
        unknown,
        [helper.make_tensor_value_info(o, TensorProto.UNDEFINED, None) for o in kept],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])
    try:
        run = ReferenceEvaluator(model)
        found = run.run(None, {n: a for n, a in zip(names, arrays, strict=True) if a is not None})
    except (MemoryError, InputError):
        raise
    except Exception as fault:
        raise InputError(f"{node.where} cannot be computed: {fault}") from fault
    results = iter(np.asarray(f) for f in found)
    return [next(results) if o else np.zeros(0, np.float32) for o in outputs]


def _attribute(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return helper.make_attribute(name, numpy_helper.from_array(value))
    return helper.make_attribute(name, value)
