"""tanh and sigmoid."""

from protocol.tape.functions.exponential import LN2_HIGH, LN2_LOW, LOG2E, ROUNDER, exp, polynomial
from protocol.tape.functions.rounding import copysign
from protocol.tape.scalar import Value, bits, const, fma, from_bits, minimum, where

# (e^2r - 1) / r - 2, for |r| <= ln 2 / 4
_TANH = (0.08884812146425247, 0.26772865653038025, 0.6666752099990845, 1.3333234786987305, 1.9999998807907104)


def tanh(x: Value) -> Value:
    """The hyperbolic tangent, by (e^2x - 1) / (e^2x + 1). Worst error 2.2 ulp."""
    bounded = minimum(abs(x), 9.1)
    shifted = fma(bounded, 2 * LOG2E, ROUNDER + 127)
    n = shifted - (ROUNDER + 127)
    r = fma(n, -LN2_LOW / 2, fma(n, -LN2_HIGH / 2, bounded))
    q = fma(polynomial(r, _TANH) * r, r, r + r)
    scale = from_bits(bits(shifted) << 23)
    excess = fma(scale, q, scale - 1.0)
    return copysign(excess / (excess + 2.0), x)


def sigmoid(x: Value) -> Value:
    """1 / (1 + e^-x), accurate on both sides. Worst error 2.4 ulp."""
    small = exp(-abs(x))
    return where(x < 0.0, small, const(1.0, x.dtype)) / (small + 1.0)
