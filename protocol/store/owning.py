"""A thing on disk that one process owns at a time, from its start to its end, however it ends."""

import fcntl
import os
from pathlib import Path

from protocol.types import InputError


def own(lock: Path, what: str, advice: str) -> int:
    """Return a descriptor: this process owns `what` until it is closed. `InputError` names who does already.

    The kernel lets go of what a killed process owned; the file `lock` stays, and holds the last owner's id.
    """
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(handle, 20, 0).decode(errors="replace").strip()
            raise InputError(f"{what} is in use by process {owner or 'unknown'}", advice) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(handle)
        raise
    return handle
