"""Plain tables: columns as wide as they must be."""

from collections.abc import Sequence
from itertools import chain

from client_sdk.outcome import Quote
from protocol.auction.money import Unit


def columns(head: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    """Return rows under a head; columns in `right` are aligned to the right."""
    table = [list(head), *map(list, rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    lines = []
    for row in table:
        cells = [cell.rjust(widths[i]) if i in right else cell.ljust(widths[i]) for i, cell in enumerate(row)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def quote_table(quotes: Sequence[Quote], unit: Unit) -> str:
    """Return the quotes, best first, with sums rounded up to six decimals.

    Below each stands why it has its place: in a column of its own it would not fit on a terminal.
    """

    def short(text: str) -> str:
        return unit.short(unit.parse(text, "a quote"))

    audited = any(each.audits != "0" for each in quotes)
    head = (
        "provider",
        f"price {unit.symbol}",
        "per hour",
        "est. gCO2",
        "est. s",
        *([f"audits {unit.symbol}"] if audited else []),
        "bond",
        "stake",
    )
    rows = [
        (
            each.provider[:10],
            short(each.price),
            short(each.per_hour),
            _grams(each.grams_co2),
            f"{each.expected_seconds:.0f}",
            *([short(each.audits)] if audited else []),
            short(each.bond),
            short(each.stake),
        )
        for each in quotes
    ]
    title, *lines = columns(head, rows, frozenset(range(1, len(head)))).splitlines()
    reasons = (f"  {_reason(each)}" for each in quotes)
    return "\n".join([title, *chain.from_iterable(zip(lines, reasons, strict=True))])


def _reason(quote: Quote) -> str:
    return quote.why if quote.history in quote.why else f"{quote.why} ({quote.history})"


def _grams(grams: float) -> str:
    """Two decimals, or two digits of less than that: the quotes of a small job differ there."""
    return f"{grams:.2f}" if grams == 0 or grams >= 0.1 else f"{float(f'{grams:.1e}'):.9f}".rstrip("0")
