"""Audits as lines for people. Imports nothing: a command has them on the screen at once."""

from typing import Any

Row = dict[str, Any]


def audit_lines(status: Row) -> list[str]:
    """Return open audits, and what stands in the way of answering them."""
    lines = [
        f"audit of lease {row['lease'][:12]} by {row['by']}: {row['stage']}, item {row['item']}"
        for row in status.get("audits", ())
    ]
    if status.get("audits_trouble"):
        lines.append(f"audits cannot be answered: {status['audits_trouble']}")
    return lines
