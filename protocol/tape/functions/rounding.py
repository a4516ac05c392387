"""Rounding to integers, in f32, exact for every input; NaN and infinities stay."""

from protocol.tape.scalar import Value, bits, from_bits, where

_BIG = 8388608.0  # 2^23: from here on every float is an integer


def copysign(size: Value, sign: Value) -> Value:
    """|size| with the sign of `sign`; a NaN counts as positive."""
    return from_bits((bits(size) & 0x7FFFFFFF) | (bits(sign) & -0x80000000))


def round_even(x: Value) -> Value:
    """To the nearest integer, ties to even; -0.3 gives -0."""
    size = abs(x)
    rounded = copysign((size + _BIG) - _BIG, x)
    return where(size < _BIG, rounded, x)


def floor(x: Value) -> Value:
    """The greatest integer not above."""
    near = round_even(x)
    return where(near > x, near - 1.0, near)


def ceil(x: Value) -> Value:
    """The least integer not below; -0.3 gives -0."""
    near = round_even(x)
    return where(near < x, copysign(near + 1.0, x), near)


def trunc(x: Value) -> Value:
    """Towards zero, keeping the sign."""
    return copysign(floor(abs(x)), x)


def sign(x: Value) -> Value:
    """-1, 0 or 1; a zero or NaN stays itself."""
    return where(x > 0.0, 1.0, where(x < 0.0, -1.0, x))
