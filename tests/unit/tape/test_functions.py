"""Worst errors of the elementary functions in units in the last place, against binary64."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from protocol.tape import F32, functions, trace
from protocol.tape.reference import run_program

A = NDArray[Any]
each = np.vectorize


def sigmoid(x: A) -> A:
    return np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x)))


def phi(x: A) -> A:
    return x * each(lambda t: 0.5 * math.erfc(-t / math.sqrt(2)))(x)


# name: function, range, most units in the last place, most instructions
CASES: dict[str, tuple[Callable[[A], A], float, float, float, int]] = {
    "exp": (np.exp, -110, 95, 1.0, 21),
    "expm1": (np.expm1, -30, 95, 1.5, 26),
    "log": (np.log, 0, 3.4e38, 1.0, 36),
    "log2": (np.log2, 0, 3.4e38, 2.0, 35),
    "log1p": (np.log1p, -1, 3.4e38, 3.0, 44),
    "softplus": (lambda x: np.logaddexp(0, x), -100, 100, 3.0, 69),
    "tanh": (np.tanh, -20, 20, 2.2, 26),
    "sigmoid": (sigmoid, -110, 110, 2.4, 27),
    "erf": (each(math.erf), -6, 6, 1.1, 41),
    "gelu": (phi, -1, 14, 3.0, 39),
    "sin": (np.sin, -1e5, 1e5, 1.6, 30),
    "cos": (np.cos, -1e5, 1e5, 1.6, 28),
    "floor": (np.floor, -1e9, 1e9, 0.0, 14),
    "ceil": (np.ceil, -1e9, 1e9, 0.0, 18),
    "trunc": (np.trunc, -1e9, 1e9, 0.0, 21),
    "round_even": (np.rint, -1e9, 1e9, 0.0, 11),
}


def samples(low: float, high: float, count: int = 60_000) -> NDArray[np.float32]:
    """Even, near 0 and 1, and over all exponents of the range."""
    source = np.random.default_rng(5)
    words = source.integers(0, 2**32, 2 * count, dtype=np.uint32).view(np.float32)
    near = source.uniform(max(low, -3), min(high, 3), count).astype(np.float32)
    even = source.uniform(low, min(high, 1e30), count).astype(np.float32)
    found = np.concatenate([even, near, words])
    return found[(found >= low) & (found <= high)]


def ulps(got: NDArray[np.float32], want: A) -> A:
    """Distance in units in the last place of the rounded result; equal infinities and NaNs are none."""
    rounded = want.astype(np.float32)
    unit = np.spacing(np.abs(rounded)).astype(np.float64)
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    return np.where(same & ~np.isfinite(rounded), 0, np.abs(got.astype(np.float64) - want) / unit)


@pytest.mark.parametrize("name", sorted(CASES))
def test_worst_error(name: str) -> None:
    oracle, low, high, most, instructions = CASES[name]
    program = trace(getattr(functions, name), F32)
    x = samples(low, high)
    with np.errstate(all="ignore"):
        got, want = run_program(program, [x]), oracle(x.astype(np.float64))
        worst = float(np.max(ulps(got, want)))
    assert worst <= most
    assert len(program.code) <= instructions


def test_gelu_is_close_in_its_tails() -> None:
    x = np.linspace(-40, 40, 20001, dtype=np.float32)
    got = run_program(trace(functions.gelu, F32), [x])
    assert np.max(np.abs(got - phi(x.astype(np.float64))) / np.maximum(np.abs(x), 1)) < 1.5e-7


POINTS = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3e38, -3e38], np.float32)
SPECIAL: dict[str, list[float]] = {
    "exp": [1, 1, np.inf, 0, np.nan, 1, 1, np.inf, 0],
    "expm1": [0, -0.0, np.inf, -1, np.nan, 1e-45, -1e-45, np.inf, -1],
    "log": [-np.inf, -np.inf, np.inf, np.nan, np.nan, -103.27893, np.nan, 88.59685, np.nan],
    "tanh": [0, -0.0, 1, -1, np.nan, 1e-45, -1e-45, 1, -1],
    "sigmoid": [0.5, 0.5, 1, 0, np.nan, 0.5, 0.5, 1, 0],
    "erf": [0, -0.0, 1, -1, np.nan, 1e-45, -1e-45, 1, -1],
    "sin": [0, -0.0, np.nan, np.nan, np.nan, 1e-45, -1e-45],
    "cos": [1, 1, np.nan, np.nan, np.nan, 1, 1],
    "floor": [0, -0.0, np.inf, -np.inf, np.nan, 0, -1, 3e38, -3e38],
    "ceil": [0, -0.0, np.inf, -np.inf, np.nan, 1, -0.0, 3e38, -3e38],
    "round_even": [0, -0.0, np.inf, -np.inf, np.nan, 0, -0.0, 3e38, -3e38],
    "sign": [0, -0.0, 1, -1, np.nan, 1, -1, 1, -1],
}


@pytest.mark.parametrize("name", sorted(SPECIAL))
def test_special_values_and_signs_of_zero(name: str) -> None:
    want = np.array(SPECIAL[name], np.float32)
    with np.errstate(all="ignore"):
        got = run_program(trace(getattr(functions, name), F32), [POINTS[: len(want)]])
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=0)
    assert (np.signbit(got) == np.signbit(want))[~np.isnan(want)].all()


def test_power_follows_ieee_754() -> None:
    numbers = [0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 0.5, -0.5, 2, -2, 3, -3, 1e-45, 3e38, 16777217, -1e10]
    x, y = (
        grid.ravel() for grid in np.meshgrid(np.array(numbers, np.float32), np.array(numbers, np.float32))
    )
    with np.errstate(all="ignore"):
        got = run_program(trace(functions.power, F32, F32), [x, y])
        want = np.power(x.astype(np.float64), y.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=3e-45)
    assert (np.signbit(got) == np.signbit(want))[~np.isnan(want)].all()


def test_power_is_accurate_over_its_range() -> None:
    source = np.random.default_rng(3)
    x = np.concatenate([source.uniform(0, 10, 50_000), np.exp(source.uniform(-80, 80, 50_000))])
    y = np.concatenate([source.uniform(-20, 20, 50_000), source.uniform(-1.5, 1.5, 50_000)])
    x, y = x.astype(np.float32), y.astype(np.float32)
    with np.errstate(all="ignore"):
        got = run_program(trace(functions.power, F32, F32), [x, y])
        worst = np.max(ulps(got, np.power(x.astype(np.float64), y.astype(np.float64))))
    assert worst <= 3.0
