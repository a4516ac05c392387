"""What a look at the games has to know and must not wait for: found out beside it.

Strangers decide what their games look like, and how long it takes to make sense of them. So whatever they do
in some games, the look goes on, and all other games are answered meanwhile. Errands queue for the worker at
the same desk as answers do, by the same deadlines.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Collection, Hashable
from typing import TypeVar

import trio

from protocol.types import GavelError, LeaseId, TransientError

log = logging.getLogger(__name__)

T = TypeVar("T")
Do = Callable[[], Awaitable[object]]
_Key = tuple[LeaseId, Hashable]


class Errands:
    """Does each thing once, while `run` runs, and keeps what came of it."""

    def __init__(self) -> None:
        self._known: dict[_Key, object] = {}
        self._under_way: set[_Key] = set()
        self._give, self._take = trio.open_memory_channel[tuple[_Key, Do]](math.inf)

    def result(self, lease: LeaseId, what: Hashable, do: Callable[[], Awaitable[T]]) -> T:
        """Return what `do` has come to. `TransientError` until then; what failed is begun again."""
        key = (lease, what)
        if key in self._known:
            return self._known[key]  # type: ignore[return-value]
        if key not in self._under_way:
            self._under_way.add(key)
            self._give.send_nowait((key, do))
        raise TransientError("it is being found out what a transaction does not show")

    def keep(self, leases: Collection[LeaseId]) -> None:
        """Forget what was found out about other leases."""
        self._known = {key: value for key, value in self._known.items() if key[0] in leases}

    async def run(self) -> None:
        """Do what is asked for until cancelled."""
        async with trio.open_nursery() as nursery:
            async for key, do in self._take:
                nursery.start_soon(self._perform, key, do)

    async def _perform(self, key: _Key, do: Do) -> None:
        try:
            self._known[key] = await do()
        except GavelError as error:
            log.info("lease 0x%s: %s", key[0].hex(), error)
        except Exception:  # one game's trouble is not the others'
            log.exception("lease 0x%s: what a transaction does not show cannot be found out", key[0].hex())
        finally:
            self._under_way.discard(key)
