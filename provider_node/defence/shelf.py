"""The folder of traces: one file for each disputed item that was executed, until its lease is over.

Traces outlive the process that executes and the daemon: after a restart nothing is executed again.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from protocol.store.files import disk_errors
from protocol.types import LeaseId
from provider_node.defence.schedule import Name

log = logging.getLogger(__name__)

_SUFFIX = ".trace"


@dataclass
class Shelf:
    """Blocking. Files of at most `room` bytes, and one more, are kept: those used last."""

    folder: Path
    room: int
    _used: dict[Name, int] = field(default_factory=dict)
    """When each was used last, as a count."""

    def path(self, name: Name) -> Path:
        """Return where an item's trace belongs."""
        return self.folder / f"{name[0].hex()}-{name[1]}{_SUFFIX}"

    def has(self, name: Name) -> bool:
        """Tell whether the item was executed and its trace is kept; whoever asks means to use it."""
        self._used[name] = max(self._used.values(), default=0) + 1
        return self.path(name).exists()

    def drop(self, name: Name) -> None:
        """Forget a trace."""
        self.path(name).unlink(missing_ok=True)
        self._used.pop(name, None)

    def clear(self, name: Name) -> None:
        """Drop what a child that was ended has left half written of a trace: it counts in no bound."""
        path = self.path(name)
        path.with_name(path.name + ".part").unlink(missing_ok=True)

    def held(self) -> int:
        """Return the bytes of all traces."""
        return sum(path.stat().st_size for path in self.folder.glob("*" + _SUFFIX))

    def prepare(self) -> None:
        """Make the folder; drop what a killed child left half written. `DiskError` if there is no room."""
        with disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for part in self.folder.glob("*.part"):
            part.unlink(missing_ok=True)

    def trim(self, newest: Name) -> None:
        """Drop those unused for longest until the rest, the newest apart, fits."""
        sizes = {name: self.path(name).stat().st_size for name in self.names() if name != newest}
        for name in sorted(sizes, key=lambda each: self._used.get(each, 0)):
            if sum(sizes.values()) <= self.room:
                return
            log.warning("the trace of item %d goes to make room: raise defence.disk", name[1])
            self.drop(name)
            del sizes[name]

    def keep(self, leases: Collection[LeaseId]) -> None:
        """Drop the traces of all other leases."""
        for name in self.names():
            if name[0] not in leases:
                self.drop(name)
        used = self._used.copy()  # in one step: other threads ask for traces meanwhile
        self._used = {name: when for name, when in used.items() if name[0] in leases}

    def names(self) -> list[Name]:
        """Return the items whose traces are kept."""
        found = []
        for path in self.folder.glob("*" + _SUFFIX):
            lease, _, item = path.name.removesuffix(_SUFFIX).partition("-")
            try:
                found.append((LeaseId(bytes.fromhex(lease)), int(item)))
            except ValueError:
                log.warning("%s is no trace of ours", path)
        return found
