"""Reads that strangers cause, many in one request: what is asked during one goes with the next."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Generic, TypeVar

import trio

from protocol.types import TransientError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass
class _Slot(Generic[V]):
    taken: bool = False
    over: trio.Event = field(default_factory=trio.Event)
    found: list[V] = field(default_factory=list)
    error: TransientError | None = None


class Batched(Generic[K, V]):
    """Asks `read` for up to `most` keys at a time, `at_once` times at once. For one trio thread."""

    def __init__(
        self, read: Callable[[tuple[K, ...]], Awaitable[Sequence[V]]], most: int, at_once: int = 1
    ) -> None:
        self._read, self._most = read, most
        self._turns = trio.Semaphore(at_once)
        self._waiting: dict[K, _Slot[V]] = {}

    async def get(self, key: K) -> V:
        """Return the value of `key`, read after this call. `TransientError` if it cannot be read.

        Who is cancelled while it asks for all takes the others' answer with it.
        """
        slot = self._waiting.setdefault(key, _Slot())
        while not slot.taken:
            async with self._turns:
                if not slot.taken:
                    await self._ask()
        await slot.over.wait()
        if slot.error is not None:
            raise TransientError(slot.error.message, slot.error.advice) from slot.error
        return slot.found[0]

    async def _ask(self) -> None:
        keys = tuple(islice(self._waiting, self._most))
        slots = [self._waiting.pop(key) for key in keys]
        for slot in slots:
            slot.taken = True
            slot.error = TransientError("the read was given up")
        try:
            found = await self._read(keys)
            for slot, value in zip(slots, found, strict=True):
                slot.found, slot.error = [value], None
        except TransientError as error:
            for slot in slots:
                slot.error = error
        finally:
            for slot in slots:
                slot.over.set()
