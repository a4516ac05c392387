"""The worker's loop: one frame in, any number of progress frames and one reply out.

File descriptor 1 is kept for frames alone: it is moved away before anything else can print, and what
libraries print goes to stderr. A mistake in a request, a model or a job becomes an error reply, and so does a
job that is known to need more memory than there is. Memory that runs out is not answered: the process says so
on stderr and dies, and its parent starts another.
"""

import errno
import logging
import os
import sys
from collections.abc import Callable
from typing import IO, Any

import msgspec

from protocol.engines.worker.interface import MAX_FRAME, to_wire
from protocol.types.errors import (
    BrokenInvariant,
    DiskError,
    GavelError,
    InputError,
    OutOfMemoryError,
    TransientError,
)

log = logging.getLogger(__name__)
Report = Callable[[msgspec.Struct], None]
"""Sends one progress record."""

_NO_THREAD = "can't start new thread"
_LONGEST = 2000
"""Characters of a message that the parent shows."""
OUT_OF_MEMORY = 77
"""Exit code after memory ran out."""


class Channel:
    """Frames over a pair of byte streams."""

    def __init__(self, source: IO[bytes], sink: IO[bytes]) -> None:
        self._source, self._sink = source, sink

    def receive(self) -> dict[str, Any] | None:
        """The next request, or None when the parent has closed.

        BrokenInvariant if the stream makes no sense.
        """
        head = self._source.read(4)
        if not head:
            return None
        length = int.from_bytes(head, "big")
        if len(head) < 4 or length > MAX_FRAME:
            raise BrokenInvariant(f"a frame of {length} bytes cannot be read")
        body = self._source.read(length)
        if len(body) < length:
            return None
        try:
            return msgspec.msgpack.decode(body, type=dict[str, Any])
        except msgspec.MsgspecError as fault:
            raise BrokenInvariant(f"a frame is no msgpack map: {fault}") from fault

    def send(self, message: dict[str, Any]) -> None:
        """Write one frame."""
        body = msgspec.msgpack.encode(message)
        self._sink.write(len(body).to_bytes(4, "big") + body)
        self._sink.flush()


def kind_of(fault: GavelError) -> str:
    """The error kind that the parent turns back into the same exception."""
    match fault:
        case OutOfMemoryError():
            return "memory"
        case InputError():
            return "input"
        case DiskError():
            return "disk"
        case TransientError():
            return "transient"
        case _:
            return "broken"


def answer(message: dict[str, Any], report: Report) -> dict[str, Any]:
    """The reply to one request, without its id."""
    from protocol.engines.worker.operations import OPERATIONS

    name = message.get("op")
    operation = OPERATIONS.get(name) if isinstance(name, str) else None
    try:
        if operation is None:
            raise InputError(f"there is no operation {name!r}; known are {', '.join(sorted(OPERATIONS))}")
        try:
            args = msgspec.convert(message.get("args", {}), operation.args, builtin_types=(bytes,))
        except msgspec.ValidationError as fault:
            raise InputError(f"{name}: {fault}") from fault
        return {"ok": to_wire(operation.call(args, report))}
    except GavelError as fault:
        return {"error": {"kind": kind_of(fault), "message": str(fault)[:_LONGEST]}}
    except OSError as fault:
        if fault.errno == errno.ENOMEM:
            raise MemoryError from fault
        text = f"{name}: {fault.strerror or fault}" + (f": {fault.filename}" if fault.filename else "")
        return {"error": {"kind": "disk" if DiskError.is_behind(fault) else "transient", "message": text}}
    except RecursionError:
        return {"error": {"kind": "input", "message": f"{name}: it is nested too deeply"}}
    except MemoryError:
        raise
    except Exception as fault:
        if _NO_THREAD in str(fault):
            raise MemoryError from fault  # there is none for its stack
        log.exception("%s failed", name)
        text = f"{name}: {type(fault).__name__}: {fault}"
        return {"error": {"kind": "broken", "message": text[:_LONGEST]}}


def serve(channel: Channel) -> None:
    """Answer requests until the parent closes."""
    while (message := channel.receive()) is not None:
        number = message.get("id")

        def report(progress: msgspec.Struct, number: object = number) -> None:
            channel.send({"id": number, "progress": to_wire(progress)})

        channel.send({"id": number, **answer(message, report)})


def main() -> None:
    """Serve on this process's stdin and stdout."""
    frames = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        serve(Channel(sys.stdin.buffer, frames))
    except MemoryError:
        # Not through logging: that may need memory itself. The parent knows this word.
        os.write(2, b"MemoryError\n")
        os._exit(OUT_OF_MEMORY)
    except BrokenPipeError:
        os._exit(0)
