"""Elementary functions as straight-line programs, each defined once.

Every function maps symbolic f32 values to a symbolic f32 and is used inside `trace`:

    gelu_program = trace(gelu, F32)
    softmax_numerator = trace(lambda x, m: exp(x - m), F32, F32)

The tests measure each one's worst error against binary64; the figures stand in the docstrings.
"""

from protocol.tape.functions.error import erf, gelu
from protocol.tape.functions.exponential import exp, expm1, log, log1p, log2, power, softplus
from protocol.tape.functions.hyperbolic import sigmoid, tanh
from protocol.tape.functions.rounding import ceil, copysign, floor, round_even, sign, trunc
from protocol.tape.functions.trigonometric import cos, sin

pow = power  # lowering code says table.pow

__all__ = [
    "ceil",
    "copysign",
    "cos",
    "erf",
    "exp",
    "expm1",
    "floor",
    "gelu",
    "log",
    "log1p",
    "log2",
    "pow",
    "power",
    "round_even",
    "sigmoid",
    "sign",
    "sin",
    "softplus",
    "tanh",
    "trunc",
]
