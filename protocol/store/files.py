"""Writing files so that a crash leaves the old or the new contents, never half of one."""

import errno
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from protocol.types import DiskError

_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What the system lacks for one more file: written it can be once others are closed."""


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full or failing disk into a `DiskError`, and the want of a descriptor or memory to write with.

    It ends no daemon. Other errors pass.
    """
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        said, advice = str(error), "check the disk"
        if isinstance(error, OSError):
            if error.errno in _SHORT:
                advice = "check how many files are open, and the memory"
            elif not DiskError.is_behind(error):
                raise
            said = error.strerror or said
        raise DiskError(f"{path} cannot be written: {said}", advice) from error


def sync_directory(path: Path) -> None:
    """Make renames and new names in the directory `path` durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace the contents of `path` atomically and durably; `DiskError` if the disk is full."""
    with disk_errors(path):
        _write_whole(path, data, mode)


def _write_whole(path: Path, data: bytes, mode: int) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(data)
            target.flush()
            os.fchmod(target.fileno(), mode)
            os.fsync(target.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def chunks_of(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    """Yield what `read` gives in pieces of exactly `size` bytes, the last one maybe shorter."""
    while piece := read(size):
        while len(piece) < size and (more := read(size - len(piece))):
            piece += more
        yield piece
