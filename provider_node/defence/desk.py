"""One thing that many wait for: the most urgent is served first.

What a job needs may take long to be brought in. Were turns given by deadline alone, whoever makes deadlines
of several jobs alternate would have it brought in for each turn. So a job stays for as long again as its
first turn took: at most every other second goes into bringing things in.
"""

import itertools
import math
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

import trio

from provider_node.defence.waiting import Waiting

_Entry = tuple[int, int, Hashable, trio.Event]
"""Deadline, number, job, and what calls it."""


class Desk:
    """Gives turns, one at a time, by deadline; equal ones as they came."""

    def __init__(self) -> None:
        self._busy = False
        self._count = itertools.count()
        self._waiting: list[_Entry] = []
        self._job: Hashable = None
        self._stays_until = 0.0
        self._patience = Waiting()

    @asynccontextmanager
    async def turn(
        self, deadline: int, job: Hashable = None, took_s: float = math.inf
    ) -> AsyncIterator[None]:
        """Wait for a turn for a job; it ends with the block.

        `TransientError` if that lasts too long for what should take `took_s` seconds: others wait behind it.
        """
        if self._busy:
            await self._queue(deadline, job)
        self._busy = True
        began = trio.current_time()
        try:
            with self._patience.within(job, took_s):
                yield
        finally:
            if job != self._job:
                now = trio.current_time()
                self._job, self._stays_until = job, now + (now - began)
            self._next()

    async def _queue(self, deadline: int, job: Hashable) -> None:
        entry = (deadline, next(self._count), job, trio.Event())
        self._waiting.append(entry)
        try:
            await entry[3].wait()
        except trio.Cancelled:  # never once called: trio lets an event that was set win
            self._waiting.remove(entry)
            raise

    def _next(self) -> None:
        if not self._waiting:
            self._busy = False
            return
        stays = trio.current_time() < self._stays_until
        same = [each for each in self._waiting if each[2] == self._job] if stays else []
        chosen = min(same or self._waiting, key=lambda each: each[:2])
        self._waiting.remove(chosen)
        chosen[3].set()
