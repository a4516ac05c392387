"""Demands as lines for people. Imports nothing: a command has them on the screen at once."""

from typing import Any

Row = dict[str, Any]


def demand_lines(status: Row) -> list[str]:
    """Return open demands, what answering has cost, and what stands in the way of it."""
    lines = [
        f"demand {row['demand'][:12]} of lease {row['lease'][:12]}: {row['bytes']} bytes owed, "
        f"{row['blocks_left']} blocks left"
        for row in status.get("demands", ())
    ]
    if status.get("demands_answered"):
        lines.append(
            f"{status['demands_answered']} demands answered: fees {status['demands_fees_wei']} wei, "
            f"repaid {status['demands_repaid_wei']} wei"
        )
    if status.get("demands_trouble"):
        lines.append(f"demands cannot be answered: {status['demands_trouble']}")
    return lines
