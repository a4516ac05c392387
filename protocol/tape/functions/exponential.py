"""exp, expm1, log, log1p, log2, pow.

Polynomials here and in the neighbouring modules are weighted minimax fits by Lawson's iteration
(Lawson, 1961), rounded to f32; range reductions follow Cody and Waite, "Software Manual for the Elementary
Functions" (1980).
"""

from collections.abc import Sequence

from protocol.tape.dtypes import F32, I32
from protocol.tape.scalar import (
    Value,
    bits,
    const,
    eq,
    fma,
    from_bits,
    maximum,
    minimum,
    to_f32,
    to_i32,
    where,
)

INF, NAN = float("inf"), float("nan")
LOG2E = 1.44269504088896341
LN2_HIGH, LN2_LOW = 0.6931471824645996, -1.9046542121259336e-09
# Adding it rounds a small float to an integer and leaves that integer in the low bits of the sum.
ROUNDER = 12582912.0  # 1.5 * 2^23
_EXP = (
    0.0013814596459269524,
    0.0083687175065279,
    0.04166838899254799,
    0.1666652113199234,
    0.4999999403953552,
)
_EXPM1 = (0.0013882518978789449, 0.008366520516574383, 0.04166720062494278, 0.1666654348373413, 0.5)
_LOG = (
    -0.07634418457746506,
    0.12761935591697693,
    -0.13160377740859985,
    0.14201723039150238,
    -0.1662333458662033,
    0.20001228153705597,
    -0.250008225440979,
    0.3333333134651184,
)


def polynomial(x: Value, coefficients: Sequence[float]) -> Value:
    """Horner's scheme with fma, highest power first."""
    acc = const(coefficients[0], F32)
    for coefficient in coefficients[1:]:
        acc = fma(acc, x, coefficient)
    return acc


def reduce_exp(x: Value, bias: int) -> tuple[Value, Value]:
    """Split x = n ln 2 + r, |r| <= ln 2 / 2: returns a word whose low nine bits are n + bias, and r."""
    shifted = fma(x, LOG2E, ROUNDER + bias)
    n = shifted - (ROUNDER + bias)
    return bits(shifted), fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))


def exp_bounded(x: Value) -> Value:
    """exp for -87 <= x <= 88, where one power of two scales; a NaN stays one. Worst error 1.0 ulp."""
    word, r = reduce_exp(x, 127)
    return polynomial(r, (*_EXP, 1.0, 1.0)) * from_bits(word << 23)


def exp(x: Value) -> Value:
    """e^x with subnormal results and overflow to infinity. Worst error 1.0 ulp."""
    # The scale 2^n is applied as two factors, since n itself may leave the exponent's range at both ends.
    word, r = reduce_exp(minimum(maximum(x, -104.0), 89.0), 254)
    half = word >> 1
    return polynomial(r, (*_EXP, 1.0, 1.0)) * from_bits(half << 23) * from_bits((word - half) << 23)


def expm1(x: Value) -> Value:
    """e^x - 1, accurate near 0. Worst error 1.5 ulp."""
    word, r = reduce_exp(minimum(maximum(x, -20.0), 89.0), 253)
    half = word >> 1
    # 2^n (q + 1) - 1 with 2^n = 2 * a * b: doubling comes last, so that the largest results do not
    # overflow early.
    a, b = from_bits(half << 23), from_bits((word - half) << 23)
    q = fma(polynomial(r, _EXPM1) * r, r, r)
    scaled = fma(q * a, b, fma(a, b, -0.5))
    return where(abs(x) < 2.0**-25, x, scaled + scaled)


def split_log(x: Value) -> tuple[Value, Value]:
    """x = 2^e (1 + f) for positive finite x, with sqrt(1/2) - 1 <= f < sqrt(2) - 1: returns e as
    f32, and f.
    """
    tiny = x < 2.0**-126
    word = bits(where(tiny, x * 2.0**23, x))
    e = (word - 0x3F3504F3) >> 23
    f = from_bits(word - (e << 23)) - 1.0
    return to_f32(e) - where(tiny, const(23.0, F32), 0.0), f


def _log_edges(x: Value, inside: Value) -> Value:
    """log's results for 0, infinity, negatives and NaN, `inside` for the rest."""
    edge = where(eq(x, 0.0), const(-INF, F32), where(x < 0.0, const(NAN, F32), x))
    regular = minimum(x, const(3.4028234663852886e38, F32))
    return where((x > 0.0) & eq(regular, x), inside, edge)


def log(x: Value) -> Value:
    """The natural logarithm; -inf at 0, NaN below. Worst error 1.0 ulp."""
    e, f = split_log(x)
    square = f * f
    tail = fma(polynomial(f, _LOG) * f, square, e * LN2_LOW)
    return _log_edges(x, fma(e, LN2_HIGH, f + fma(square, -0.5, tail)))


def log2(x: Value) -> Value:
    """The logarithm to base 2, exact at powers of two. Worst error 2 ulp."""
    e, f = split_log(x)
    square = f * f
    tail = fma(square, -0.5, polynomial(f, _LOG) * f * square)
    natural = f + tail
    return _log_edges(x, fma(natural, LOG2E, e))


def log1p(x: Value) -> Value:
    """log(1 + x), accurate near 0. Worst error 3 ulp."""
    # log(u) (x / (u - 1)) with u = 1 + x rounded (Kahan): the rounding error of u cancels.
    u = x + 1.0
    d = u - 1.0
    scaled = log(u) * (x / d)
    return where(eq(d, 0.0), x, where(eq(u, INF), u, scaled))


def softplus(x: Value) -> Value:
    """log(1 + e^x) without overflow."""
    return maximum(x, 0.0) + log1p(exp(-abs(x)))


def _log_double(x: Value) -> tuple[Value, Value]:
    """log of a positive finite x as an unevaluated sum high + low, some 30 bits together."""
    e, f = split_log(x)
    square = f * f
    lost = fma(f, f, -square)
    high = fma(square, -0.5, f)
    low = fma(square, -0.5, f - high) - lost * 0.5 + polynomial(f, _LOG) * f * square
    base = e * 0.693145751953125  # ln 2 to 16 bits: the product is exact
    total = base + high
    rest = (base - total) + high + fma(e, 1.42860677e-06, low)
    upper = total + rest
    return upper, (total - upper) + rest


def power(x: Value, y: Value) -> Value:
    """x^y with IEEE 754's special cases of pow. Worst error 3 ulp."""
    size = abs(x)
    high, low = _log_double(size)
    product = y * high
    error = fma(y, low, fma(y, high, -product))
    plain = exp(product)
    result = fma(plain, where(abs(product) < 200.0, error, const(0.0, F32)), plain)
    result = where(eq(plain, INF) | eq(plain, 0.0), plain, result)
    negative = y < 0.0
    result = where(eq(size, 0.0), where(negative, const(INF, F32), 0.0), result)
    result = where(eq(size, INF), where(negative, const(0.0, F32), INF), result)
    result = where(eq(size, 1.0), 1.0, result)
    # A negative base: y must be an integer, and an odd one keeps the sign. From 2^24 on, every float is even.
    small = abs(y) < 16777216.0
    truncated = to_i32(y)
    whole = where(small, eq(to_f32(truncated), y), const(1, I32))
    odd = small & whole & truncated
    below = bits(x) < 0
    flipped = from_bits(bits(result) ^ ((odd & below) << 31))
    undefined = (x < 0.0) & eq(whole, 0) & (size < INF)
    result = where(undefined, const(NAN, F32), flipped)
    unordered = eq(x, x) & eq(y, y)
    result = where(unordered, result, x + y)
    return where(eq(y, 0.0) | eq(x, 1.0), const(1.0, F32), result)
