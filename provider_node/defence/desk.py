"""One thing that many wait for: the most urgent is served first."""

import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


class Desk:
    """Gives turns, one at a time, by deadline; equal ones as they came."""

    def __init__(self) -> None:
        self._busy = False
        self._count = itertools.count()
        self._waiting: list[tuple[int, int, trio.Event]] = []

    @asynccontextmanager
    async def turn(self, deadline: int) -> AsyncIterator[None]:
        """Wait for a turn; it ends with the block."""
        if self._busy:
            await self._queue(deadline)
        self._busy = True
        try:
            yield
        finally:
            self._next()

    async def _queue(self, deadline: int) -> None:
        called = trio.Event()
        entry = (deadline, next(self._count), called)
        heapq.heappush(self._waiting, entry)
        try:
            await called.wait()
        except trio.Cancelled:  # never once called: trio lets an event that was set win
            self._waiting.remove(entry)
            heapq.heapify(self._waiting)
            raise

    def _next(self) -> None:
        if self._waiting:
            heapq.heappop(self._waiting)[2].set()
        else:
            self._busy = False
