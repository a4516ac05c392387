"""How commands ask a running daemon: one JSON line over a Unix socket in its data folder.

Imports neither trio nor web3: what a running daemon can tell is on the screen at once.
"""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from protocol.types import InputError, TransientError

SOCKET = "control.sock"
TIMEOUT_S = 10.0


def ask(folder: Path, operation: str, **arguments: Any) -> Any:
    """Return a running daemon's answer. `TransientError` if none runs, `InputError` for what it refuses."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream, short_name(folder) as short:
        stream.settimeout(TIMEOUT_S)
        try:
            stream.connect(f"{short}/{SOCKET}")
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


@contextmanager
def short_name(folder: Path) -> Iterator[str]:
    """Give a short name of the folder: the path of a Unix socket may have 107 bytes only."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        with suppress(OSError):
            os.close(handle)
