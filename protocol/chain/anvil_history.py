"""Where anvil keeps the states of past blocks: it leaves them behind however it ends, gigabytes in a day."""

import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_PREFIX = "gavel-anvil-"
_LOCK = "lock"


@dataclass(frozen=True)
class History:
    """A folder for one anvil. Whoever started it holds a lock on it, until its own end at the latest."""

    folder: Path
    lock: BinaryIO

    def drop(self) -> None:
        """Delete what the anvil, which has ended, left behind. Repeatable."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.lock.close()


def make_history() -> History:
    """Return a folder for one anvil of this process; those that nobody holds any more are deleted first.

    An anvil ends with the process that started it, so nobody needs what it left.
    """
    temporary = Path(tempfile.gettempdir())
    for left in temporary.glob(f"{_PREFIX}*"):
        _sweep(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=temporary))
    lock = (folder / _LOCK).open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return History(folder, lock)


def _sweep(folder: Path) -> None:
    """Delete a folder whose lock is there and free; one that is being made has none yet."""
    try:
        if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
            return
        with (folder / _LOCK).open("r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return  # somebody's anvil runs, or is about to
