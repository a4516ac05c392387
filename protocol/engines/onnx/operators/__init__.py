"""One module per operator family; importing this registers them all."""

from protocol.engines.onnx.operators import (
    activation,
    arithmetic,
    cast,
    compare,
    constants,
    conv,
    gather,
    matmul,
    norm,
    ordering,
    pool,
    quantized,
    reduce,
    resize,
    slicing,
    softmax,
    views,
)
from protocol.engines.onnx.operators.context import OPERATORS, Context

__all__ = [
    "OPERATORS",
    "Context",
    "activation",
    "arithmetic",
    "cast",
    "compare",
    "constants",
    "conv",
    "gather",
    "matmul",
    "norm",
    "ordering",
    "pool",
    "quantized",
    "reduce",
    "resize",
    "slicing",
    "softmax",
    "views",
]
