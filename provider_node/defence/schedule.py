"""Which disputed item is executed next, and when a run gives way to another one. Pure.

The nearest deadline comes first. A run that has begun is ended for a nearer deadline only if that one would
be missed behind it, and only if this one can still be run afterwards: so nobody can keep an item from being
executed for ever by challenging others.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from protocol.types import LeaseId

Name = tuple[LeaseId, int]
"""A lease and the number of one of its items."""


@dataclass(frozen=True, slots=True)
class Run:
    """An item to execute: the time that is left for it, and the time that it is expected to take."""

    name: Name
    left_ms: int
    needs_ms: int


def next_run(waiting: Iterable[Run]) -> Run | None:
    """Return what is to be executed first, or None if there is nothing."""
    return min(waiting, key=lambda run: (run.left_ms, run.name), default=None)


def gives_way(current: Run, spent_ms: int, waiting: Iterable[Run]) -> bool:
    """Tell whether the run that is under way for so long has to be ended for one that waits."""
    # Past its estimate nobody knows: it may well take as long again.
    rest = current.needs_ms - spent_ms if spent_ms < current.needs_ms else spent_ms
    again = max(current.needs_ms, spent_ms)
    return any(
        rest + other.needs_ms > other.left_ms >= other.needs_ms and other.needs_ms + again <= current.left_ms
        for other in waiting
        if other.left_ms < current.left_ms
    )
