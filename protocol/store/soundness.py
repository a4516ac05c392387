"""Whether a file still holds the bytes that it is named after."""

import errno
from pathlib import Path

from protocol.store.files import chunks_of
from protocol.store.manifest import CHUNK, Manifest, chunk_leaf
from protocol.types import ArtifactId, InputError, TransientError

Stamp = tuple[int, int, int, int]
"""What a file system changes when somebody writes to a file."""


def stamp_of(file: Path) -> Stamp:
    """Return the stamp of a file that is there."""
    found = file.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_sound(file: Path, leaves: Path, artifact: ArtifactId) -> bool:
    """Read a file whole and tell whether it and its manifest have that id; false if one is missing.

    `TransientError` if that cannot be told now: for want of file descriptors, say.
    """
    try:
        manifest = Manifest.from_bytes(leaves.read_bytes())
        if manifest.id() != artifact or file.stat().st_size != manifest.size:
            return False
        with file.open("rb") as source:
            found = (chunk_leaf(chunk) for chunk in chunks_of(source.read, CHUNK))
            return tuple(found) == manifest.leaves
    except InputError:
        return False
    except OSError as error:
        # What the disk cannot read is to be had elsewhere; what this process cannot open is not damaged.
        if error.errno in (errno.ENOENT, errno.EIO):
            return False
        raise TransientError(f"artifact {file} cannot be read: {error.strerror}") from error
