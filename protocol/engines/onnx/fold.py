"""Computes nodes whose inputs are all constant with ONNX's numpy reference, where that is right.

Shape arithmetic runs in 64 bits here, so nothing of it has to fit the tape's words. The reference is wrong
for many operators (old Softmax, BatchNormalization, pools, grouped convolutions, ...), so only those in the
tables below are computed by it: a test holds each of them to onnxruntime over the operator sets. Everything
else goes through the lowering that it has at run time (`settle`).
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from protocol.engines.onnx.budget import FOLDED, Budget
from protocol.engines.onnx.operators.context import OPERATORS
from protocol.engines.onnx.reader import ModelNode
from protocol.engines.onnx.tensors import Array
from protocol.tape.dtypes import Shape
from protocol.types.errors import InputError

ELEMENTWISE = frozenset(
    {
        *("Add", "Sub", "Mul", "Div", "Mod", "Neg", "Abs", "Sign", "Sqrt", "Min", "Max", "Sum"),
        *("Floor", "Ceil", "Round", "Clip", "Cast", "CastLike", "Where", "IsNaN", "IsInf"),
        *("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "And", "Or", "Xor", "Not"),
        *("BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot"),
    }
)
"""Exact for f32 too: numpy's result is the tape's."""
WIDE_ELEMENTWISE = frozenset({"Pow", "Exp", "Log", "Reciprocal"})
"""Folded for every type but f32, whose function is the tape's own."""
WIDE_ROWS = frozenset(
    {
        *("ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceMean"),
        *("CumSum", "TopK", "ArgMax", "ArgMin"),
    }
)
"""Along axes: likewise. No output has more elements than the input."""
PLACING = frozenset({"Gather", "GatherND", "Concat"})
ALSO = frozenset({"NonZero", "Unique", "ScatterElements", "ScatterND", "Compress"})
"""Operators without a lowering, so for constants only."""
LOOPED = {"GatherND": 1, "ScatterElements": 1, "ScatterND": 1}
"""Operators whose reference is a loop in Python over the elements of this input."""
MAX_LOOPED = 2**18
F32 = np.dtype(np.float32)


def folds(node: ModelNode, arrays: Sequence[Array | None]) -> bool:
    """Whether the reference computes this operator, as far as its kind and its inputs' types go.

    Nothing of strings: what each of them holds is counted by nobody.
    """
    if node.domain or any(array is not None and array.dtype.hasobject for array in arrays):
        return False
    if node.op in WIDE_ELEMENTWISE | WIDE_ROWS | {"GatherND"}:
        return arrays[0] is not None and arrays[0].dtype != F32
    if node.op in ("Cast", "CastLike"):
        return arrays[0] is not None and not _goal(node, arrays).hasobject
    return node.op in ELEMENTWISE | PLACING | ALSO


def fold(node: ModelNode, arrays: list[Array | None], opset: int, budget: Budget) -> list[Array] | None:
    """The node's outputs, or None if it is left to its lowering. InputError if it has none, or too much."""
    held = [array for array in arrays if array is not None]
    if not held or not folds(node, arrays):
        return None
    lowers = node.op in OPERATORS
    size = _bound(node, held)
    looped = _looped(held[LOOPED[node.op]].shape) if node.op in LOOPED else 0
    if node.op == "Unique" and not node.attributes.get("sorted", 1) and "axis" in node.attributes:
        raise InputError(f"{node.where}: rows in the order of their coming are not supported")
    if looped > MAX_LOOPED and lowers:
        return None
    if looped > MAX_LOOPED:
        raise InputError(f"{node.where}: {looped} indices; at most {MAX_LOOPED} are taken while lowering")
    budget.pay(FOLDED + sum(array.size * array.itemsize for array in held))
    budget.make((size,))
    if node.op in ("Cast", "CastLike") and not _casts_alike(held[0], _goal(node, arrays), budget):
        return None
    try:
        return _compute(node, arrays, opset)
    except MemoryError:
        raise
    except Exception as fault:
        if lowers:
            return None
        reason = " ".join(str(fault).split())
        raise InputError(f"{node.where} cannot be computed: {reason}") from fault


def _looped(shape: Shape) -> int:
    """Indices that the reference goes through one by one, tuples of none among them."""
    return max(math.prod(shape), math.prod(shape[:-1]))


def _bound(node: ModelNode, held: list[Array]) -> int:
    """How many elements the node's largest output has at most."""
    first = held[0]
    if node.op in WIDE_ROWS:
        return first.size
    if node.op == "Gather" and len(held) == 2 and first.ndim:
        axis = int(node.attributes.get("axis", 0))
        return held[1].size * (first.size // max(first.shape[axis], 1)) if axis < first.ndim else 0
    if node.op == "GatherND" and len(held) == 2 and held[1].ndim:
        depth = held[1].shape[-1] + int(node.attributes.get("batch_dims", 0))
        return int(held[1].size * math.prod(first.shape[depth:]))
    if node.op == "NonZero":
        return first.size * max(first.ndim, 1)
    if node.op in ("Concat", "Unique", "ScatterElements", "ScatterND", "Compress"):
        return sum(array.size for array in held)
    rank = max(array.ndim for array in held)
    shapes = [(1,) * (rank - array.ndim) + array.shape for array in held]
    return math.prod(max(sizes) for sizes in zip(*shapes, strict=True))


def _goal(node: ModelNode, arrays: Sequence[Array | None]) -> np.dtype[Any]:
    """What Cast or CastLike casts to."""
    held = [array.dtype for array in arrays if array is not None]
    to = int(node.attributes.get("to", 0))
    return held[-1] if len(held) > 1 or not to else helper.tensor_dtype_to_np_dtype(to)


def _casts_alike(array: Array, goal: np.dtype[Any], budget: Budget) -> bool:
    """Whether numpy's cast is the tape's: numpy does not saturate what leaves an integer's range."""
    if array.dtype.kind not in "fV" or goal.kind not in "iu":
        return True
    budget.pay(16 * array.size)
    return bool((np.abs(array.astype(np.float64)) < 2.0**31).all())


def _compute(node: ModelNode, arrays: list[Array | None], opset: int) -> list[Array]:
    names = [f"i{i}" if a is not None else "" for i, a in enumerate(arrays)]
    outputs = list(node.outputs)
    # Asked for fewer outputs than it has, the reference's Unique sorts whatever it was told.
    beyond = [f"unread{i}" for i in range(len(outputs), 4)] if node.op == "Unique" else []
    proto = helper.make_node(node.op, names, [*outputs, *beyond])
    proto.attribute.extend(_attribute(k, v) for k, v in node.attributes.items())
    made = helper.make_graph(
        [proto],
        "fold",
        [helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in names if n],
        [helper.make_tensor_value_info(o, TensorProto.UNDEFINED, None) for o in outputs if o],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])
    given = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
    results = iter(np.asarray(f) for f in ReferenceEvaluator(model).run(None, given))
    return [next(results) if o else np.zeros(0, np.float32) for o in outputs]


def _attribute(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return helper.make_attribute(name, numpy_helper.from_array(value))
    return helper.make_attribute(name, value)
