"""The daemon's end of the control socket."""

import json
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import trio

from protocol.store.files import disk_errors
from protocol.types import GavelError
from provider_node.control import SOCKET, TIMEOUT_S, short_name
from provider_node.patience import patiently

log = logging.getLogger(__name__)

Operations = dict[str, Callable[[dict[str, Any]], Awaitable[Any]]]
"""Operation -> coroutine function from arguments to an answer that JSON can hold."""

_LONGEST = 1 << 16


async def serve_control(
    folder: Path, operations: Operations, task_status: Any = trio.TASK_STATUS_IGNORED
) -> None:
    """Answer commands until cancelled. Only this user can reach the socket."""
    path = folder / SOCKET
    listening = await patiently(partial(_listening, folder), "the disk")

    async def answer(stream: trio.SocketStream) -> None:
        await _answer(stream, operations)

    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, answer, [trio.SocketListener(listening)])
            task_status.started()
    finally:
        path.unlink(missing_ok=True)


async def _listening(folder: Path) -> trio.socket.SocketType:
    path = folder / SOCKET
    path.unlink(missing_ok=True)
    listening = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with disk_errors(path), short_name(folder) as short:
            await listening.bind(f"{short}/{SOCKET}")
        path.chmod(0o600)
        listening.listen(8)
    except BaseException:
        listening.close()
        raise
    return listening


async def _answer(stream: trio.SocketStream, operations: Operations) -> None:
    with trio.move_on_after(TIMEOUT_S):
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
    except Exception as error:  # a disk that fails, say: who looks at a daemon does not end it
        log.exception("a control request failed")
        return {"error": f"it cannot be told now: {error}"}
