"""Which chunks are still to be asked for, shared by the peers of one fetch."""

from __future__ import annotations

from collections.abc import Iterable

import trio


class ChunkQueue:
    """Chunk numbers in order; what a peer took and did not deliver comes back to the front."""

    def __init__(self, missing: Iterable[int]) -> None:
        self._todo = sorted(missing, reverse=True)
        self._left = len(self._todo)
        self._changed = trio.Event()

    @property
    def done(self) -> bool:
        """Whether every chunk was written."""
        return self._left == 0

    def take_run(self, most: int) -> range:
        """Take up to `most` consecutive chunks; empty if none waits."""
        if not self._todo or most <= 0:
            return range(0)
        first = last = self._todo.pop()
        while self._todo and self._todo[-1] == last + 1 and last - first + 1 < most:
            last = self._todo.pop()
        return range(first, last + 1)

    def give_back(self, chunks: Iterable[int]) -> None:
        """Put back what was taken and did not come."""
        self._todo = sorted({*self._todo, *chunks}, reverse=True)
        self._wake()

    def wrote(self, count: int) -> None:
        """Note that `count` more chunks are in the store."""
        self._left -= count
        if self._left == 0:
            self._wake()

    async def wait(self) -> None:
        """Return when chunks came back or all are written."""
        if not self._todo and not self.done:
            await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
