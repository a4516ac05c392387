"""Scalar pieces that several operator families share: rounding, narrow integers, copying a sign."""

from protocol.tape.dtypes import F32, I32
from protocol.tape.scalar import Value, bits, const, from_bits, maximum, minimum, to_f32, to_i32, where

INTEGRAL = 8388608.0
"""2^23: from here on every f32 is an integer."""
SIGN = -(2**31)


def copy_sign(magnitude: Value, sign: Value) -> Value:
    """`magnitude` (not negative) with the sign of `sign`; keeps the sign of zero."""
    return from_bits(bits(magnitude) | (bits(sign) & SIGN))


def trunc(x: Value) -> Value:
    """Towards zero; NaN, infinities and -0 stay."""
    return where(abs(x) < INTEGRAL, copy_sign(to_f32(to_i32(abs(x))), x), x)


def floor(x: Value) -> Value:
    """The greatest integer not above x."""
    whole = trunc(x)
    return where(whole > x, whole - 1.0, whole)


def ceil(x: Value) -> Value:
    """The least integer not below x."""
    whole = trunc(x)
    return where(whole < x, copy_sign(abs(whole + 1.0), whole), whole)


def round_even(x: Value) -> Value:
    """The nearest integer, ties to even: adding 2^23 rounds at the unit."""
    return where(abs(x) < INTEGRAL, copy_sign((abs(x) + INTEGRAL) - INTEGRAL, x), x)


def wrap(x: Value, kind: str) -> Value:
    """An i32 result brought back into the range of its ONNX type, modulo 2^8 for bytes."""
    if kind == "u8":
        return x & 255
    if kind == "i8":
        return (x << 24) >> 24
    return x


def clamp(x: Value, low: float, high: float) -> Value:
    """min(max(x, low), high)."""
    return minimum(maximum(x, low), high)


def zero(x: Value) -> Value:
    """0 of the same type."""
    return const(0, x.dtype)


def is_float(x: Value) -> bool:
    """Whether a scalar is f32."""
    return x.dtype is F32


def as_bool(x: Value) -> Value:
    """1 where x is not zero (a NaN is not)."""
    from protocol.tape.scalar import eq

    return eq(x, const(0, x.dtype)) ^ const(1, I32)
