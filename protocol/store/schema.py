"""The journal's tables, by version, and the way forward from each version to the next.

Version 1 kept the causes of inputs in the input table, so that compaction would have forgotten them;
version 2 gives them a table of their own and adds notes.
"""

import sqlite3
from pathlib import Path

from protocol.types import InputError

VERSION = 2

_V1 = """
CREATE TABLE machine (
    kind TEXT NOT NULL, id BLOB NOT NULL, seq INTEGER NOT NULL, state BLOB NOT NULL, ended INTEGER NOT NULL,
    PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE input (
    kind TEXT NOT NULL, id BLOB NOT NULL, seq INTEGER NOT NULL, once BLOB, body BLOB NOT NULL,
    PRIMARY KEY (kind, id, seq)) WITHOUT ROWID;
CREATE TABLE effect (
    eid BLOB NOT NULL UNIQUE, kind TEXT NOT NULL, id BLOB NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
    status INTEGER NOT NULL, note TEXT NOT NULL);
CREATE INDEX effect_by_machine ON effect (kind, id);
CREATE INDEX effect_pending ON effect (status) WHERE status = 0;
"""

_V2 = """
CREATE TABLE seen (
    kind TEXT NOT NULL, id BLOB NOT NULL, once BLOB NOT NULL, PRIMARY KEY (kind, id, once)) WITHOUT ROWID;
INSERT OR IGNORE INTO seen SELECT kind, id, once FROM input WHERE once IS NOT NULL;
ALTER TABLE input DROP COLUMN once;
CREATE TABLE note (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""

STEPS = (_V1, _V2)
"""STEPS[v] leads from version v to v + 1; version 0 is an empty file."""


def migrate(db: sqlite3.Connection, path: Path, target: int = VERSION) -> None:
    """Bring the journal to version `target`, each step in one transaction.

    Raises `InputError` if a newer program wrote it: going back would lose what only that one knows.
    """
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise InputError(
            f"journal {path} has schema version {version}, this program knows {VERSION}", "upgrade gavel"
        )
    for step in range(version, target):
        # executescript commits by itself; BEGIN inside the script keeps a step whole.
        db.executescript(f"BEGIN IMMEDIATE;{STEPS[step]}PRAGMA user_version = {step + 1};COMMIT;")
