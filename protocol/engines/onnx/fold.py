"""Computes nodes whose inputs are all constant, with ONNX's own numpy reference.

Shape arithmetic runs in 64 bits here, so nothing of it has to fit the tape's words. Only operators that
draw no randomness and run no graph of their own are folded.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from protocol.engines.onnx.operators.context import OPERATORS
from protocol.engines.onnx.reader import ModelNode
from protocol.engines.onnx.tensors import Array
from protocol.types.errors import InputError

ALSO = frozenset({"NonZero", "Unique", "ScatterElements", "ScatterND", "Compress", "Scatter", "Det"})
"""Operators without a lowering that are still fine on constants."""
LOWERED_ANYWAY = frozenset({"Constant", "Shape", "Size"})
"""Their lowering gives a constant by itself."""
REPEATING = frozenset({"Expand", "Tile", "ConstantOfShape", "Range", "EyeLike"})
"""Their lowering gives constants for constants as well, as views that cost no memory."""
GROWING = REPEATING | {"Pad", "OneHot", "Resize", "Upsample"}
"""Operators whose output size is written in their inputs' values: their lowerings check it."""
MAX_FOLDED = 2**26
"""Elements that a folded node may make."""


def can_fold(node: ModelNode) -> bool:
    """Whether this operator may be computed while lowering, as far as its kind goes."""
    known = node.op in OPERATORS or node.op in ALSO
    return node.domain == "" and known and node.op not in LOWERED_ANYWAY | GROWING


def gives_constant(node: ModelNode) -> bool:
    """Whether constants in are constants out."""
    return can_fold(node) or (node.domain == "" and node.op in LOWERED_ANYWAY | REPEATING)


def is_small(node: ModelNode, arrays: Sequence[Array | None]) -> bool:
    """Whether what the node makes of these constants is bounded by MAX_FOLDED."""
    held = [array for array in arrays if array is not None]
    if node.op.startswith("Gather"):
        return held[0].size * max(held[1].size, 1) <= MAX_FOLDED**2 and held[1].size <= MAX_FOLDED
    # Broadcasting and products: no axis is longer than the longest input's there.
    rank = max((array.ndim for array in held), default=0)
    shapes = [(1,) * (rank - array.ndim) + array.shape for array in held]
    bound = math.prod(max(sizes) for sizes in zip(*shapes, strict=True)) if shapes else 1
    return max(bound, sum(array.size for array in held)) <= MAX_FOLDED


def fold(node: ModelNode, arrays: list[Array | None], opset: int) -> list[Array]:
    """The node's outputs. InputError if the reference refuses."""
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
