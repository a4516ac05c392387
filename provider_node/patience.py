"""Waiting for what comes back by itself: a chain that is down when the daemon starts, a disk that is full."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from protocol.runtime.retry import backoff
from protocol.types import TransientError

log = logging.getLogger(__name__)

T = TypeVar("T")


async def patiently(ask: Callable[[], Awaitable[T]], what: str = "the chain") -> T:
    """Return what `ask` gives, trying for as long as it raises `TransientError`. Each reason is said once."""
    attempt, said = 0, ""
    while True:
        try:
            return await ask()
        except TransientError as error:
            if str(error) != said:
                log.warning("waiting for %s: %s", what, error)
            said = str(error)
        await trio.sleep(backoff(attempt, 0.5, 10.0))
        attempt += 1
