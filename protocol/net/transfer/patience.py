"""How long a fetch may take: what comes buys time for what is still to come, up to an end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import trio

from protocol.net.transfer.fetch import Progress
from protocol.types import TransientError


class TooSlowError(TransientError):
    """It came too slowly. What came is kept for the next try, as long as there is room."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a fetch may take: `stall_s` seconds and as long as `rate` bytes per second need, at most until
    `ends`, in trio's time. What came early buys time for what comes later.
    """

    rate: int
    stall_s: float
    ends: float

    def deadline(self, began: float, received: int) -> float:
        """Return when a fetch that has brought so many bytes is given up unless more come."""
        return min(began + self.stall_s + received / self.rate, self.ends)


@contextmanager
def patiently(patience: Patience, what: str) -> Iterator[Progress]:
    """Give the body up with `TooSlowError`, which names `what`, once patience is over.

    The body's fetch tells the progress that is yielded what came.
    """
    began, before = trio.current_time(), -1
    with trio.CancelScope(deadline=patience.deadline(began, 0)) as scope:

        def progress(here: int, _: int) -> None:
            nonlocal before
            before = here if before < 0 else before  # what an earlier try left buys no time
            scope.deadline = patience.deadline(began, here - before)

        yield progress
    if scope.cancelled_caught:
        took = trio.current_time() - began
        raise TooSlowError(f"{what} came too slowly: given up after {took:.0f} s")
