"""What control groups leave of the machine's memory to this process. Linux, both versions; reads only."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_PROC = Path("/proc/self")
_LIMITS = {"cgroup2": ("memory.max", "memory.high"), "cgroup": ("memory.limit_in_bytes",)}
"""Files by the kind of file system. Beyond `high` a process is slowed down until it stands still."""


def memory_limits(proc: Path = _PROC) -> Iterator[int]:
    """Give the limits in bytes of this process's own group and of all above it, as far as they are shown.

    A service manager limits the group of the service, whoever shares the machine one further up.
    """
    groups = _own_groups(proc)
    for kind, root, mount in _mounts(proc):
        for folder in _up(groups.get(kind, PurePosixPath("/")), root, mount):
            yield from _numbers(folder / name for name in _LIMITS[kind])


def _own_groups(proc: Path) -> dict[str, PurePosixPath]:
    """Return this process's group in each hierarchy that may count memory."""
    found: dict[str, PurePosixPath] = {}
    for line in _lines(proc / "cgroup"):
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            found["cgroup"] = PurePosixPath(path)
        elif (number, controllers) == ("0", ""):
            found["cgroup2"] = PurePosixPath(path)
    return found


def _mounts(proc: Path) -> Iterator[tuple[str, PurePosixPath, Path]]:
    """Give each hierarchy's kind, the group that is mounted, and where."""
    for line in _lines(proc / "mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2" or (kind == "cgroup" and "memory" in options.split(",")):
            root, mount = before.split(" ")[3:5]
            yield kind, PurePosixPath(root), Path(mount)


def _up(group: PurePosixPath, root: PurePosixPath, mount: Path) -> Iterator[Path]:
    """Give the folders from a group up to what is mounted; that alone if the group is not shown below it."""
    inside = group.is_relative_to(root) and ".." not in group.parts
    below = group.relative_to(root) if inside else PurePosixPath()
    for each in (below, *below.parents):
        yield mount / each


def _numbers(files: Iterator[Path]) -> Iterator[int]:
    for file in files:
        for text in _lines(file):
            if text.isdigit():
                yield int(text)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
