"""Sums for people: the smallest unit as whole tokens and back, exactly."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from protocol.types import Amount, InputError

_MOST_DIGITS = 60
"""Digits of whole tokens. No sum on chain has as many, and Python reads no number of thousands."""


def check_sum(text: str, what: str) -> None:
    """Raise `InputError` that names `what` unless `text` spells a sum, whatever the token is called."""
    _digits(text, what, "tokens")


def plain_sum(value: str | float | Decimal) -> str:
    """Return a program's sum as text without an exponent: `Decimal("1E-7")` is 0.0000001.

    What is no number at all stays as it is, for whoever reads the text to refuse.
    """
    try:
        return value if isinstance(value, str) else format(Decimal(str(value)), "f")
    except InvalidOperation:
        return str(value)


def sum_setting(text: str) -> str:
    """Return a setting's text, which spells a sum of whole tokens; `ValueError` otherwise."""
    try:
        _digits(text, "", "tokens")
    except InputError:
        raise ValueError("a number of whole tokens or coins, such as 0.40") from None
    return text.strip()


def sum_or_empty(text: str) -> str:
    """The same, where nothing means something too."""
    return text if text == "" else sum_setting(text)


@dataclass(frozen=True, slots=True)
class Unit:
    """How a token is written: its symbol and the decimals of its smallest unit."""

    symbol: str
    decimals: int

    def show(self, amount: int) -> str:
        """Return `amount` in whole tokens with the symbol, without trailing zeros."""
        return f"{self.plain(amount)} {self.symbol}"

    def plain(self, amount: int) -> str:
        """Return `amount` in whole tokens, exact."""
        whole, part = divmod(abs(amount), 10**self.decimals)
        digits = f"{part:0{self.decimals}d}".rstrip("0") if self.decimals else ""
        return ("-" if amount < 0 else "") + str(whole) + (f".{digits}" if digits else "")

    def short(self, amount: int, places: int = 6) -> str:
        """Return `amount` in whole tokens, rounded up at `places`; for tables."""
        if self.decimals <= places:
            return self.plain(amount)
        step: int = 10 ** (self.decimals - places)
        return self.plain(-(-amount // step) * step)

    def about(self, amount: int) -> str:
        """Return `short` with the symbol; for sentences where the last digit does not matter."""
        return f"{self.short(amount)} {self.symbol}"

    def parse(self, text: str, what: str) -> Amount:
        """Return the sum that `text` spells in whole tokens. `InputError` names `what`."""
        whole, part = _digits(text, what, self.symbol)
        if len(part) > self.decimals:
            raise InputError(
                f"{what} has more than the {self.decimals} decimals of {self.symbol}: {text!r:.60}"
            )
        return Amount(int(whole or "0") * 10**self.decimals + int(part.ljust(self.decimals, "0") or "0"))


def _digits(text: str, what: str, token: str) -> tuple[str, str]:
    """Return the digits before and after the point."""
    whole, _, part = text.strip().partition(".")
    if not (whole + part).isascii() or not (whole + part).isdigit():
        raise InputError(f"{what} must be a number of whole {token} such as 0.40, found {text!r:.40}")
    if len(whole.lstrip("0")) > _MOST_DIGITS:
        raise InputError(f"{what} is more than there can be of any token: {text!r:.40}")
    return whole, part
