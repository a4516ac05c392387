"""binary32 arithmetic by exact fractions: slow, obvious, and independent of numpy and of the machine."""

import math
from fractions import Fraction

NAN, INF, SIGN = 0x7FC00000, 0x7F800000, 1 << 31


def is_nan(word: int) -> bool:
    return word & 0x7FFFFFFF > INF


def value(word: int) -> Fraction:
    """The exact value of a finite word."""
    exponent, mantissa = word >> 23 & 0xFF, word & 0x7FFFFF
    size = Fraction(mantissa + (1 << 23 if exponent else 0)) * Fraction(2) ** (max(exponent, 1) - 150)
    return -size if word & SIGN else size


def nearest(number: Fraction, zero: int = 0) -> int:
    """The word nearest to a number, ties to even; `zero` is the word of an exact zero."""
    if number == 0:
        return zero
    sign, size = (SIGN, -number) if number < 0 else (0, number)
    exponent = max(math.floor(math.log2(size)) - 25, -149)
    while size / Fraction(2) ** exponent >= 1 << 24:
        exponent += 1
    while exponent > -149 and size / Fraction(2) ** exponent < 1 << 23:
        exponent -= 1
    scaled = size / Fraction(2) ** exponent
    whole, rest = divmod(scaled, 1)
    mantissa = int(whole) + (rest > Fraction(1, 2) or (rest == Fraction(1, 2) and int(whole) % 2))
    if mantissa == 1 << 24:
        mantissa, exponent = 1 << 23, exponent + 1
    biased = exponent + 150 if mantissa >= 1 << 23 else 0
    return sign | (INF if biased >= 255 else biased << 23 | mantissa & 0x7FFFFF)


def fma(a: int, b: int, c: int) -> int:
    """a * b + c of words with one rounding."""
    sign = (a ^ b) & SIGN
    infinite = [word & 0x7FFFFFFF == INF for word in (a, b, c)]
    if any(map(is_nan, (a, b, c))):
        return NAN
    if infinite[0] or infinite[1]:
        zero = not a & 0x7FFFFFFF or not b & 0x7FFFFFFF
        return NAN if zero or (infinite[2] and c & SIGN != sign) else INF | sign
    if infinite[2]:
        return c
    product = value(a) * value(b)
    # An exact zero sum is +0, unless both addends are zeros of sign minus.
    both_minus = product == 0 and value(c) == 0 and sign and c & SIGN
    return nearest(product + value(c), SIGN if both_minus else 0)


def add(a: int, b: int) -> int:
    """a + b: one times a, plus b; a negative zero times one keeps its sign."""
    return fma(a, 0x3F800000, b)


def mul(a: int, b: int) -> int:
    """a * b: an addend of the product's sign leaves a zero's sign alone."""
    return fma(a, b, (a ^ b) & SIGN)


def div(a: int, b: int) -> int:
    """a / b."""
    sign = (a ^ b) & SIGN
    if is_nan(a) or is_nan(b):
        return NAN
    a_inf, b_inf = (word & 0x7FFFFFFF == INF for word in (a, b))
    if (a_inf and b_inf) or not (a & 0x7FFFFFFF or b & 0x7FFFFFFF):
        return NAN
    if a_inf or not b & 0x7FFFFFFF:
        return INF | sign
    return sign if b_inf else nearest(value(a) / value(b), sign)


def sqrt(a: int) -> int:
    """Square root: a root of 2^200 times the value has far more than the bits that rounding looks at."""
    if is_nan(a) or (a & SIGN and a & 0x7FFFFFFF):
        return NAN
    if not a & 0x7FFFFFFF or a == INF:
        return a
    scaled = value(a) * Fraction(2) ** 400
    root = math.isqrt(scaled.numerator)
    sticky = Fraction(1, 3) if root * root != scaled.numerator else 0
    return nearest((root + sticky) / Fraction(2) ** 200)
