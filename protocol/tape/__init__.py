"""The reproducible tensor program: nodes, numbers, encoding, reference interpreter. Pure.

Scalar programs are written with `protocol.tape.scalar` and `protocol.tape.functions`, everyday MOVEs and
CONTRACTs with `protocol.tape.views` and `protocol.tape.products`.

The builder, which needs a numerical library, is imported when it is first used.
"""

from typing import TYPE_CHECKING, Any

from protocol.tape.dtypes import F32, I8, I32, DType, Shape, TensorType, row_major
from protocol.tape.nodes import (
    Affine,
    Contract,
    Gather,
    Join,
    Map,
    Move,
    Node,
    Operand,
    Reduce,
    ReduceKind,
)
from protocol.tape.refs import Placed, Ref, broadcast_strides
from protocol.tape.scalar import Instruction, ScalarProgram, Value, trace
from protocol.tape.tape import Constant, Labels, Tape

if TYPE_CHECKING:
    from protocol.tape.builder import TapeBuilder

__all__ = [
    "F32",
    "I8",
    "I32",
    "Affine",
    "Constant",
    "Contract",
    "DType",
    "Gather",
    "Instruction",
    "Join",
    "Labels",
    "Map",
    "Move",
    "Node",
    "Operand",
    "Placed",
    "Reduce",
    "ReduceKind",
    "Ref",
    "ScalarProgram",
    "Shape",
    "Tape",
    "TapeBuilder",
    "TensorType",
    "Value",
    "broadcast_strides",
    "row_major",
    "trace",
]


def __getattr__(name: str) -> Any:
    if name == "TapeBuilder":
        from protocol.tape.builder import TapeBuilder

        return TapeBuilder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
