"""The shipped Float32 against the arithmetic of this machine, bit for bit, by bulk calls to a real node."""

import ctypes
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from eth_abi import decode, encode

from protocol.chain.anvil import Anvil
from protocol.crypto import keccak256

ROOT = Path(__file__).parents[2]
HARNESS = "0x" + "77" * 20
SELECTOR = keccak256(b"bulk(uint8,bytes)")[:4]
NAN = 0x7FC00000
NAMES = ("add", "sub", "mul", "div", "fma", "sqrt", "to_int", "from_int", "min", "max", "lt", "le", "eq")
OPS = {name: number for number, name in enumerate(NAMES)}
POSITIVE = [0, 1, 2, 3, 0x400000, 0x7FFFFF, 0x800000, 0x800001, 0xFFFFFF, 0x1F800000, 0x33800000, 0x33800001]
POSITIVE += [0x3F7FFFFF, 0x3F800000, 0x3F800001, 0x40000000, 0x40400000, 0x4B000000, 0x4B7FFFFF, 0x4EFFFFFF]
POSITIVE += [0x4F000000, 0x4F000001, 0x5F000000, 0x7F7FFFFE, 0x7F7FFFFF, 0x7F800000, 0x7F800001, NAN]
SPECIALS = np.array([sign | bits for sign in (0, 0x80000000) for bits in POSITIVE], dtype=np.uint32)

Words = np.ndarray
Bulk = Callable[..., Words]


@pytest.fixture(scope="module")
def bulk() -> Iterator[Bulk]:
    subprocess.run([ROOT / "scripts/contracts", "forge", "build", "-q"], check=True, cwd=ROOT)
    built = json.loads((ROOT / "contracts/out/Float32Harness.sol/Float32Harness.json").read_text())
    with Anvil(extra=["--gas-limit", "1000000000000"]) as anvil:
        anvil.call("anvil_setCode", HARNESS, built["deployedBytecode"]["object"])

        def call(op: str, *columns: Words) -> Words:
            words = np.stack(columns, 1).astype(">u4").tobytes()
            data = SELECTOR + encode(["uint8", "bytes"], [OPS[op], words])
            request = {"to": HARNESS, "data": "0x" + data.hex(), "gas": hex(900_000_000_000)}
            answer = anvil.call("eth_call", request, "latest")
            (out,) = decode(["bytes"], bytes.fromhex(answer[2:]))
            return np.frombuffer(out, ">u4").astype(np.uint32)

        yield call


def floats(bits: Words) -> Words:
    return np.ascontiguousarray(bits, dtype=np.uint32).view(np.float32)


def bits_of(values: Words) -> Words:
    found = values.astype(np.float32).view(np.uint32).copy()
    found[np.isnan(values)] = NAN
    return found


def patterns(count: int, rng: np.random.Generator) -> Words:
    """A quarter each: uniform bits, middling exponents, specials, numbers with many trailing zeros."""
    raw = rng.integers(0, 1 << 32, count, dtype=np.uint64).astype(np.uint32)
    middling = (raw & np.uint32(0x807FFFFF)) | (
        rng.integers(100, 154, count).astype(np.uint32) << np.uint32(23)
    )
    special = SPECIALS[rng.integers(0, len(SPECIALS), count)]
    cut = np.uint32(1) << rng.integers(0, 24, count).astype(np.uint32)
    kind = rng.integers(0, 4, count)
    return np.select([kind == 0, kind == 1, kind == 2], [raw, middling, special], raw & ~(cut - np.uint32(1)))


@pytest.fixture(scope="module")
def operands() -> tuple[Words, Words, Words]:
    """All specials crossed with all specials, then random patterns."""
    rng = np.random.default_rng(4)
    first, second = (grid.ravel() for grid in np.meshgrid(SPECIALS, SPECIALS, indexing="ij"))
    a = np.concatenate([first, patterns(60_000, rng)]).astype(np.uint32)
    b = np.concatenate([second, patterns(60_000, rng)]).astype(np.uint32)
    return a, b, patterns(len(a), rng).astype(np.uint32)


def hardware_fma(a: Words, b: Words, c: Words) -> Words:
    """The C library's correctly rounded fmaf, element by element."""
    fmaf = ctypes.CDLL("libm.so.6").fmaf
    fmaf.restype, fmaf.argtypes = ctypes.c_float, [ctypes.c_float] * 3
    pairs = zip(floats(a).tolist(), floats(b).tolist(), floats(c).tolist(), strict=True)
    return bits_of(np.array([fmaf(*each) for each in pairs], dtype=np.float32))


def equal(got: Words, want: Words, *columns: Words) -> None:
    wrong = np.nonzero(got != want)[0]
    shown = [[hex(int(column[i])) for column in (*columns, got, want)] for i in wrong[:3]]
    assert not len(wrong), f"{len(wrong)} differ (operands, got, want): {shown}"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("op", ["add", "sub", "mul", "div"])
def test_binary_operations_equal_the_machine(bulk: Bulk, operands: tuple[Words, ...], op: str) -> None:
    a, b, _ = operands
    ufunc = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}[op]
    equal(bulk(op, a, b), bits_of(ufunc(floats(a), floats(b))), a, b)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_square_root_and_conversions_equal_the_machine(bulk: Bulk, operands: tuple[Words, ...]) -> None:
    a = operands[0]
    equal(bulk("sqrt", a), bits_of(np.sqrt(floats(a))), a)
    equal(bulk("from_int", a), a.view(np.int32).astype(np.float32).view(np.uint32), a)
    wide = np.nan_to_num(floats(a).astype(np.float64), nan=0.0, posinf=1e30, neginf=-1e30)
    whole = np.clip(np.trunc(wide), -(2**31), 2**31 - 1).astype(np.int64)
    equal(bulk("to_int", a), (whole & 0xFFFFFFFF).astype(np.uint32), a)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_fused_multiply_add_rounds_once(bulk: Bulk, operands: tuple[Words, ...]) -> None:
    a, b, c = operands
    equal(bulk("fma", a, b, c), hardware_fma(a, b, c), a, b, c)
    product = bits_of(-(floats(a) * floats(b)))
    near = np.where(product & 0x7FFFFFFF < 0x7F7FFFF0, product ^ (c & np.uint32(3)), product).astype(
        np.uint32
    )
    equal(bulk("fma", a, b, near), hardware_fma(a, b, near), a, b, near)


def test_order_and_extremes_follow_the_rules(bulk: Bulk, operands: tuple[Words, ...]) -> None:
    a, b, _ = operands
    nan = np.isnan(floats(a)) | np.isnan(floats(b))
    signed = [np.where(x >> 31, -(x.astype(np.int64) & 0x7FFFFFFF) - 1, x.astype(np.int64)) for x in (a, b)]
    below = signed[0] < signed[1]  # the total order: -0 is below +0
    equal(bulk("min", a, b), np.where(nan, NAN, np.where(below, a, b)).astype(np.uint32), a, b)
    equal(bulk("max", a, b), np.where(nan, NAN, np.where(below, b, a)).astype(np.uint32), a, b)
    for op, ufunc in (("lt", np.less), ("le", np.less_equal), ("eq", np.equal)):
        equal(bulk(op, a, b), ufunc(floats(a), floats(b)).astype(np.uint32), a, b)
