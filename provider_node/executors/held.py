"""Jobs that stand still while something more urgent uses their device: that time is none of theirs."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from protocol.types import TransientError


class TooLongError(TransientError):
    """What ran was ended: its time was over."""


class Held:
    """Of one executor: which kind of device is taken from it, and for how long its work stood still."""

    def __init__(self) -> None:
        self.seconds = 0.0
        """In all, what goes on now not counted."""
        self._kind: str | None = None
        self._given_back = trio.Event()
        self._since: float | None = None
        self._limit: trio.CancelScope | None = None
        self._left = 0.0

    def take(self, kind: str) -> None:
        """Keep work off this kind of device until `give_back`."""
        self._kind = kind

    def begin(self) -> None:
        """Say that work was stopped; more than once is like once."""
        if self._since is not None:
            return
        self._since = trio.current_time()
        if self._limit is not None:
            self._left, self._limit.deadline = self._limit.deadline - self._since, math.inf

    def give_back(self) -> None:
        """Let work go on, and begin."""
        self._kind = None
        self._given_back.set()
        self._given_back = trio.Event()
        if self._since is None:
            return
        now = trio.current_time()
        self.seconds += now - self._since
        self._since = None
        if self._limit is not None:
            self._limit.deadline = now + self._left

    async def turn(self, kind: str) -> None:
        """Wait until this kind of device is not taken."""
        while self._kind == kind:
            await self._given_back.wait()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Cancel this block after so long, with `TooLongError`. One at a time.

        Work may be held already: a child is stopped also between two calls.
        """
        with trio.move_on_after(math.inf if self._since is not None else seconds) as scope:
            self._limit, self._left = scope, seconds
            try:
                yield
            finally:
                self._limit = None
        if scope.cancelled_caught:
            raise TooLongError(f"the time limit of {seconds:g} s is over", "finished items are kept")
