"""Whose runs of items this machine makes first: while one with precedence is made, all others stand back."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from protocol.runtime.child import Child

T = TypeVar("T")


def never() -> bool:
    """Say that a run has no precedence."""
    return False


@dataclass(eq=False)
class _Run:
    """One under way. Whether it is first may change meanwhile."""

    first: Callable[[], bool]
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Precedence:
    """Lets those work that are first; if there are none, everybody.

    Time to accuse is reckoned for the runs of all that may be accused at once, and for nothing beside them.
    """

    def __init__(self) -> None:
        self._under_way: set[_Run] = set()
        self._changed = trio.Event()

    @property
    def is_reserved(self) -> bool:
        """Whether one that is first works now."""
        return any(each.first() for each in self._under_way)

    async def work(self, job: Callable[[], Awaitable[T]], first: Callable[[], bool] = never) -> T:
        """Return what `job` does. If it has to stand back it is cancelled, and done again later."""
        while True:
            while not first() and self.is_reserved:
                await self._changed.wait()
            run = _Run(first)
            self._under_way.add(run)
            try:
                self.look()
                with run.scope:
                    return await job()
            finally:
                self._under_way.discard(run)
                self.look()

    def look(self) -> None:
        """See anew who is first."""
        if self.is_reserved:
            for each in self._under_way:
                if not each.first():
                    each.scope.cancel()
        self._changed.set()
        self._changed = trio.Event()


@dataclass
class Rank:
    """Of a child that is asked about one item, and keeps its trace: only its first answer takes a run.

    One whose run has to stand back is killed, and asked again.
    """

    child: Child
    precedence: Precedence
    first: Callable[[], bool]
    _ran: int | None = None
    """Which process has the trace."""

    async def work(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what `ask`, a question to the child, comes to. What it waits for is no part of it."""
        if self._ran is not None and self.child.pid == self._ran:
            return await ask()
        answer = await self.precedence.work(ask, self.first)
        self._ran = self.child.pid
        return answer
