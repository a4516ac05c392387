"""Sums as programs write them."""

from decimal import Decimal

import pytest

from protocol.auction.money import Unit, plain_sum, sum_setting
from protocol.types import InputError

LOC = Unit("LOC", 18)


@pytest.mark.parametrize("value", ["0.0000001", 1e-7, Decimal("1E-7"), Decimal("0.0000001")])
def test_small_sums_are_read_however_they_are_written(value: str | float | Decimal) -> None:
    assert LOC.parse(plain_sum(value), "max_price") == 10**11


def test_what_is_no_sum_is_refused() -> None:
    for value in ("1e-7", float("nan"), float("inf"), Decimal(-1), None, [1]):
        with pytest.raises(InputError, match="max_price"):
            LOC.parse(plain_sum(value), "max_price")  # type: ignore[arg-type]


def test_a_sum_beyond_all_sums_is_refused() -> None:
    """Python reads no number of thousands of digits; no token has as many units as a word holds."""
    for text in ("9" * 5000, str(1 << 256), "0." + "1" * 5000):
        with pytest.raises(InputError, match="amount") as found:
            LOC.parse(text, "amount")
        assert len(str(found.value)) < 200
        with pytest.raises(ValueError, match="a number of whole tokens"):
            sum_setting(text if "." not in text else "9" * 5000)
    assert LOC.parse("0" * 30 + "1", "amount") == 10**18
