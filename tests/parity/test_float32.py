"""The shipped Float32 and chains against the machine, bit for bit, by bulk calls to a real node."""

import ctypes
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from eth_abi import decode, encode

from protocol.chain.anvil import Anvil
from protocol.crypto import keccak256
from tests.strategies import floats
from tests.strategies.floats import NAN, ONE, Cases, Columns, Words

ROOT = Path(__file__).parents[2]
HARNESS = "0x" + "77" * 20
NAMES = ("add", "sub", "mul", "div", "fma", "sqrt", "to_int", "from_int", "min", "max", "lt", "le", "eq")
BATCH = 60_000
FEW, MANY = 240_000, 2_200_000
"""Patterns of each operation in every run, and when soaking."""

sums: list[Cases] = [floats.anything(2), floats.carries, floats.cancelled, floats.edged(2)]
fused: list[Cases] = [floats.near_products, floats.far_products, floats.residues, floats.traps]
order: list[Cases] = [floats.anything(2), floats.cancelled, floats.edged(2)]
CASES: dict[str, list[Cases]] = {
    "add": sums,
    "sub": sums,
    "mul": [floats.anything(2), floats.tied_products, floats.edged(2)],
    "div": [floats.anything(2), floats.quotients, floats.edged(2)],
    "fma": [floats.anything(3), *fused, floats.edged(3)],
    "sqrt": [floats.anything(1), floats.squares],
    "to_int": [floats.anything(1), floats.wholes],
    "from_int": [floats.anything(1), floats.integers],
    **dict.fromkeys(("min", "max", "lt", "le", "eq"), order),
}
Ask = Callable[[str, list[str], list[object]], Words]


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Call a function of the harness; its answer as words."""
    subprocess.run([ROOT / "scripts/contracts", "forge", "build", "-q"], check=True, cwd=ROOT)
    built = json.loads((ROOT / "contracts/out/Float32Harness.sol/Float32Harness.json").read_text())
    with Anvil(extra=["--gas-limit", "1000000000000"]) as anvil:
        anvil.call("anvil_setCode", HARNESS, built["deployedBytecode"]["object"])

        def call(name: str, types: list[str], values: list[object]) -> Words:
            data = keccak256(f"{name}({','.join(types)})".encode())[:4] + encode(types, values)
            request = {"to": HARNESS, "data": "0x" + data.hex(), "gas": hex(900_000_000_000)}
            answer = anvil.call("eth_call", request, "latest")
            (out,) = decode(["bytes"], bytes.fromhex(answer[2:]))
            return np.frombuffer(out, ">u4").astype(np.uint32)

        yield call


def numbers(words: Words) -> np.ndarray:
    return np.ascontiguousarray(words, dtype=np.uint32).view(np.float32)


def words_of(values: np.ndarray) -> Words:
    found = values.astype(np.float32).view(np.uint32).copy()
    found[np.isnan(values)] = NAN
    return found


def hardware_fma(a: Words, b: Words, c: Words) -> Words:
    """The C library's correctly rounded fmaf, element by element."""
    fmaf = ctypes.CDLL("libm.so.6").fmaf
    fmaf.restype, fmaf.argtypes = ctypes.c_float, [ctypes.c_float] * 3
    each = map(fmaf, numbers(a).tolist(), numbers(b).tolist(), numbers(c).tolist())
    return words_of(np.fromiter(each, np.float32, len(a)))


def truncated(a: Words) -> Words:
    wide = np.nan_to_num(numbers(a).astype(np.float64), nan=0.0, posinf=1e30, neginf=-1e30)
    return (np.clip(np.trunc(wide), -(2**31), 2**31 - 1).astype(np.int64) & 0xFFFFFFFF).astype(np.uint32)


def extreme(pick: Callable[[np.ndarray, Words, Words], np.ndarray]) -> Callable[[Words, Words], Words]:
    """By the total order, in which -0 is below +0; NaN if either is."""

    def wanted(a: Words, b: Words) -> Words:
        signed = [
            np.where(x >> 31, -(x.astype(np.int64) & 0x7FFFFFFF) - 1, x.astype(np.int64)) for x in (a, b)
        ]
        nan = np.isnan(numbers(a)) | np.isnan(numbers(b))
        return np.where(nan, NAN, pick(signed[0] < signed[1], a, b)).astype(np.uint32)

    return wanted


def by(function: Callable[..., np.ndarray]) -> Callable[..., Words]:
    return lambda *columns: words_of(function(*map(numbers, columns)))


def whether(function: Callable[..., np.ndarray]) -> Callable[..., Words]:
    return lambda a, b: function(numbers(a), numbers(b)).astype(np.uint32)


MACHINE: dict[str, Callable[..., Words]] = {
    "add": by(np.add),
    "sub": by(np.subtract),
    "mul": by(np.multiply),
    "div": by(np.divide),
    "fma": hardware_fma,
    "sqrt": by(np.sqrt),
    "to_int": truncated,
    "from_int": lambda a: a.view(np.int32).astype(np.float32).view(np.uint32),
    "min": extreme(np.where),
    "max": extreme(lambda below, a, b: np.where(below, b, a)),
    "lt": whether(np.less),
    "le": whether(np.less_equal),
    "eq": whether(np.equal),
}


def equal(got: Words, want: Words, *columns: Words) -> None:
    wrong = np.nonzero(got != want)[0]
    shown = [[hex(int(column[i])) for column in (*columns, got, want)] for i in wrong[:3]]
    assert not len(wrong), f"{len(wrong)} differ (operands, got, want): {shown}"


def check(ask: Ask, op: str, columns: Columns) -> int:
    for start in range(0, len(columns[0]), BATCH):
        part = [np.ascontiguousarray(column[start : start + BATCH]) for column in columns]
        words = np.stack(part, 1).astype(">u4").tobytes()
        got = ask("bulk", ["uint8", "bytes"], [NAMES.index(op), words])
        with np.errstate(all="ignore"):
            equal(got, MACHINE[op](*part), *part)
    return len(columns[0])


def check_many(ask: Ask, op: str, count: int, rng: np.random.Generator) -> int:
    """All specials with all specials, then the hard cases of this operation, in batches."""
    check(ask, op, floats.crossed(len(CASES[op][0](1, rng))))
    done = 0
    while done < count:
        for cases in CASES[op]:
            done += check(ask, op, cases(min(BATCH, count // len(CASES[op])), rng))
    return done


def check_chains(ask: Ask, count: int, terms: int, rng: np.random.Generator) -> None:
    for ones in (False, True):
        fma = (lambda a, b, c: hardware_fma(a, np.full_like(b, ONE), c)) if ones else hardware_fma
        acc, left, right, want = floats.chains(count, terms, rng, fma)
        words = (
            np.hstack([acc[:, None], left] if ones else [acc[:, None], left, right]).astype("<u4").tobytes()
        )
        equal(ask("chains", ["bytes", "uint256", "bool"], [words, terms, ones]), want, acc, left[:, 0])


@pytest.mark.parametrize("op", NAMES)
def test_operations_equal_the_machine(ask: Ask, op: str) -> None:
    assert check_many(ask, op, FEW, np.random.default_rng([4, NAMES.index(op)])) >= FEW


@pytest.mark.parametrize("terms", [1, 7, 8, 9, 31, 32])
def test_chains_equal_the_machine(ask: Ask, terms: int) -> None:
    check_chains(ask, 600, terms, np.random.default_rng([5, terms]))


@pytest.mark.soak
@pytest.mark.parametrize("op", NAMES)
def test_millions_of_patterns_equal_the_machine(ask: Ask, op: str) -> None:
    assert check_many(ask, op, MANY, fresh(op)) >= MANY


@pytest.mark.soak
def test_millions_of_terms_equal_the_machine(ask: Ask) -> None:
    rng = fresh("chains")
    for _ in range(MANY // 2 // (32 * 4_000) + 1):
        check_chains(ask, 4_000, 32, rng)


def fresh(name: str) -> np.random.Generator:
    """New operands each time when soaking; a failure shows them."""
    return np.random.default_rng(None if "GAVEL_RANDOM" in os.environ else [6, *name.encode()])
