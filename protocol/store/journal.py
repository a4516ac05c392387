"""The daemon's memory: inputs, states and effects of every machine in one SQLite file.

One call of `commit` is one transaction, synced to disk before it returns (WAL, synchronous=FULL): after a
crash either an input happened, with its new state and all its effects pending, or it did not. Bodies are
opaque bytes (`protocol.runtime.codec`). One process owns a journal at a time.
"""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from protocol.store import schema
from protocol.store.files import disk_errors
from protocol.store.owning import own
from protocol.types import BrokenInvariant, DiskError

PENDING, DONE, DROPPED, REFUSED = 0, 1, 2, 3
"""What became of an effect: to be done; done; no longer wanted; refused with a note."""
KEEP_INPUTS = 256
"""Inputs that compaction leaves to a living machine, for whoever reads the journal after a fault."""


@dataclass(frozen=True)
class Record:
    """A machine as the journal holds it. `seq` counts its inputs; the state is that after the last one."""

    kind: str
    id: bytes
    seq: int
    state: bytes
    ended: bool


@dataclass(frozen=True)
class PendingEffect:
    """An effect that was journaled; its id is a hash of its cause (`runtime.machine.effect_id`)."""

    effect_id: bytes
    kind: str
    id: bytes
    seq: int
    body: bytes


@dataclass(frozen=True)
class Change:
    """What one input did to one machine: the state after it, the input, and what it asked for.

    `record.seq` is the number of the input, 0 for the one that created the machine. `once` names the cause
    of the input, so that the same cause is taken once per machine.
    """

    record: Record
    body: bytes
    once: bytes | None = None
    effects: tuple[PendingEffect, ...] = ()
    notes: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Settled:
    """What became of an effect: `DONE`, `DROPPED` or `REFUSED`, with a note for people."""

    effect_id: bytes
    status: int = DONE
    note: str = ""


class Journal:
    """The journal file at `path`, owned by this process until `close`.

    Raises `InputError` if another process owns it or a newer program wrote it. All calls block and are safe
    from any thread. Each raises `DiskError`, having changed nothing, while the disk is full or failing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = path.with_name(path.name + ".lock")
            self._owner = own(lock, str(path), "stop it, or use another GAVEL_HOME")
        self._lock = threading.Lock()
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            schema.migrate(self._db, path)
        except sqlite3.OperationalError as error:
            # Nothing is wrong with what it holds: who moved it away would lose every lease.
            os.close(self._owner)
            raise DiskError(f"journal {path} cannot be opened: {error}", "check the disk") from error
        except sqlite3.DatabaseError as error:
            os.close(self._owner)
            raise BrokenInvariant(
                f"journal {path} cannot be read: {error}", "restore it from a backup, or move it away"
            ) from error
        except BaseException:
            os.close(self._owner)
            raise

    def close(self) -> None:
        """Close the file and let another process own it."""
        with self._lock:
            self._db.close()
            os.close(self._owner)

    def commit(self, changes: Iterable[Change], settled: Iterable[Settled] = ()) -> list[PendingEffect]:
        """Write all changes and what became of earlier effects, in one transaction.

        Returns the effects that are new, now pending. One whose id is known already is not new: it was
        asked for before. Raises `BrokenInvariant` if a sequence number is not the next one or an effect is
        settled that was not pending.
        """
        with self._lock, _transaction(self._db) as db:
            new = [effect for change in changes for effect in _apply(db, change)]
            _settle(db, settled)
            return new

    def seen(self, kind: str, machine: bytes, once: bytes) -> bool:
        """Tell whether the machine has had an input of this cause."""
        query = "SELECT 1 FROM seen WHERE kind = ? AND id = ? AND once = ?"
        return bool(self._read(query, kind, machine, once))

    def records(self) -> list[Record]:
        """Return every machine, ended ones that are not yet forgotten included."""
        rows = self._read("SELECT kind, id, seq, state, ended FROM machine ORDER BY kind, id")
        return [Record(kind, each, seq, state, bool(ended)) for kind, each, seq, state, ended in rows]

    def pending(self) -> list[PendingEffect]:
        """Return every effect that is still to be done, in the order in which they were asked for."""
        query = "SELECT eid, kind, id, seq, body FROM effect WHERE status = 0 ORDER BY rowid"
        return [PendingEffect(*row) for row in self._read(query)]

    def status(self, effect_id: bytes) -> int | None:
        """Return what became of an effect, or None if it is not known."""
        rows = self._read("SELECT status FROM effect WHERE eid = ?", effect_id)
        return rows[0][0] if rows else None

    def inputs(self, kind: str, machine: bytes) -> list[tuple[int, bytes]]:
        """Return the inputs that the journal still holds of one machine, with their numbers."""
        query = "SELECT seq, body FROM input WHERE kind = ? AND id = ? ORDER BY seq"
        return [(seq, body) for seq, body in self._read(query, kind, machine)]

    def recall(self, name: str) -> bytes | None:
        """Return what was last remembered under `name` (e.g. how far the chain was followed)."""
        rows = self._read("SELECT value FROM note WHERE name = ?", name)
        return rows[0][0] if rows else None

    def remember(self, name: str, value: bytes) -> None:
        """Keep `value` under `name`."""
        with self._lock, _transaction(self._db) as db:
            _remember(db, {name: value})

    def forget(self, kind: str, machine: bytes) -> None:
        """Delete an ended machine with all it left; `BrokenInvariant` if it lives or has pending effects."""
        with self._lock, _transaction(self._db) as db:
            row = db.execute(
                "SELECT ended FROM machine WHERE kind = ? AND id = ?", (kind, machine)
            ).fetchone()
            busy = "SELECT 1 FROM effect WHERE kind = ? AND id = ? AND status = 0"
            if row is None or not row[0] or db.execute(busy, (kind, machine)).fetchone():
                raise BrokenInvariant(f"{kind} 0x{machine.hex()} is not ended and done, so it stays")
            for table in ("machine", "input", "effect", "seen"):
                db.execute(f"DELETE FROM {table} WHERE kind = ? AND id = ?", (kind, machine))  # noqa: S608 - fixed names

    def compact(self) -> None:
        """Delete what no restart needs: inputs beyond the last ones, bodies of settled effects.

        Ids of effects and causes of inputs stay as long as their machine, so that none is taken twice.
        """
        with self._lock, _transaction(self._db) as db:
            db.execute(
                "DELETE FROM input WHERE seq <= (SELECT CASE WHEN ended THEN m.seq ELSE m.seq - ? END"
                " FROM machine m WHERE m.kind = input.kind AND m.id = input.id)",
                (KEEP_INPUTS,),
            )
            db.execute("UPDATE effect SET body = x'' WHERE status != 0 AND body != x''")
        with self._lock, _told("written"):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, _told("read"):
            return self._db.execute(query, values).fetchall()


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    with _told("written"):
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        # The disk is full or failing. Nothing was acted upon, so it can be tried again.
        raise DiskError(f"the journal cannot be {what}: {error}", "check the disk") from error


def _apply(db: sqlite3.Connection, change: Change) -> list[PendingEffect]:
    record = change.record
    key = (record.kind, record.id)
    row = db.execute("SELECT seq FROM machine WHERE kind = ? AND id = ?", key).fetchone()
    if record.seq != (0 if row is None else row[0] + 1):
        raise BrokenInvariant(f"{record.kind} 0x{record.id.hex()}: input {record.seq} after {row and row[0]}")
    values = (*key, record.seq, record.state, record.ended)
    db.execute("INSERT OR REPLACE INTO machine (kind, id, seq, state, ended) VALUES (?, ?, ?, ?, ?)", values)
    db.execute("INSERT INTO input (kind, id, seq, body) VALUES (?, ?, ?, ?)", (*key, record.seq, change.body))
    if change.once is not None:
        db.execute("INSERT INTO seen (kind, id, once) VALUES (?, ?, ?)", (*key, change.once))
    _remember(db, change.notes)
    new = []
    for effect in change.effects:
        added = db.execute(
            "INSERT OR IGNORE INTO effect (eid, kind, id, seq, body, status, note)"
            " VALUES (?, ?, ?, ?, ?, 0, '')",
            (effect.effect_id, effect.kind, effect.id, effect.seq, effect.body),
        )
        if added.rowcount:
            new.append(effect)
    return new


def _settle(db: sqlite3.Connection, settled: Iterable[Settled]) -> None:
    for each in settled:
        done = db.execute(
            "UPDATE effect SET status = ?, note = ? WHERE eid = ? AND status = 0",
            (each.status, each.note, each.effect_id),
        )
        if not done.rowcount:
            raise BrokenInvariant(f"effect {each.effect_id.hex()} was settled twice or never asked for")


def _remember(db: sqlite3.Connection, notes: dict[str, bytes]) -> None:
    for item in notes.items():
        db.execute("INSERT OR REPLACE INTO note (name, value) VALUES (?, ?)", item)
