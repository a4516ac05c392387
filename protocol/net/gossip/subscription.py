"""The receiving end of one topic."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import trio

from protocol.types import Address


class Message(NamedTuple):
    """A message that passed its validator. `sender` signed it; it may have come over other peers."""

    sender: Address
    payload: bytes


class Subscription:
    """An async iterator over the accepted messages of a topic, in order of arrival.

    Messages that arrive while `queue` of them wait are dropped and counted
    (`gossip_dropped_slow_reader`). `close()`, or leaving it as a context manager, ends the
    subscription and the iteration.
    """

    def __init__(self, topic: str, queue: int, leave: Callable[[], Awaitable[None]]) -> None:
        self.topic = topic
        self._leave = leave
        self._send, self._receive = trio.open_memory_channel[Message](queue)

    def offer(self, message: Message) -> bool:
        """Hand over a message; False if the reader is too far behind. For the network's own use."""
        try:
            self._send.send_nowait(message)
        except trio.WouldBlock:
            return False
        except trio.ClosedResourceError:
            return True
        return True

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    async def close(self) -> None:
        """Leave the topic; the iterator ends after what already waits in it."""
        self._send.close()
        await self._leave()

    async def __aenter__(self) -> Subscription:
        return self

    async def __aexit__(self, *_: object) -> None:
        with trio.CancelScope(shield=True) as scope:
            scope.deadline = trio.current_time() + 1
            await self.close()
