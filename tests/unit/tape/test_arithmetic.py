"""The reference's instructions against exact fractions and against RULES 19, case by case."""

import itertools
from random import Random

import numpy as np
import pytest

from protocol.tape.reference.arithmetic import RULES
from protocol.tape.scalar import BY_NAME, OPS
from tests.strategies.tapes import SPECIAL_F32, SPECIAL_I32
from tests.unit.tape import softfloat

BITS = {"fma": softfloat.fma, "fadd": softfloat.add, "fmul": softfloat.mul, "fdiv": softfloat.div}
MIN, MAX = -(2**31), 2**31 - 1


def words(numbers: list[int]) -> np.ndarray:
    return np.array([n & 0xFFFFFFFF for n in numbers], np.uint32)


def apply(name: str, *columns: list[int]) -> list[int]:
    """An instruction on columns of words; NaN results are made canonical, as a store does."""
    op = BY_NAME[name]
    typed = [
        words(column).view(np.float32 if kind.name == "F32" else np.int32)
        for column, kind in zip(columns, op.takes, strict=True)
    ]
    with np.errstate(all="ignore"):
        result = np.asarray(RULES[name](*typed))
    assert result.dtype == (np.float32 if op.gives.name == "F32" else np.int32)
    if op.gives.name == "F32":
        return [0x7FC00000 if softfloat.is_nan(int(w)) else int(w) for w in result.view(np.uint32)]
    return [int(w) for w in result]


def patterns(rng: Random, count: int) -> list[int]:
    """Words of every kind: any bits, close exponents (cancellation, halfway cases), subnormals."""
    found = []
    for _ in range(count):
        exponent = rng.choice((rng.randrange(255), rng.randrange(100, 150), 0, 1, 127))
        mantissa = rng.choice((rng.getrandbits(23), 0, 1, 0x7FFFFF, 0x400000, 1 << rng.randrange(23)))
        found.append(rng.getrandbits(1) << 31 | exponent << 23 | mantissa)
    return found


@pytest.mark.parametrize("name", sorted(BITS))
def test_arithmetic_is_correctly_rounded_on_all_specials_and_many_patterns(name: str) -> None:
    arity = len(BY_NAME[name].takes)
    rng = Random(name)
    rows = list(itertools.product(SPECIAL_F32, repeat=2)) if arity == 2 else []
    rows += [tuple(rng.choice(SPECIAL_F32) for _ in range(arity)) for _ in range(1500)]
    rows += [tuple(patterns(rng, arity)) for _ in range(3000)]
    got = apply(name, *(list(column) for column in zip(*rows, strict=True)))
    assert got == [BITS[name](*row) for row in rows]


def test_fma_rounds_once_where_doubles_round_twice() -> None:
    """97 * (172961 * 2^-24) + 2^-80 from FACTS, and its neighbours in sign and size."""
    a, b = 0x42C20000, softfloat.nearest(softfloat.Fraction(172961, 2**24))
    for exponent, sign in itertools.product(range(1, 128), (0, softfloat.SIGN)):
        c = exponent << 23 | sign
        assert apply("fma", [a], [b], [c]) == [softfloat.fma(a, b, c)]


def test_subtraction_negation_and_root() -> None:
    rng = Random(7)
    a, b = patterns(rng, 2000), patterns(rng, 2000)
    assert apply("fsub", a, b) == [softfloat.add(x, y ^ softfloat.SIGN) for x, y in zip(a, b, strict=True)]
    inputs = [*SPECIAL_F32, *a]
    assert apply("fsqrt", inputs) == [softfloat.sqrt(x) for x in inputs]
    assert apply("fneg", [0, 1 << 31, 0x7F800000]) == [1 << 31, 0, 0xFF800000]
    assert apply("fabs", [0x80000000, 0xFF800000, 0x80000001]) == [0, 0x7F800000, 1]


def test_underflow_makes_minus_zero() -> None:
    tiny, minus_tiny = 27 << 23, 27 << 23 | 1 << 31  # 2^-100
    assert apply("fma", [tiny], [minus_tiny], [0]) == [0x80000000]


@pytest.mark.parametrize(("name", "pick"), [("fmin", min), ("fmax", max)])
def test_extremes_order_zeros_and_propagate_nan(name: str, pick: object) -> None:
    rows = list(itertools.product(SPECIAL_F32, repeat=2))

    def key(word: int) -> int:
        return -(word & 0x7FFFFFFF) - 1 if word >> 31 else word

    want = [0x7FC00000 if 0x7FC00000 in row else pick(row, key=key) for row in rows]  # type: ignore[operator]
    assert apply(name, *(list(column) for column in zip(*rows, strict=True))) == want


def test_compares_are_false_for_nan_and_take_zeros_for_equal() -> None:
    rows = list(itertools.product(SPECIAL_F32, repeat=2))
    columns = [list(column) for column in zip(*rows, strict=True)]
    for name, holds in (("feq", "__eq__"), ("flt", "__lt__"), ("fle", "__le__")):
        floats = [[float(np.uint32(w).view(np.float32)) for w in row] for row in rows]
        assert apply(name, *columns) == [int(getattr(a, holds)(b)) for a, b in floats]


def wrap(number: int) -> int:
    return (number + 2**31) % 2**32 - 2**31


def truncated(a: int, b: int) -> int:
    return 0 if b == 0 else abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


INTEGER = {
    "iadd": lambda a, b: a + b,
    "isub": lambda a, b: a - b,
    "imul": lambda a, b: a * b,
    "imulhi": lambda a, b: a * b >> 32,
    "idiv": truncated,
    "irem": lambda a, b: a - truncated(a, b) * b,
    "iand": lambda a, b: a & b,
    "ior": lambda a, b: a | b,
    "ixor": lambda a, b: a ^ b,
    "shl": lambda a, b: a << b % 32,
    "shr": lambda a, b: a % 2**32 >> b % 32,
    "sar": lambda a, b: a >> b % 32,
    "ieq": lambda a, b: a == b,
    "ilt": lambda a, b: a < b,
    "ult": lambda a, b: a % 2**32 < b % 2**32,
    "imin": min,
    "imax": max,
}


@pytest.mark.parametrize("name", sorted(INTEGER))
def test_integer_instructions_on_all_special_pairs(name: str) -> None:
    rows = list(itertools.product((*SPECIAL_I32, -(2**31) + 1, 7, -7, 1000003), repeat=2))
    got = apply(name, *(list(column) for column in zip(*rows, strict=True)))
    assert got == [wrap(int(INTEGER[name](*row))) for row in rows]


def test_division_by_zero_and_of_the_least_integer() -> None:
    assert apply("idiv", [5, -5, MIN, MIN], [0, 0, -1, 0]) == [0, 0, MIN, 0]
    assert apply("irem", [5, MIN, -7], [0, -1, 2]) == [5, 0, -1]


def test_shifts_count_mod_32() -> None:
    assert apply("shl", [1, 1, 1], [32, 33, -1]) == [1, 2, MIN]
    assert apply("sar", [MIN, MIN], [31, 63]) == [-1, -1]


def test_conversions_truncate_saturate_and_round_to_even() -> None:
    numbers = [1.9, -1.9, 2.0**31, -(2.0**31), 3e38, -3e38, float("inf"), float("-inf"), float("nan"), -0.5]
    column = [int(np.float32(n).view(np.uint32)) for n in numbers]
    assert apply("f2i", column) == [1, -1, MAX, MIN, MAX, MIN, MAX, MIN, 0, 0]
    integers = [2**24 + 1, 2**24 + 3, -(2**24) - 1, MAX, MIN]
    back = [float(np.uint32(w).view(np.float32)) for w in apply("i2f", integers)]
    assert back == [2.0**24, 2.0**24 + 4, -(2.0**24), 2.0**31, -(2.0**31)]


def test_bits_hide_nan_payloads_and_selects_look_at_the_whole_word() -> None:
    assert apply("bits", [0x7F800001, 0xFFC12345, 0x80000000]) == [0x7FC00000, 0x7FC00000, MIN]
    assert apply("float", [MIN]) == [0x80000000]
    assert apply("fsel", [0, 256, -1], [1, 1, 1], [2, 2, 2]) == [2, 1, 1]
    assert apply("isel", [0, MIN], [1, 1], [2, 2]) == [2, 1]


def test_the_table_and_the_rules_name_the_same_instructions_once() -> None:
    assert [op.code for op in OPS] == list(range(1, len(OPS) + 1))
    assert set(RULES) == {op.name for op in OPS}
