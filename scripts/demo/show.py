"""What the demo prints: plain tables, exact sums."""

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext

from protocol.types import Address, Wei
from scripts.demo.ledger import Ledger

_UNIT = 18


def heading(text: str) -> None:
    """Print a heading."""
    print(f"\n\033[1m{text}\033[0m" if _coloured() else f"\n== {text}", flush=True)


def line(text: str) -> None:
    """Print an indented line."""
    print(f"  {text}", flush=True)


def balances(before: Ledger, after: Ledger, gas: Mapping[str, tuple[int, Wei]], symbol: str) -> None:
    """Print every party's tokens and coin before and after, the burnt sums, and the totals."""
    rows = [("", f"{symbol} before", f"{symbol} after", "change", "transactions", "gas paid (wei)")]
    for name, holding in before.parties.items():
        now = after.parties[name]
        count, wei = gas.get(name, (0, Wei(0)))
        change = _signed(now.tokens - holding.tokens)
        rows.append((name, whole(holding.tokens), whole(now.tokens), change, str(count), str(wei)))
    burnt = _signed(after.burnt - before.burnt)
    rows.append(("burnt", whole(before.burnt), whole(after.burnt), burnt, "", ""))
    total_gas = str(sum(wei for _, wei in gas.values()))
    change = _signed(after.tokens - before.tokens)
    rows.append(("sum", whole(before.tokens), whole(after.tokens), change, "", total_gas))
    table(rows)
    coin = before.coin - after.coin
    line(f"coin: {before.coin} wei before, {after.coin} after, {coin} gone = {total_gas} paid for gas")


def by_party(
    paid: Mapping[Address, tuple[int, Wei]], parties: Mapping[str, tuple[Address, ...]]
) -> dict[str, tuple[int, Wei]]:
    """Return transactions and gas per party."""
    found = {}
    for name, addresses in parties.items():
        each = [paid.get(address, (0, Wei(0))) for address in addresses]
        found[name] = (sum(count for count, _ in each), Wei(sum(wei for _, wei in each)))
    return found


def table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows, first column left, the others right aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        first, *rest = (cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        line("  ".join([first.strip().ljust(widths[0]), *rest]).rstrip())


def whole(units: int) -> str:
    """Return a sum of smallest units in whole tokens."""
    with localcontext() as context:
        context.prec = 60
        return f"{Decimal(units).scaleb(-_UNIT):f}"


def _signed(units: int) -> str:
    return "0" if units == 0 else f"{'+' if units > 0 else '-'}{whole(abs(units))}"


def _coloured() -> bool:
    import os
    import sys

    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
