"""What the artifact store knows of its files: size, last use, pins."""

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

from protocol.store.files import disk_errors
from protocol.types import ArtifactId

_SCHEMA = """
CREATE TABLE IF NOT EXISTS artifact (
    id BLOB PRIMARY KEY, size INTEGER NOT NULL, used_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pin (id BLOB, reason TEXT, until INTEGER, PRIMARY KEY (id, reason)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reserved (reason TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
"""


_TOUCH_EVERY_NS = 60 * 10**9


class Index:
    """The SQLite file beside the artifacts. Every call is one transaction; safe for threads and processes."""

    def __init__(self, path: Path) -> None:
        self._lock, self._path = threading.Lock(), path
        self._touched: dict[ArtifactId, int] = {}
        with disk_errors(path):
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
            self._db.execute("PRAGMA journal_mode=WAL")
            # NORMAL may lose the last transactions in a power cut, never consistency; sizes are found again
            # on opening.
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def add(self, artifact: ArtifactId, size: int) -> None:
        """Count the artifact's `size` bytes as used."""
        self._run("INSERT OR REPLACE INTO artifact VALUES (?, ?, ?)", artifact, size, time.time_ns())

    def touch(self, artifact: ArtifactId) -> None:
        """Note that the artifact was used now, to the minute: a reader of a thousand chunks writes once."""
        now = time.time_ns()
        if now - self._touched.get(artifact, 0) > _TOUCH_EVERY_NS:
            self._touched[artifact] = now
            self._run("UPDATE artifact SET used_ns = ? WHERE id = ?", now, artifact)

    def forget(self, artifact: ArtifactId) -> None:
        """Count the artifact no longer."""
        self._touched.pop(artifact, None)
        self._run("DELETE FROM artifact WHERE id = ?", artifact)

    def size(self, artifact: ArtifactId) -> int | None:
        """Return the bytes counted for the artifact, or None."""
        rows = self._run("SELECT size FROM artifact WHERE id = ?", artifact)
        return rows[0][0] if rows else None

    def used(self) -> int:
        """Return the bytes of all artifacts."""
        used: int = self._run("SELECT coalesce(sum(size), 0) FROM artifact")[0][0]
        return used

    def held(self, reason: str) -> int:
        """Return the bytes of all artifacts that `reason` holds."""
        query = "SELECT coalesce(sum(size), 0) FROM artifact JOIN pin USING (id) WHERE reason = ?"
        held: int = self._run(query, reason)[0][0]
        return held

    def reserve(self, reason: str, size: int) -> None:
        """Note that `size` bytes are to come for `reason`, in place of what was noted before."""
        self._run("INSERT OR REPLACE INTO reserved VALUES (?, ?)", reason, size)

    def unreserve(self, reason: str) -> None:
        """Let go what is to come for `reason`."""
        self._run("DELETE FROM reserved WHERE reason = ?", reason)

    def reserved(self) -> dict[str, int]:
        """Return the bytes that are to come, by reason."""
        return dict(self._run("SELECT reason, size FROM reserved"))

    def known(self) -> dict[ArtifactId, int]:
        """Return every artifact that is counted, with the time of its last use in ns."""
        return {ArtifactId(each): used for each, used in self._run("SELECT id, used_ns FROM artifact")}

    def unpinned(self) -> list[tuple[ArtifactId, int]]:
        """Return id and size of what no pin holds, longest unused first."""
        query = "SELECT id, size FROM artifact WHERE id NOT IN (SELECT id FROM pin) ORDER BY used_ns, id"
        return [(ArtifactId(each), size) for each, size in self._run(query)]

    def pin(self, artifact: ArtifactId, reason: str, until: int | None) -> None:
        """Hold the artifact for `reason` until block `until`."""
        self._run("INSERT OR REPLACE INTO pin VALUES (?, ?, ?)", artifact, reason, until)

    def unpin(self, artifact: ArtifactId, reason: str) -> None:
        """Let go what `reason` holds."""
        self._run("DELETE FROM pin WHERE id = ? AND reason = ?", artifact, reason)

    def release(self, reason: str) -> None:
        """Let go everything that `reason` holds."""
        self._run("DELETE FROM pin WHERE reason = ?", reason)

    def reasons(self) -> set[str]:
        """Return what anything is held for."""
        return {reason for (reason,) in self._run("SELECT DISTINCT reason FROM pin")}

    def redate(self, reason: str, until: int) -> None:
        """Move the end of everything that `reason` holds for longer."""
        self._run(
            "UPDATE pin SET until = ? WHERE reason = ? AND (until IS NULL OR until > ?)", until, reason, until
        )

    def expire(self, height: int) -> None:
        """Let go every pin until `height` or lower."""
        self._run("DELETE FROM pin WHERE until <= ?", height)

    def _run(self, query: str, *values: object) -> list[Any]:
        with self._lock, disk_errors(self._path):
            return self._db.execute(query, values).fetchall()
