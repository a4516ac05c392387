"""How commands talk to a running daemon: JSON lines over a Unix socket in its data folder."""

import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import trio

from protocol.types import GavelError, InputError, TransientError

log = logging.getLogger(__name__)

Operations = dict[str, Callable[[dict[str, Any]], Awaitable[Any]]]
"""Operation -> coroutine function from arguments to an answer that JSON can hold."""

_SOCKET = "control.sock"
_LONGEST = 1 << 16
_TIMEOUT_S = 10.0


async def serve_control(
    folder: Path, operations: Operations, task_status: Any = trio.TASK_STATUS_IGNORED
) -> None:
    """Answer commands until cancelled. Only this user can reach the socket."""
    path = folder / _SOCKET
    path.unlink(missing_ok=True)
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short(folder) as short:
        await listening.bind(f"{short}/{_SOCKET}")
    path.chmod(0o600)
    listening.listen(8)

    async def answer(stream: trio.SocketStream) -> None:
        await _answer(stream, operations)

    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, answer, [trio.SocketListener(listening)])
            task_status.started()
    finally:
        path.unlink(missing_ok=True)


def ask(folder: Path, operation: str, **arguments: Any) -> Any:
    """Return a running daemon's answer. `TransientError` if none runs, `InputError` for what it refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream, _short(folder) as short:
        stream.settimeout(_TIMEOUT_S)
        try:
            stream.connect(f"{short}/{_SOCKET}")
            stream.sendall(json.dumps({"op": operation, **arguments}).encode() + b"\n")
            with stream.makefile("rb") as reader:
                reply = json.loads(reader.readline())
        except (OSError, ValueError) as error:
            raise TransientError(
                f"no provider answers in {folder}", "start it with: gavel provider run"
            ) from error
    if "error" in reply:
        raise InputError(str(reply["error"]))
    return reply["ok"]


async def _answer(stream: trio.SocketStream, operations: Operations) -> None:
    with trio.move_on_after(_TIMEOUT_S):
        try:
            line = b""
            while not line.endswith(b"\n"):
                data = await stream.receive_some(_LONGEST)
                line += data
                if not data or len(line) > _LONGEST:
                    return
            reply = await _perform(line, operations)
            await stream.send_all(json.dumps(reply).encode() + b"\n")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        finally:
            await trio.aclose_forcefully(stream)


async def _perform(line: bytes, operations: Operations) -> dict[str, Any]:
    try:
        arguments = json.loads(line)
        return {"ok": await operations[arguments.pop("op")](arguments)}
    except GavelError as error:
        return {"error": str(error)}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.info("control request refused: %r", error)
        return {"error": f"not a request that this daemon knows: {error}"}


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """Give a short name of the folder: the path of a Unix socket may have 107 bytes only."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        with suppress(OSError):
            os.close(handle)
