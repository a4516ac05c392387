"""Writing files so that a crash leaves the old or the new contents, never half of one."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path


def sync_directory(path: Path) -> None:
    """Make renames and new names in the directory `path` durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace the contents of `path` by `data` atomically and durably."""
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
