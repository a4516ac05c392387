"""A clean end for trio programs: the first Ctrl-C or SIGTERM cancels, the second one does not wait."""

import os
import signal
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import trio

from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.memory import keep_small, stay_small

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """A signal ended the program; `code` is the exit code to leave with."""

    def __init__(self, code: int) -> None:
        super().__init__(f"stopped by signal {code - 128}")
        self.code = code


def run_until_signal(main: Callable[[], Awaitable[T]], *, exits: bool = True) -> T:
    """Run a trio program; a SIGINT or SIGTERM cancels it, and once it has cleaned up `Stopped` is raised.

    A second signal ends the process at once, without clean-up, if it `exits`: if it is ours. What `main`
    raises comes out as it is. Must be called from the main thread.
    """
    stopped: list[int] = []
    result: list[T] = []
    failed: list[Exception] = []

    async def watch(scope: trio.CancelScope, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        with trio.open_signal_receiver(*_SIGNALS) as received:
            task_status.started()
            async for number in received:
                if stopped and exits:
                    os._exit(128 + number)
                stopped.append(128 + number)
                scope.cancel()

    async def supervise() -> None:
        async with trio.open_nursery() as watchers:
            with trio.CancelScope() as scope:
                # The watcher outlives the scope, so that the second signal is heard.
                await watchers.start(watch, scope)
                try:
                    result.append(await main())
                except Exception as error:
                    failed.append(error)
            watchers.cancel_scope.cancel()

    trio.run(supervise)
    if failed:
        raise failed[0]
    if stopped and not result:
        raise Stopped(stopped[0])
    return result[0]


def run_blocking(main: Callable[[], Awaitable[T]]) -> T:
    """Run a trio program for a caller that waits, on any thread; on the main one as `run_until_signal`.

    The process may be a notebook's: nothing here ends it. Python may raise a Ctrl-C where nobody hears it, in
    a finalizer, say; a cancellation is always heard.
    """
    on_main = threading.current_thread() is threading.main_thread()
    return run_until_signal(main, exits=False) if on_main else trio.run(main)


def run_daemon(main: Callable[[], Awaitable[None]]) -> int:
    """Run a daemon until it ends or is told to; return its exit code, 0 if a signal stopped it."""

    async def small() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stay_small)
            await main()
            nursery.cancel_scope.cancel()

    keep_small()
    with suppress(Stopped):
        run_until_signal(small)
    return ExitCode.OK
