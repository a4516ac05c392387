"""Games as lines for people. Imports nothing: a command has them on the screen at once."""

from typing import Any

Row = dict[str, Any]


def game_line(row: Row) -> str:
    """Return one game."""
    clock = f", {row['turn']} to move, {row['blocks_left']} blocks left" if row["turn"] else ""
    cost = f"{row['moves']} moves, fees {row['fees']}, repaid {row['repaid']} coin"
    said = f"; {row['reason']}" if row["reason"] else ""
    return f"game {row['game'][:12]} item {row['item']}: {row['doing']} ({row['phase']}{clock}); {cost}{said}"


def game_lines(status: Row) -> list[str]:
    """Return open and recent games, and what stands in the way of playing them."""
    lines = [game_line(each) for each in status.get("games", ())]
    if status.get("clocks_percent"):
        lines.append(f"clocks: {status['clocks_percent']} % are needed if all leases are challenged at once")
    if status.get("games_trouble"):
        lines.append(f"games cannot be read: {status['games_trouble']}")
    if status.get("suspended"):
        lines.append(f"no new jobs are taken: {status['suspended']} (then: gavel provider resume)")
    if status.get("unable"):
        lines.append(f"no new jobs are taken: {status['unable']}")
    if status.get("coin_won_wei"):
        lines.append(f"{status['coin_won_wei']} wei of coin were won: the owner can withdraw them")
    return lines
