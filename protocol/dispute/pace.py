"""When the traces of a lease's challenged items are posted. Pure.

A game's clock has a trace allowance for each game that is open on the lease, so many games at once have long
clocks. Were every trace posted as soon as it is made, whoever gives his game up after it, and opens the next,
would find none open: each of his games would have the short clock of a first one, and all other leases would
wait behind them. So a trace follows the one before it by an allowance, or more. That is never late: as long
as the earlier ones are owed, they are counted in the clocks of later games. A move clock is left in any case.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from protocol.types import BlockNo, Blocks


@dataclass(frozen=True, slots=True)
class Opened:
    """A game about an item: when it was opened, and, while its trace is owed, until when."""

    item: int
    at: BlockNo
    due: BlockNo = BlockNo(0)  # noqa: RUF009 - a number


def post_from(item: int, games: Iterable[Opened], allowance: Blocks, cap: Blocks) -> BlockNo:
    """Return the height from which the trace of `item` is posted, given all games of its lease.

    `cap` is the most that allowances add to a clock. Heights of a case depend on earlier games alone, so that
    they are the same after a restart.
    """
    first: dict[int, Opened] = {}
    for game in sorted(games, key=lambda game: (game.at, game.due)):
        first.setdefault(game.item, game)
    turn: int | None = None
    for game in first.values():
        turn = game.at if turn is None else min(max(game.at, turn + allowance), game.at + cap)
        if game.item == item:
            return BlockNo(turn)
    return BlockNo(0)
