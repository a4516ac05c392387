"""Scalar pieces that several operator families share."""

from protocol.tape.dtypes import I32
from protocol.tape.scalar import Value, const, eq, maximum, minimum


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


def as_bool(x: Value) -> Value:
    """1 where x is not zero (a NaN is not)."""
    return eq(x, const(0, x.dtype)) ^ const(1, I32)
