"""What a job has to say while it goes on, for people and programs."""

from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import trio

from protocol.types import Amount


class Kind(StrEnum):
    """What an event is about."""

    QUOTES = "quotes"
    """Answers came in, or their time is over."""
    CHOICE = "choice"
    STATE = "state"
    """The lease moved on."""
    COST = "cost"
    """What has streamed so far, and how much is done."""
    TROUBLE = "trouble"
    """Something is late or down; the job goes on."""
    RESULT = "result"
    END = "end"


@dataclass(frozen=True, slots=True)
class Progress:
    """One event. `cost` is what the provider has earned so far, in the token's smallest unit."""

    kind: Kind
    text: str
    cost: Amount
    items_done: int = 0
    items_total: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the event as plain values."""
        return asdict(self)


class Story:
    """The events of one job, kept from the first one on, so that every listener gets all of them."""

    def __init__(self) -> None:
        self.events: list[Progress] = []
        self._changed = trio.Event()
        self._over = False

    def tell(self, event: Progress) -> None:
        """Add an event."""
        self.events.append(event)
        self._wake()

    def close(self) -> None:
        """Say that no event will follow."""
        self._over = True
        self._wake()

    async def after(self, index: int) -> Progress | None:
        """Return event number `index`, waiting for it; None when there will be none."""
        while index >= len(self.events):
            if self._over:
                return None
            await self._changed.wait()
        return self.events[index]

    async def listen(self) -> AsyncIterator[Progress]:
        """Yield all events, from the first."""
        index = 0
        while (event := await self.after(index)) is not None:
            yield event
            index += 1

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
