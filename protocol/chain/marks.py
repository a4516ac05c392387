"""Up to where something was read: blocks by number and hash, and whether they are still part of the chain."""

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from protocol.chain.node import BlockHead
from protocol.chain.reads import Reads
from protocol.types import BlockNo, Hash32, to_hex

LAG = 16
"""Blocks by which a chain may seem shorter than it was: a node lags, or a fork will grow."""
SHORT_S = 60.0
"""For so long it may seem much shorter: another URL, far behind, may be believed for a moment."""
_MARKS = 64
_REMEMBERED = 1_024


class Mark(NamedTuple):
    """A block up to which something was read."""

    number: BlockNo
    hash: Hash32


Marks = tuple[Mark, ...]
"""Oldest first. The older ones, ever rarer, tell how far back to go if the newest is gone."""


def after(marks: Marks, head: BlockHead) -> Marks:
    """Return marks moved on to a block."""
    moved, half = (*marks, Mark(head.number, head.hash)), _MARKS // 2
    return moved if len(moved) <= _MARKS else (*moved[:half:2], *moved[half:])


def written(marks: Marks) -> list[list[Any]]:
    """Return marks as JSON to store."""
    return [[number, to_hex(digest)] for number, digest in marks]


def read_marks(stored: Sequence[Any]) -> Marks:
    """Return stored marks. `TypeError` or `ValueError` if they are damaged."""
    return tuple(Mark(BlockNo(int(n)), Hash32(bytes.fromhex(h[2:]))) for n, h in stored)


class Ground:
    """Tells which marks stand on the chain that is believed now. Thread-safe; blocking.

    INVARIANT: nobody reads on from a mark that does not. A number alone would not tell: a node that made one
    up, a deep re-org or a chain begun anew would blind whoever read up to there for as many blocks.
    """

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._stood: dict[Mark, BlockNo] = {}
        """Newest confirmed block at which it was asked for: many who read up to one block ask once."""
        self._farthest = BlockNo(0)
        """The farthest end of the chain that was named here."""
        self._short: dict[Mark, float] = {}
        """Since when the chain seems to end far before a mark."""

    def reached(self, marks: Marks) -> int:
        """Return the block after which to go on."""
        return marks[-1].number if marks else self._reads.deployment.block - 1

    def standing(self, marks: Marks, confirmed: BlockNo) -> Marks:
        """Return marks without the newest ones that are gone; `confirmed` is the end of the chain.

        Gone is what lies far beyond that end for a while (at once, if no node has shown so long a chain to
        this process), and where the chain has another block. That a node does not have the block says
        nothing: it lags a little, or keeps no old ones.
        """
        self._farthest = max(self._farthest, confirmed)
        while marks and not self._stands(marks[-1], confirmed):
            marks = marks[:-1]
        return marks

    def _stands(self, mark: Mark, confirmed: BlockNo) -> bool:
        if mark.number > confirmed + LAG:
            now = time.monotonic()
            patience = 0.0 if self._reads.network.may_restart else SHORT_S
            until = self._short.setdefault(mark, now) + patience
            return mark.number <= self._farthest + LAG and now < until
        self._short.clear()
        if self._stood.get(mark) == confirmed:
            return True
        head = self._reads.node.head(mark.number)
        if head is None:
            return True
        if head.hash != mark.hash:
            return False
        if len(self._stood) >= _REMEMBERED:
            self._stood.clear()
        self._stood[mark] = confirmed
        return True
