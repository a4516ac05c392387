"""A child process that answers calls over its stdin and stdout, one at a time.

It has its own memory limit, lower priority and session; it is started by the first call, ended when idle,
killed when a call is cancelled, and started again by the next call. It dies with this process, however that
ends. Request `{"id", "op", "args"}`; reply `{"id", "ok": result}` or `{"id", "error": {"kind", "message"}}`
after any number of `{"id", "progress": {...}}`, each one frame (`protocol.runtime.frames`).
"""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

import trio

from protocol.runtime.child_process import (
    ChildDiedError,
    ChildFaultError,
    ChildOptions,
    ChildOutOfMemoryError,
    ChildProcess,
    ChildUnreadableError,
    Progress,
)
from protocol.runtime.frames import encode_frame
from protocol.types import DiskError, GavelError, InputError, TransientError
from protocol.types.errors import DISK_ADVICE

log = logging.getLogger(__name__)

__all__ = [
    "Child",
    "ChildDiedError",
    "ChildFaultError",
    "ChildOptions",
    "ChildOutOfMemoryError",
    "ChildUnreadableError",
    "Faults",
    "open_child",
]

_KINDS: dict[str, type[GavelError]] = {
    "input": InputError,
    "memory": ChildOutOfMemoryError,
    "transient": TransientError,
    "disk": DiskError,
    "broken": ChildFaultError,
}


class Faults:
    """How often a child of this process died in a call or said that it was broken; for metrics."""

    count: ClassVar[int] = 0


@asynccontextmanager
async def open_child(
    module: str, args: Sequence[str] = (), options: ChildOptions | None = None
) -> AsyncIterator["Child"]:
    """Give a `Child` that runs `python -m module args` on demand; at the end of the block it is killed.

    What the block raises leaves it as it is, not in the nursery's exception group: callers tell errors by
    type.
    """
    fault: Exception | None = None
    async with trio.open_nursery() as nursery:
        child = Child(module, args, options or ChildOptions(), nursery)
        try:
            yield child
        except Exception as error:
            fault = error
        finally:
            child.kill()
            nursery.cancel_scope.cancel()
    if fault is not None:
        raise fault


class Child:
    """See `open_child`. Calls from several tasks wait for each other."""

    def __init__(
        self, module: str, args: Sequence[str], options: ChildOptions, nursery: trio.Nursery
    ) -> None:
        self._module, self._args, self._options, self._nursery = module, args, options, nursery
        self._process: ChildProcess | None = None
        self._lock = trio.Lock()
        self._calls = 0
        self._idle = trio.CancelScope()

    @property
    def pid(self) -> int | None:
        """The process id, or None while none runs."""
        return self._process.popen.pid if self._process else None

    async def call(self, op: str, args: dict[str, Any], on_progress: Progress | None = None) -> Any:
        """Return the result of `op`; `on_progress` gets each progress map meanwhile.

        Raises what the child says is wrong (`InputError`, `TransientError`, `ChildFaultError`),
        `ChildOutOfMemoryError` or `ChildDiedError`. Cancelling the call kills the child.
        """
        async with self._lock:
            self._idle.cancel()
            try:
                return await self._until_enough(op, args, on_progress)
            finally:
                self._idle = trio.CancelScope()
                self._nursery.start_soon(self._end_when_idle, self._idle)

    async def _until_enough(self, op: str, args: dict[str, Any], on_progress: Progress | None) -> Any:
        """Make a call, and make it again as `ChildOptions.most` says."""
        options = self._options
        while True:
            try:
                return await self._once(op, args, on_progress, options)
            except ChildOutOfMemoryError as error:
                most, memory = options.most, options.memory or 0
                if not 0 < memory < most:
                    raise
                options = replace(options, memory=min(2 * memory, most))
                log.warning("%s is tried again with up to %d MiB: %s", op, (options.memory or 0) >> 20, error)

    async def _once(
        self, op: str, args: dict[str, Any], on_progress: Progress | None, options: ChildOptions
    ) -> Any:
        self._calls += 1
        request = encode_frame({"id": self._calls, "op": op, "args": args})
        process = self._process or self._start(options)
        try:
            reply = await process.converse(self._calls, request, on_progress)
        except BaseException as error:
            self.kill()
            if isinstance(error, ChildDiedError):
                self._count(op, error)
            raise
        if "ok" in reply:
            return reply["ok"]
        fault = _error(reply.get("error"))
        if isinstance(fault, ChildFaultError | ChildOutOfMemoryError):
            self.kill()
        if isinstance(fault, ChildFaultError):
            self._count(op, fault)
        raise fault

    def rest(self) -> None:
        """End the child unless it is in a call; the next call starts a new one."""
        if not self._lock.locked():
            self.kill()

    def hold(self) -> bool:
        """Stop the child until `go_on`, if it runs; return whether that was done."""
        return self._process is not None and self._process.hold()

    def go_on(self) -> None:
        """Let the child go on."""
        if self._process is not None:
            self._process.go_on()

    def kill(self) -> None:
        """Kill the child and all it started, if it runs; the next call starts a new one."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            self._nursery.start_soon(process.reap)

    def blame(self, op: str, why: object) -> ChildFaultError:
        """Return the error of a result that makes no sense, and end the child: the next call starts anew."""
        fault = ChildFaultError(f"the result of {op} makes no sense: {why}")
        self.kill()
        self._count(op, fault)
        return fault

    def _count(self, op: str, fault: GavelError) -> None:
        Faults.count += 1
        log.error("%s failed in %s and is started again: %s", self._module, op, fault)

    def _start(self, options: ChildOptions) -> ChildProcess:
        self._process = ChildProcess.start(self._module, self._args, options)
        self._nursery.start_soon(self._process.listen)
        return self._process

    async def _end_when_idle(self, scope: trio.CancelScope) -> None:
        with scope:
            await trio.sleep(self._options.idle_s)
            log.debug("%s was idle for %g s and is ended", self._module, self._options.idle_s)
            self.kill()


def _error(error: Any) -> GavelError:
    if isinstance(error, dict) and error.get("kind") in _KINDS:
        advice = DISK_ADVICE if error["kind"] == "disk" else ""
        return _KINDS[error["kind"]](str(error.get("message", ""))[:2000], advice)
    return InputError(f"the child answered neither a result nor an error: {error!r:.200}")
