"""One trio thread, awaited from asyncio and trio and blocked on from plain code.

A call is a coroutine function that runs in the trio thread; waiting for it blocks no event loop, cancelling
the waiting cancels the call, and exceptions cross. User code never runs in the trio thread, so that it cannot
stall the network. (An anyio portal does the same for asyncio, but refuses calls from other trio threads.)
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Generic, ParamSpec, TypeVar

import sniffio
import trio

from protocol.runtime.retry import worst
from protocol.types import TransientError

P = ParamSpec("P")
T = TypeVar("T")
H = TypeVar("H")


class Bridge(Generic[H]):
    """Hosts what `opens` gives inside the trio thread, from `start` to `stop`."""

    def __init__(self, opens: Callable[[], AbstractAsyncContextManager[H]]) -> None:
        self._opens = opens
        self._ready: Future[H] = Future()
        self._closed: Future[None] = Future()
        self._thread: threading.Thread | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._stop = trio.Event()
        self._calls: trio.Nursery | None = None

    @property
    def hosted(self) -> H:
        """What is hosted; only calls in the trio thread may use it."""
        return self._ready.result(timeout=0)

    def start(self) -> Future[H]:
        """Start the thread; the future ends when what is hosted is open, or with why it is not."""
        self._thread = threading.Thread(target=self._run, name="gavel-client", daemon=True)
        self._thread.start()
        return self._ready

    def stop(self) -> Future[None]:
        """Ask what is hosted to close, ending all calls; the future ends when it has."""
        self._soon(self._stop.set)
        return self._closed

    def join(self) -> None:
        """Wait for the end of a thread whose host is closed; blocks for a moment."""
        if self._thread is not None:
            self._thread.join()

    def submit(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin a call in the trio thread. The future fails with `TransientError` if the client is closed."""
        future: Future[T] = Future()
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                try:
                    outcome = await call(*args, **kwargs)
                except Exception as error:
                    _settle(future, worst(error))
                else:
                    with suppress(InvalidStateError):
                        future.set_result(outcome)
            _settle(future, _gone())

        def begin() -> None:
            if self._calls is None:
                _settle(future, _gone())
            else:
                self._calls.start_soon(run)

        def cancelled(ended: Future[T]) -> None:
            if ended.cancelled():
                self._soon(scope.cancel)

        future.add_done_callback(cancelled)
        if not self._soon(begin):
            _settle(future, _gone())
        return future

    def _soon(self, call: Callable[[], object]) -> bool:
        """Run `call` in the trio thread as soon as may be, from any thread; False if it has ended."""
        if self._token is None:
            return False
        try:
            self._token.run_sync_soon(call)
        except trio.RunFinishedError:
            return False
        return True

    def _run(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as error:
            # Nurseries wrap what went wrong in groups; the user is told the one thing that matters.
            single = worst(error)
            _settle(self._ready if not self._ready.done() else self._closed, single)
        finally:
            _settle(self._ready, _gone())
            if not self._closed.done():
                self._closed.set_result(None)

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        async with self._opens() as hosted, trio.open_nursery() as calls:
            self._calls = calls
            self._ready.set_result(hosted)
            try:
                await self._stop.wait()
            finally:
                self._calls = None
            calls.cancel_scope.cancel()


def _settle(future: "Future[Any]", error: BaseException) -> None:
    """Fail a future that has no outcome yet."""
    if not future.done():
        # Its owner may cancel it in this moment, from another thread.
        with suppress(Exception):
            future.set_exception(error)


def _gone() -> TransientError:
    return TransientError("the client is closed")


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
