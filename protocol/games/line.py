"""Where audited items wait for what is done for few of them at once: those that are due first go first."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from protocol.games.runs_at_once import AT_ONCE, MOST, may_begin


@dataclass
class Line:
    """Places for `at_once` items in any case, and for up to `most` that are due before all that have one."""

    at_once: int = AT_ONCE
    most: int = MOST
    _waiting: dict[trio.Event, int] = field(default_factory=dict)
    _inside: dict[trio.Event, int] = field(default_factory=dict)

    def is_full_for(self, due: int) -> bool:
        """Say whether an item that is due then would wait now."""
        return not may_begin(due, self._inside.values(), self.at_once, self.most)

    @asynccontextmanager
    async def place(self, due: int) -> AsyncIterator[None]:
        """Have a place in this block; wait for it first."""
        called = trio.Event()
        self._waiting[called] = due
        self._go_on()
        try:
            await called.wait()
            yield
        finally:
            self._waiting.pop(called, None)
            self._inside.pop(called, None)
            self._go_on()

    def _go_on(self) -> None:
        for called, due in sorted(self._waiting.items(), key=lambda each: each[1]):
            if self.is_full_for(due):
                return
            del self._waiting[called]
            self._inside[called] = due
            called.set()
