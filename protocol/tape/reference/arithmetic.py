"""What each scalar instruction does, elementwise on numpy arrays. Slow, total, and the definition.

Arrays are float32 or int32. numpy's float32 add, subtract, multiply, divide and square root are IEEE-754
round to nearest even with subnormals kept, which `refuse_flushing` checks for the calling thread.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.tape.dtypes import CANONICAL_NAN
from protocol.types.errors import BrokenInvariant

F = NDArray[np.float32]
I = NDArray[np.int32]  # noqa: E741 - beside F, the two register types
Register = NDArray[Any]  # F or I, as the program's types say

NAN = np.uint32(CANONICAL_NAN).view(np.float32)


def refuse_flushing() -> None:
    """BrokenInvariant if this thread flushes subnormals, which a library built with -Ofast may have
    switched on.
    """
    least = np.array([1], np.uint32).view(np.float32)
    if (least + least).view(np.uint32)[0] != 2:
        raise BrokenInvariant("this thread flushes subnormal numbers to zero")


def canonical(a: F) -> F:
    """Every NaN made 0x7FC00000."""
    return np.where(np.isnan(a), NAN, a).astype(np.float32)


def fma(a: F, b: F, c: F) -> F:
    """a * b + c with one rounding.

    The product of two binary32 is exact in binary64. Their sum is rounded there to odd (Boldo and Melquiond,
    "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd", 2008): with
    more than two spare bits, the second rounding to binary32 then equals a single one, subnormal results
    included.
    """
    product = a.astype(np.float64) * b.astype(np.float64)
    addend = c.astype(np.float64)
    near = product + addend
    virtual = near - product  # TwoSum (Knuth): error is exact, no exponent here is near binary64's limits
    error = (product - (near - virtual)) + (addend - virtual)
    even = (near.view(np.int64) & 1) == 0
    step = np.where((error > 0) == (near > 0), 1, -1)
    inexact = np.isfinite(near) & (error != 0) & even
    odd = (near.view(np.int64) + np.where(inexact, step, 0)).view(np.float64)
    return odd.astype(np.float32)


def fmin(a: F, b: F) -> F:
    """The lesser; NaN if either is; -0 < +0."""
    tie = (a.view(np.uint32) | b.view(np.uint32)).view(np.float32)
    return np.where(np.isnan(a) | np.isnan(b), NAN, np.where(a == b, tie, np.where(a < b, a, b)))


def fmax(a: F, b: F) -> F:
    """The greater; NaN if either is; -0 < +0."""
    tie = (a.view(np.uint32) & b.view(np.uint32)).view(np.float32)
    return np.where(np.isnan(a) | np.isnan(b), NAN, np.where(a == b, tie, np.where(a > b, a, b)))


def idiv(a: I, b: I) -> I:
    """Quotient towards zero; by 0 it is 0; mod 2^32."""
    wide, by = a.astype(np.int64), b.astype(np.int64)
    size = np.abs(wide) // np.where(by == 0, 1, np.abs(by))
    return _wrap(np.where(by == 0, 0, np.where((wide < 0) == (by < 0), size, -size)))


def f2i(a: F) -> I:
    """Truncated towards zero, saturating; NaN gives 0."""
    whole = np.trunc(np.where(np.isnan(a), np.float32(0), a).astype(np.float64))
    return np.clip(whole, -(2.0**31), 2.0**31 - 1).astype(np.int64).astype(np.int32)


def _wrap(a: NDArray[np.int64]) -> I:
    return (a & 0xFFFFFFFF).astype(np.uint32).view(np.int32)


def _wide(a: I) -> NDArray[np.int64]:
    return a.astype(np.int64)


def _u(a: I) -> NDArray[np.uint32]:
    return a.view(np.uint32)


def _flag(a: NDArray[np.bool_]) -> I:
    return a.astype(np.int32)


def _by(b: I) -> NDArray[np.uint32]:
    return _u(b) & np.uint32(31)


def _select(a: I, b: Register, c: Register) -> Register:
    return np.where(a != 0, b, c)


# One entry per row of scalar.ops.OPS; a test holds the two together.
RULES: dict[str, Callable[..., Register]] = {
    "fadd": lambda a, b: a + b,
    "fsub": lambda a, b: a - b,
    "fmul": lambda a, b: a * b,
    "fdiv": lambda a, b: a / b,
    "fsqrt": np.sqrt,
    "fma": fma,
    "fmin": fmin,
    "fmax": fmax,
    "fneg": lambda a: (a.view(np.uint32) ^ np.uint32(1 << 31)).view(np.float32),
    "fabs": lambda a: (a.view(np.uint32) & np.uint32(0x7FFFFFFF)).view(np.float32),
    "feq": lambda a, b: _flag(a == b),
    "flt": lambda a, b: _flag(a < b),
    "fle": lambda a, b: _flag(a <= b),
    "fsel": _select,
    "bits": lambda a: canonical(a).view(np.int32),
    "float": lambda a: a.view(np.float32),
    "iadd": lambda a, b: _wrap(_wide(a) + b),
    "isub": lambda a, b: _wrap(_wide(a) - b),
    "imul": lambda a, b: _wrap(_wide(a) * b),
    "imulhi": lambda a, b: _wrap((_wide(a) * b) >> 32),
    "idiv": idiv,
    "irem": lambda a, b: _wrap(_wide(a) - _wide(idiv(a, b)) * b),
    "iand": lambda a, b: a & b,
    "ior": lambda a, b: a | b,
    "ixor": lambda a, b: a ^ b,
    "shl": lambda a, b: (_u(a) << _by(b)).view(np.int32),
    "shr": lambda a, b: (_u(a) >> _by(b)).view(np.int32),
    "sar": lambda a, b: a >> _by(b).view(np.int32),
    "ieq": lambda a, b: _flag(a == b),
    "ilt": lambda a, b: _flag(a < b),
    "ult": lambda a, b: _flag(_u(a) < _u(b)),
    "isel": _select,
    "imin": np.minimum,
    "imax": np.maximum,
    "i2f": lambda a: a.astype(np.float32),
    "f2i": f2i,
}
