"""sin and cos."""

from protocol.tape.dtypes import F32
from protocol.tape.functions.exponential import ROUNDER, polynomial
from protocol.tape.scalar import Value, bits, const, eq, fma, from_bits, maximum, minimum, where

_HALF_PI = (1.5707963705062866, -4.371138828673793e-08, -1.7150994166548195e-15)
_TWO_OVER_PI = 0.63661977236758134
_SIN = (2.718046516747563e-06, -0.0001983930415008217, 0.008333329111337662, -0.1666666716337204)
_COS = (-2.720504710396199e-07, 2.479945214872714e-05, -0.0013888883404433727, 0.0416666679084301)


def _quarter(x: Value, ahead: int) -> Value:
    """sin(x + ahead * pi / 2)."""
    shifted = fma(x, _TWO_OVER_PI, ROUNDER)
    n = shifted - ROUNDER
    r = fma(n, -_HALF_PI[2], fma(n, -_HALF_PI[1], fma(n, -_HALF_PI[0], x)))
    # Beyond the rounder's range n is wrong; the bound keeps the polynomials, and so the result, within 1.
    r = minimum(maximum(r, -1.0), 1.0)
    square = r * r
    sine = fma(polynomial(square, _SIN) * square, r, r)
    cosine = fma(polynomial(square, _COS), square * square, fma(square, -0.5, const(1.0, F32)))
    turn = bits(shifted) + ahead
    found = where(turn & 1, cosine, sine)
    return from_bits(bits(found) ^ ((turn & 2) << 30))


def sin(x: Value) -> Value:
    """The sine, radians. Worst error 1.6 ulp for |x| <= 10^5; meaningless, but within 1, beyond 6 * 10^6."""
    return where(eq(x, 0.0), x, _quarter(x, 0))


def cos(x: Value) -> Value:
    """The cosine, radians; as accurate as `sin`."""
    return _quarter(x, 1)
