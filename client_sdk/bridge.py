"""One trio thread, awaited from asyncio and trio and blocked on from plain code.

A call is a coroutine function that runs in the trio thread; waiting for it blocks no event loop, cancelling
the waiting cancels the call, and exceptions cross. User code never runs in the trio thread, so that it cannot
stall the network.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager, ExitStack, suppress
from typing import Any, Generic, ParamSpec, TypeVar

import sniffio
import trio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from protocol.runtime.retry import worst

P = ParamSpec("P")
T = TypeVar("T")
H = TypeVar("H")


class Bridge(Generic[H]):
    """Hosts what `opens` gives inside the trio thread, from `start` to `stop`."""

    def __init__(self, opens: Callable[[], AbstractAsyncContextManager[H]]) -> None:
        self._opens = opens
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._ready: Future[H] = Future()
        self._stop: trio.Event | None = None
        self._host: Future[None] | None = None

    @property
    def hosted(self) -> H:
        """What is hosted; only calls in the trio thread may use it."""
        return self._ready.result(timeout=0)

    def start(self) -> Future[H]:
        """Start the thread; the future ends when what is hosted is open, or with why it is not."""
        self._portal = self._stack.enter_context(start_blocking_portal("trio"))
        self._host = self._portal.start_task_soon(self._serve)
        return self._ready

    def stop(self) -> "Future[None]":
        """Ask what is hosted to close; the future ends when it has."""
        portal, host = self._portal, self._host
        assert portal is not None, "start comes first"
        assert host is not None, "start comes first"
        portal.start_task_soon(self._ask_stop)
        return host

    def join(self) -> None:
        """End the thread. Blocks for a moment."""
        self._stack.close()

    def submit(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Begin a call in the trio thread."""
        assert self._portal is not None, "start comes first"

        async def run() -> T:
            return await call(*args, **kwargs)

        return self._portal.start_task_soon(run)

    async def _serve(self) -> None:
        self._stop = trio.Event()
        try:
            async with self._opens() as hosted:
                self._ready.set_result(hosted)
                await self._stop.wait()
        except BaseException as error:
            if self._ready.done():
                raise
            # Nurseries wrap what went wrong in groups; the user is told the one thing that matters.
            single = worst(error)
            self._ready.set_exception(single if isinstance(single, Exception) else CancelledError())
            if not isinstance(error, Exception):
                raise

    async def _ask_stop(self) -> None:
        if self._stop is not None:
            self._stop.set()


async def wait_for(future: "Future[T]") -> T:
    """Await a call of the trio thread from whatever event loop this is."""
    if sniffio.current_async_library() == "asyncio":
        return await asyncio.wrap_future(future)
    done, token = trio.Event(), trio.lowlevel.current_trio_token()

    def wake(_: Any) -> None:
        with suppress(trio.RunFinishedError):  # then the caller's loop is gone, and nobody waits
            token.run_sync_soon(done.set)

    future.add_done_callback(wake)
    try:
        await done.wait()
    except BaseException:
        future.cancel()
        raise
    return future.result()


async def stream(following: Callable[[int], "Future[T | None]"]) -> AsyncIterator[T]:
    """Yield what `following(0)`, `following(1)`, ... give, until None."""
    index = 0
    while (item := await wait_for(following(index))) is not None:
        yield item
        index += 1
