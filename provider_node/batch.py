"""Many leases, one transaction: calls that come within a moment of each other are done together."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import trio

T = TypeVar("T")

_LINGER_S = 0.2


@dataclass
class _Waiting(Generic[T]):
    item: T
    done: trio.Event = field(default_factory=trio.Event)
    error: BaseException | None = None


class Batcher(Generic[T]):
    """Calls `act` with all items that were added while it was busy or within a fifth of a second.

    `act` must do for the batch what each caller wants for its item; its error is every caller's.
    """

    def __init__(self, act: Callable[[list[T]], Awaitable[object]]) -> None:
        self._act = act
        self._waiting: list[_Waiting[T]] = []
        self._added = trio.Event()

    async def add(self, item: T) -> None:
        """Return when a batch with `item` is done; raises what `act` raised."""
        entry = _Waiting(item)
        self._waiting.append(entry)
        self._added.set()
        try:
            await entry.done.wait()
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)
        if entry.error is not None:
            raise entry.error

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._added.wait()
            await trio.sleep(_LINGER_S)
            batch, self._waiting, self._added = self._waiting, [], trio.Event()
            error: Exception | None = None
            if batch:
                try:
                    await self._act([entry.item for entry in batch])
                except Exception as caught:
                    error = caught
            for entry in batch:
                entry.error = error
                entry.done.set()
