"""Where runs of items wait for what is done for few of them at once: those that are due first go first."""

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from protocol.games.runs_at_once import AT_ONCE, MOST, may_begin
from protocol.runtime.child import ChildDiedError

_Entry = tuple[int, int]
"""When it is due, and the memory that it takes."""


@dataclass
class Line:
    """Places for `at_once` items in any case, and for up to `most` that are due before all that have one.

    INVARIANT: what has places takes no more than `memory` bytes together, or is one item alone. None that is
    due later goes past one that waits for memory: many small ones would keep a large one out for ever.
    """

    at_once: int = AT_ONCE
    most: int = MOST
    memory: int = 0
    """0: not counted."""
    relieve: Callable[[], None] = lambda: None
    """Called when a run was killed: with less beside it the next try may come to its end."""
    _waiting: dict[trio.Event, _Entry] = field(default_factory=dict)
    _inside: dict[trio.Event, _Entry] = field(default_factory=dict)
    _left_at: float = -math.inf
    _left: trio.Event = field(default_factory=trio.Event)

    def is_full_for(self, due: int, takes: int = 0) -> bool:
        """Say whether an item that is due then, and takes so much memory, would wait now. 0: all there is."""
        inside = self._inside.values()
        if inside and self.memory:
            held = sum(each or self.memory for _, each in inside)
            if held + (takes or self.memory) > self.memory:
                return True
        return not may_begin(due, [each for each, _ in inside], self.at_once, self.most)

    def was_busy(self, within_s: float) -> bool:
        """Say whether something has a place, or had one less than so many seconds ago."""
        return bool(self._inside) or trio.current_time() < self._left_at + within_s

    async def quiet(self, for_s: float) -> None:
        """Wait until nothing had a place for so many seconds."""
        while self.was_busy(for_s):
            with trio.move_on_at(self._left_at + for_s if not self._inside else math.inf):
                await self._left.wait()

    @asynccontextmanager
    async def place(self, due: int, takes: int = 0) -> AsyncIterator[None]:
        """Have a place in this block; wait for it first."""
        called = trio.Event()
        self._waiting[called] = due, takes
        self._go_on()
        try:
            await called.wait()
            yield
        except ChildDiedError as error:
            if error.killed:
                self.relieve()
            raise
        finally:
            self._waiting.pop(called, None)
            if self._inside.pop(called, None) is not None:
                self._left_at = trio.current_time()
                self._left.set()
                self._left = trio.Event()
            self._go_on()

    def _go_on(self) -> None:
        for called, entry in sorted(self._waiting.items(), key=lambda each: each[1][0]):
            if self.is_full_for(*entry):
                return
            del self._waiting[called]
            self._inside[called] = entry
            called.set()
