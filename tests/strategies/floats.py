"""Operands for binary32 arithmetic, as words: where rounding, ranges and signs are hard to get right.

Every generator takes a count and a generator of random numbers, and returns columns of `uint32`, one for
each operand.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]
Columns = tuple[Words, ...]
Cases = Callable[[int, np.random.Generator], Columns]
Fma = Callable[[Words, Words, Words], Words]

SIGN = np.uint32(0x80000000)
ONE = np.uint32(0x3F800000)
NAN = 0x7FC00000
POSITIVE = [0, 1, 2, 3, 0x400000, 0x7FFFFF, 0x800000, 0x800001, 0xFFFFFF, 0x1F800000, 0x33800000, 0x33800001]
POSITIVE += [0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x40000000, 0x40400000, 0x4B000000, 0x4B7FFFFF, 0x4EFFFFFF]
POSITIVE += [0x4F000000, 0x4F000001, 0x5F000000, 0x7F7FFFFE, 0x7F7FFFFF, 0x7F800000, 0x7F800001, NAN]
SPECIALS: Words = np.array([sign | bits for sign in (0, 0x80000000) for bits in POSITIVE], dtype=np.uint32)

# Mantissas about a carry, and exponent fields about the ends of every quick way.
EDGES = np.array([0, 1, 2, 0x3FFFFF, 0x400000, 0x400001, 0x7FFFFD, 0x7FFFFE, 0x7FFFFF], dtype=np.uint32)
FIELDS = np.array(
    [
        field
        for at in (2, 24, 52, 75, 103, 127, 151, 206, 230, 252)
        for field in range(at - 3, at + 4)
        if 0 <= field < 255
    ],
    dtype=np.uint32,
)


def crossed(operands: int) -> Columns:
    """All specials with all specials."""
    return tuple(grid.ravel() for grid in np.meshgrid(*[SPECIALS] * operands, indexing="ij"))


def patterns(count: int, rng: np.random.Generator) -> Words:
    """A quarter each: uniform bits, middling exponents, specials, numbers with many trailing zeros."""
    raw = rng.integers(0, 1 << 32, count, dtype=np.uint32)
    middling = _numbers(raw, rng.integers(100, 154, count), raw)
    special = SPECIALS[rng.integers(0, len(SPECIALS), count)]
    cut = np.uint32(1) << rng.integers(0, 24, count).astype(np.uint32)
    kind = rng.integers(0, 4, count)
    return np.select([kind == 0, kind == 1, kind == 2], [raw, middling, special], raw & ~(cut - np.uint32(1)))


def anything(operands: int) -> Cases:
    """Independent patterns."""
    return lambda count, rng: tuple(patterns(count, rng) for _ in range(operands))


def carries(count: int, rng: np.random.Generator) -> Columns:
    """Mantissas about a carry at all exponents up to 27 apart, of either sign: ties of sums among them."""
    field = np.arange(count) % 255
    other = np.clip(field - rng.integers(-27, 28, count), 0, 254)
    a, b = (_numbers(_edges(count, rng), at, _raw(count, rng)) for at in (field, other))
    return a, b


def cancelled(count: int, rng: np.random.Generator) -> Columns:
    """Sums that lose most of their bits, or all."""
    a = _numbers(_raw(count, rng), np.arange(count) % 255, _raw(count, rng))
    near = a.astype(np.int64) + rng.integers(-3, 4, count) * (np.int64(1) << rng.integers(0, 26, count))
    return a, np.clip(near, 0, 0xFFFFFFFF).astype(np.uint32) ^ SIGN


def edged(operands: int) -> Cases:
    """Exponents at the ends of ranges, mantissas plain or about a carry."""

    def cases(count: int, rng: np.random.Generator) -> Columns:
        return tuple(
            _numbers(_either(count, rng), rng.choice(FIELDS, count), _raw(count, rng))
            for _ in range(operands)
        )

    return cases


def tied_products(count: int, rng: np.random.Generator) -> Columns:
    """Factors whose product has 24 to 26 bits, so that many are exactly halfway, at every exponent."""
    bits = rng.integers(1, 25, count)
    a = _short(bits, rng)
    b = _short(np.clip(25 - bits + rng.integers(0, 2, count), 1, 24), rng)
    # The product's exponent field, from far below the least subnormal to infinity.
    field = np.arange(count) % 300 - 30
    first = rng.integers(np.clip(field + 127 - 254, 1, 254), np.clip(field + 126, 2, 255), count)
    second = np.clip(field + 127 - first, 1, 254)
    return _numbers(a, first, _raw(count, rng)), _numbers(b, second, _raw(count, rng))


def near_products(count: int, rng: np.random.Generator) -> Columns:
    """a * b + c with c at any distance from the product up to 60 binary places, either sign."""
    a, b, field = _factors(count, rng)
    c = _numbers(_either(count, rng), np.clip(field + rng.integers(-60, 61, count), 0, 254), _raw(count, rng))
    return a, b, c


def far_products(count: int, rng: np.random.Generator) -> Columns:
    """Products halfway, with c anywhere below to decide; and c with products anywhere below."""
    a, b = tied_products(count, rng)
    a = _numbers(a, np.clip(_field(a) + 40, 1, 254), a)
    below = rng.integers(0, np.where(rng.integers(0, 2, count) == 0, 24, 1 + _field(a)))
    c = _numbers(_either(count, rng), below, _raw(count, rng))
    zero = rng.integers(0, 8, count) == 0
    return a, b, np.where(zero, c & SIGN, c)


def residues(count: int, rng: np.random.Generator) -> Columns:
    """c is the product rounded, and sometimes moved: what is left is the product's rounding error."""
    a, b, _ = _factors(count, rng)
    with np.errstate(all="ignore"):
        product = (-(a.view(np.float32) * b.view(np.float32))).view(np.uint32)
    moved = np.where(
        product & ~SIGN < 0x7F7FFFF0, product ^ rng.integers(0, 4, count, dtype=np.uint32), product
    )
    return a, b, moved.astype(np.uint32)


def traps(count: int, rng: np.random.Generator) -> Columns:
    """Double rounding: a product often halfway between two numbers, subnormal ones too, and a c that 64 bits
    would lose, to say on which side it lies."""
    a, b = tied_products(count, rng)
    with np.errstate(all="ignore"):
        exact = a.view(np.float32).astype(np.float64) * b.view(np.float32).astype(np.float64)
        size = np.frexp(exact)[1]
        tiny = np.ldexp(np.float64(1), np.clip(size - rng.integers(24, 120, count), -149, 127))
        c = (tiny * rng.choice([-1.0, 1.0], count)).astype(np.float32).view(np.uint32)
    return a, b, c


def quotients(count: int, rng: np.random.Generator) -> Columns:
    """a about b * q for a q of at most 24 bits: exact, or next to it; small quotients among them."""
    q = _short(rng.integers(1, 25, count), rng)
    b = _numbers(_either(count, rng), rng.integers(0, 255, count), _raw(count, rng))
    q = _numbers(q, np.arange(count) % 254 + 1, _raw(count, rng))
    with np.errstate(all="ignore"):
        a = (b.view(np.float32) * q.view(np.float32)).view(np.uint32)
    return (a.astype(np.int64) + rng.integers(-1, 2, count)).clip(0, 0xFFFFFFFF).astype(np.uint32), b


def squares(count: int, rng: np.random.Generator) -> Columns:
    """Squares and their neighbours, and mantissas about a carry at every exponent."""
    root = _numbers(_either(count, rng), rng.integers(60, 190, count), np.zeros(count, np.uint32)).view(
        np.float32
    )
    with np.errstate(all="ignore"):
        square = (root * root).view(np.uint32).astype(np.int64) + rng.integers(-1, 2, count)
    plain = _numbers(_either(count, rng), np.arange(count) % 255, np.zeros(count, np.uint32))
    return (np.where(rng.integers(0, 2, count) == 0, square.clip(0, 0x7F800000), plain).astype(np.uint32),)


def integers(count: int, rng: np.random.Generator) -> Columns:
    """About powers of two and the ties of numbers wider than 24 bits, either sign."""
    size = (np.int64(1) << rng.integers(0, 33, count)) + rng.integers(-3, 4, count)
    size += (rng.integers(0, 1 << 9, count) << rng.integers(0, 24, count)) * rng.integers(0, 2, count)
    return ((size * rng.choice([-1, 1], count)).astype(np.uint64).astype(np.uint32),)


def wholes(count: int, rng: np.random.Generator) -> Columns:
    """Numbers from a half to 2^34, where a conversion cuts and saturates."""
    return (_numbers(_either(count, rng), rng.integers(124, 162, count), _raw(count, rng)),)


def chains(count: int, terms: int, rng: np.random.Generator, fma: Fma) -> tuple[Words, Words, Words, Words]:
    """Accumulators, both operands (count, terms), and what `fma` makes of them, one term after the other.

    Every term is drawn in view of the accumulator before it: near to it, undoing it, halfway to the next,
    zero, tiny, or anything. Every fourth chain may meet infinities and NaN; every eighth grows past 2^105.
    """
    wild, growing = np.arange(count) % 4 == 0, np.arange(count) % 8 == 1
    least = np.arange(count) % 8 == 2  # sums of a few least subnormals, exact
    up = np.zeros(growing.sum(), np.uint32)
    start = acc = np.where(wild, patterns(count, rng), _tame(patterns(count, rng)))
    start[least] &= np.uint32(0x8000000F)
    lefts, rights = np.empty((count, terms), np.uint32), np.empty((count, terms), np.uint32)
    for k in range(terms):
        a, b = _term(acc, rng)
        for side, words in ((lefts, a), (rights, b)):
            side[:, k] = np.where(wild, words, _tame(words))
            side[growing, k] = _numbers(words[growing], rng.integers(176, 182, growing.sum()), up)
        low = _raw(count, rng)
        lefts[least, k] = (low & np.uint32(0x8000000F))[least]
        rights[least, k] = (
            _numbers(low & np.uint32(0), np.full(count, 149 + k % 4), low)[least]
            if k % 2
            else rights[least, k] & SIGN
        )
        acc = fma(lefts[:, k].copy(), rights[:, k].copy(), acc)
    return start, lefts, rights, acc


def _term(acc: Words, rng: np.random.Generator) -> tuple[Words, Words]:
    count = len(acc)
    field = _field(acc)
    first = rng.integers(1, 255, count)

    def beside(places: NDArray[np.int64]) -> tuple[Words, Words]:
        near = _numbers(_either(count, rng), np.clip(field + places + 127 - first, 0, 254), _raw(count, rng))
        return _numbers(_either(count, rng), first, _raw(count, rng)), near

    half = _numbers(np.zeros(count, np.uint32), np.clip(field - 24, 0, 254), _raw(count, rng))
    moved = acc ^ SIGN ^ rng.integers(0, 3, count, dtype=np.uint32)
    tiny = _numbers(_either(count, rng), rng.integers(40, 66, count), _raw(count, rng))
    ones = np.full(count, ONE)
    drawn = [
        beside(rng.integers(-60, 61, count)),
        beside(rng.integers(-2, 3, count)),
        (acc ^ SIGN, ones),
        (ones, moved),
        (half, ones),
        (_raw(count, rng) & SIGN, patterns(count, rng)),
        (tiny, _numbers(_either(count, rng), rng.integers(40, 66, count), _raw(count, rng))),
        (patterns(count, rng), patterns(count, rng)),
        tuple(_numbers(_either(count, rng), rng.integers(115, 135, count), _raw(count, rng)) for _ in "ab"),
    ]
    kind = rng.choice(len(drawn), count, p=[0.2, 0.1, 0.06, 0.06, 0.1, 0.1, 0.1, 0.03, 0.25])
    a, b = (
        np.select([kind == i for i in range(len(drawn))], list(side)) for side in zip(*drawn, strict=True)
    )
    return a, b


def _tame(words: Words) -> Words:
    """No infinity, no NaN, and no product near overflow."""
    return np.where(words & np.uint32(0x7FFFFFFF) >= 0x5E000000, words & np.uint32(0xBFFFFFFF), words).astype(
        np.uint32
    )


def _raw(count: int, rng: np.random.Generator) -> Words:
    return rng.integers(0, 1 << 32, count, dtype=np.uint32)


def _field(words: Words) -> NDArray[np.int64]:
    return (words >> np.uint32(23) & np.uint32(255)).astype(np.int64)


def _edges(count: int, rng: np.random.Generator) -> Words:
    return rng.choice(EDGES, count)


def _either(count: int, rng: np.random.Generator) -> Words:
    """Mantissas: a third each random, about a carry, and a run of ones or zeros to the end."""
    raw, kind = _raw(count, rng), rng.integers(0, 3, count)
    low = (np.uint32(1) << rng.integers(0, 24, count).astype(np.uint32)) - np.uint32(1)
    runs = np.where(raw >> np.uint32(31) == 1, raw | low, raw & ~low)
    return np.select([kind == 0, kind == 1], [raw, _edges(count, rng)], runs)


def _short(bits: NDArray[np.int64], rng: np.random.Generator) -> Words:
    """Fractions of odd mantissas of so many bits, the leading one included."""
    odd = rng.integers(0, 1 << 24, len(bits)) >> (24 - bits) | (np.int64(1) << (bits - 1)) | 1
    return ((odd << (24 - bits)) & 0x7FFFFF).astype(np.uint32)


def _factors(count: int, rng: np.random.Generator) -> tuple[Words, Words, NDArray[np.int64]]:
    """Two factors, and the exponent field of their product, which runs over all."""
    field = np.arange(count) % 320 - 50
    first = rng.integers(np.clip(field + 127 - 254, 0, 254), np.clip(field + 128, 1, 255), count)
    second = np.clip(field + 127 - first, 0, 254)
    return (
        _numbers(_either(count, rng), first, _raw(count, rng)),
        _numbers(_either(count, rng), second, _raw(count, rng)),
        field,
    )


def _numbers(fraction: Words, field: NDArray[np.integer], sign: Words) -> Words:
    """Words of these fractions (low 23 bits), exponent fields and signs (top bits)."""
    return (
        (fraction & np.uint32(0x7FFFFF)) | (field.astype(np.uint32) << np.uint32(23)) | (sign & SIGN)
    ).astype(np.uint32)
