"""Which disputed item is executed next, and when a run gives way to another one. Pure.

The nearest deadline comes first. A run that has begun is ended for another only if that one would be missed
behind it, and only if this one can still be run afterwards: so nobody can keep an item from being executed
for ever by challenging others. What comes too late in any case, by all that is known, makes nothing else
late.
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

    @property
    def fits(self) -> bool:
        """Whether it would be in time if it began now."""
        return self.needs_ms <= self.left_ms


def next_run(waiting: Iterable[Run]) -> Run | None:
    """Return what is to be executed first, or None if there is nothing."""
    ordered = sorted(waiting, key=lambda run: (run.left_ms, run.name))
    for run in ordered:
        if run.fits or not any(_harms(run, other) for other in ordered):
            return run
    return None


def gives_way(current: Run, spent_ms: int, waiting: Iterable[Run]) -> bool:
    """Tell whether the run that is under way for so long has to be ended for one that waits."""
    # Past its estimate nobody knows: it may well take as long again.
    rest = current.needs_ms - spent_ms if spent_ms < current.needs_ms else spent_ms
    again = max(current.needs_ms, spent_ms)
    lost = rest > current.left_ms
    return any(
        other.fits
        and rest + other.needs_ms > other.left_ms
        and (lost or other.needs_ms + again <= current.left_ms)
        for other in waiting
    )


def _harms(run: Run, other: Run) -> bool:
    """Whether the other would be late behind this one, and is not late already."""
    return other.fits and run.needs_ms + other.needs_ms > other.left_ms
