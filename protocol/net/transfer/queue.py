"""Which chunks are still to be asked for, and of whom the others were: shared by the peers of one fetch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import trio

from protocol.types import Address

LATE_S = 2.0
"""A chunk that was asked for so long ago is asked for again, of a peer that has nothing else to do."""


@dataclass(slots=True)
class _Asked:
    """A chunk under way: when it was last asked for, and of whom, in order."""

    at: float
    peers: list[Address]


class ChunkQueue:
    """Chunk numbers in order; what a peer took and did not deliver comes back to the front.

    INVARIANT: a peer that took chunks and is late with them holds nobody up who has nothing else to do.
    """

    def __init__(self, missing: Iterable[int], now: Callable[[], float] = trio.current_time) -> None:
        self._todo = sorted(missing, reverse=True)
        self._asked: dict[int, _Asked] = {}
        self._stirred: dict[Address, float] = {}
        self._now = now
        self._changed = trio.Event()

    @property
    def done(self) -> bool:
        """Whether every chunk was written."""
        return not self._todo and not self._asked

    def take_run(self, peer: Address, most: int) -> range:
        """Take up to `most` consecutive chunks: of those that wait, else late ones if `peer` has none."""
        if most <= 0:
            return range(0)
        idle = not self._has_any(peer)
        if self._todo:
            run = self._waiting(most)
        elif idle:
            run = self._late(most)
        else:
            return range(0)
        now = self._now()
        for index in run:
            asked = self._asked.setdefault(index, _Asked(now, []))
            asked.at = now
            asked.peers.append(peer)
        if idle:
            self._stirred[peer] = now
        return run

    def give_back(self, peer: Address, chunks: Iterable[int]) -> None:
        """Put back what `peer` took and did not bring, unless others were asked for it too."""
        for index in chunks:
            asked = self._asked.get(index)
            if asked is not None and peer in asked.peers:
                asked.peers.remove(peer)
                if not asked.peers:
                    del self._asked[index]
                    self._todo.append(index)
        self._todo.sort(reverse=True)
        self._wake()

    def wants(self, index: int) -> bool:
        """Tell whether a chunk that was asked for is still to come."""
        return index in self._asked

    def wrote(self, peer: Address, index: int) -> list[Address] | None:
        """Note that a chunk of `peer` is in the store; return who was asked before it and is late.

        None if it was there already.
        """
        self._stirred[peer] = self._now()
        asked = self._asked.pop(index, None)
        if self.done:
            self._wake()
        return asked.peers[: asked.peers.index(peer)] if asked is not None else None

    def slow(self) -> set[Address]:
        """Return the peers that have chunks under way and have brought none for a while."""
        before = self._now() - LATE_S
        under_way = {peer for asked in self._asked.values() for peer in asked.peers}
        return {peer for peer in under_way if self._stirred[peer] < before}

    async def wait(self) -> None:
        """Return when all chunks are written, or one waits to be asked for or is late."""
        while not self.done and not self._todo and not self._late(1):
            with trio.move_on_at(min(asked.at for asked in self._asked.values()) + LATE_S):
                await self._changed.wait()

    def _has_any(self, peer: Address) -> bool:
        return any(peer in asked.peers for asked in self._asked.values())

    def _waiting(self, most: int) -> range:
        first = last = self._todo.pop()
        while self._todo and self._todo[-1] == last + 1 and last - first + 1 < most:
            last = self._todo.pop()
        return range(first, last + 1)

    def _late(self, most: int) -> range:
        """Return the last of the late chunks: whoever is only slow brings the first ones itself."""
        now = self._now()
        late = {index for index, asked in self._asked.items() if now >= asked.at + LATE_S}
        if not late:
            return range(0)
        first = last = max(late)
        while first - 1 in late and last - first + 1 < most:
            first -= 1
        return range(first, last + 1)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
