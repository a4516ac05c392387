"""A tape: inputs, constants and nodes. Its outputs are its last nodes."""

from dataclasses import dataclass

from protocol.tape.dtypes import TensorType
from protocol.tape.nodes import Node


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor that the tape carries: its type and its raw bytes, row-major, little-endian."""

    type: TensorType
    data: bytes


@dataclass(frozen=True, slots=True)
class Tape:
    """A tensor program. Value i is an input, then a constant, then a node's output; the last `outputs`
    nodes are what one item yields.
    """

    inputs: tuple[TensorType, ...]
    constants: tuple[Constant, ...]
    nodes: tuple[Node, ...]
    outputs: int

    @property
    def first_node(self) -> int:
        """The value index of node 0."""
        return len(self.inputs) + len(self.constants)

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The type of every value."""
        nodes = tuple(TensorType(node.dtype, node.shape) for node in self.nodes)
        return (*self.inputs, *(constant.type for constant in self.constants), *nodes)

    @property
    def output_types(self) -> tuple[TensorType, ...]:
        """The types of one item's outputs."""
        return tuple(
            TensorType(node.dtype, node.shape) for node in self.nodes[len(self.nodes) - self.outputs :]
        )


@dataclass(frozen=True, slots=True)
class Labels:
    """Names for people, one per value, "" where there is none. Never hashed, never trusted."""

    inputs: tuple[str, ...]
    constants: tuple[str, ...]
    nodes: tuple[str, ...]
    outputs: tuple[str, ...]
