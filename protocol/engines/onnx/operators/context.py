"""What the lowering of one node sees: its attributes, its operator set, and the graph to build in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from protocol.engines.onnx.graph import Graph
from protocol.engines.onnx.reader import ModelNode
from protocol.engines.onnx.strides import broadcast_shapes
from protocol.engines.onnx.tensors import Array, Tensor
from protocol.tape.dtypes import Shape
from protocol.types.errors import InputError

Lowered = Tensor | tuple[Tensor, ...]
Lowering = Callable[..., Lowered]

MAX_FIXED = 128
"""Elements of an input that decides a shape: two for each axis that numpy's arrays can have."""

OPERATORS: dict[str, Lowering] = {}
"""ONNX operator -> its lowering, called with a Context and one Tensor per input (None for an absent one)."""


def operator(*names: str) -> Callable[[Lowering], Lowering]:
    """Register a function as the lowering of these operators."""

    def register(function: Lowering) -> Lowering:
        for name in names:
            assert name not in OPERATORS, name
            OPERATORS[name] = function
        return function

    return register


@dataclass(frozen=True)
class Context:
    """One node while it is lowered."""

    graph: Graph
    node: ModelNode
    opset: int

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute, or the default where the node does not carry it."""
        return self.node.attributes.get(name, default)

    def refuse(self, why: str) -> InputError:
        """The error that names this node."""
        return InputError(f"{self.node.where}: {why}")

    def fixed(self, tensor: Tensor | None, what: str, most: int = MAX_FIXED) -> Array | None:
        """The array of an input that decides shapes, so must be constant, and short. InputError otherwise."""
        if tensor is None:
            return None
        if tensor.array is None:
            raise self.refuse(f"its input {what!r} must be constant, since it decides a shape")
        if tensor.size > most:
            raise self.refuse(f"its input {what!r} has {tensor.size} elements; at most {most} have a meaning")
        return tensor.array

    def ints(self, name: str, tensor: Tensor | None = None, most: int = MAX_FIXED) -> list[int] | None:
        """A list of integers given as an attribute or, in newer operator sets, as a constant input."""
        found = self.fixed(tensor, name, most)
        if found is not None:
            return [int(v) for v in found.reshape(-1)]
        given = self.attr(name)
        if given is None:
            return None
        return [int(v) for v in given] if isinstance(given, list | tuple) else [int(given)]

    def axis(self, value: int, rank: int) -> int:
        """An axis counted from either end, as one from the front. InputError outside the rank."""
        if not -rank <= value < rank:
            raise self.refuse(f"axis {value} is outside a tensor of {rank} axes")
        return value % rank

    def axes(self, values: list[int], rank: int) -> list[int]:
        """Several axes, sorted. InputError if one is outside or named twice."""
        found = sorted(self.axis(v, rank) for v in values)
        if len(set(found)) != len(found):
            raise self.refuse(f"axes {values} name one axis twice")
        return found

    def scalar(self, value: float, kind: str = "f32") -> Tensor:
        """A constant of no axes."""
        return self.graph.constant(np.array(value, {"f32": np.float32, "i64": np.int64}.get(kind, np.int32)))

    def fits(self, tensor: Tensor | None, shape: Shape, what: str) -> None:
        """InputError unless a tensor broadcasts to `shape` as it is: it must not make the result larger."""
        if tensor is not None and broadcast_shapes(tensor.shape, shape) != shape:
            raise self.refuse(f"its {what} of {list(tensor.shape)} does not fit {list(shape)}")

    def float_only(self, *tensors: Tensor) -> None:
        """InputError unless all are f32."""
        for tensor in tensors:
            if tensor.kind != "f32":
                raise self.refuse(f"it is lowered for f32 only, not {tensor.kind}")

    def same_kind(self, *tensors: Tensor) -> str:
        """The common element type. InputError if they differ."""
        kinds = {t.kind for t in tensors}
        if len(kinds) != 1:
            raise self.refuse(f"its inputs have different element types: {', '.join(sorted(kinds))}")
        return kinds.pop()
