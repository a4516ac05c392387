import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from protocol.store import Journal, PendingEffect, Record
from protocol.store.journal import DONE, DROPPED, Change, Settled
from protocol.store.schema import STEPS, VERSION, migrate
from protocol.types import BrokenInvariant, DiskError, InputError

FIXTURE = Path(__file__).parent / "journal_v1.sql"


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.db")


def effect(name: bytes, seq: int = 0) -> PendingEffect:
    return PendingEffect(name.ljust(32, b"."), "lease", b"1", seq, b"body of " + name)


def change(seq: int, *effects: PendingEffect, once: bytes | None = None, ended: bool = False) -> Change:
    return Change(Record("lease", b"1", seq, b"state %d" % seq, ended), b"input %d" % seq, once, effects)


def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    new = journal.commit([change(0, effect(b"a"), effect(b"b")), change(1, effect(b"c", 1), once=b"tx")])
    assert [each.body for each in new] == [b"body of a", b"body of b", b"body of c"]
    journal.commit([], [Settled(effect(b"a").effect_id)])
    journal.remember("block", b"12")
    journal.close()

    journal = Journal(tmp_path / "j.db")
    assert journal.records() == [Record("lease", b"1", 1, b"state 1", False)]
    assert journal.pending() == [effect(b"b"), effect(b"c", 1)]
    assert journal.inputs("lease", b"1") == [(0, b"input 0"), (1, b"input 1")]
    assert journal.seen("lease", b"1", b"tx")
    assert not journal.seen("lease", b"2", b"tx")
    assert journal.recall("block") == b"12"
    assert journal.status(effect(b"a").effect_id) == DONE


def test_an_effect_id_is_new_once(journal: Journal) -> None:
    journal.commit([change(0, effect(b"a"))])
    assert journal.commit([change(1, effect(b"a"))]) == []
    journal.commit([], [Settled(effect(b"a").effect_id)])
    assert journal.commit([change(2, effect(b"a"))]) == []
    assert journal.pending() == []


def test_a_commit_is_whole_or_not_at_all(journal: Journal) -> None:
    journal.commit([change(0)])
    with pytest.raises(BrokenInvariant, match="input 3 after 1"):
        journal.commit([change(1, effect(b"a")), change(3)])
    with pytest.raises(BrokenInvariant, match="settled twice"):
        journal.commit([change(1, effect(b"b"))], [Settled(b"unknown")])
    assert journal.records()[0].seq == 0
    assert journal.pending() == []
    assert journal.commit([change(1, effect(b"a"))]) == [effect(b"a")]


def test_an_effect_is_settled_once(journal: Journal) -> None:
    journal.commit([change(0, effect(b"a"))])
    journal.commit([], [Settled(effect(b"a").effect_id, DROPPED, "no longer wanted")])
    with pytest.raises(BrokenInvariant):
        journal.commit([], [Settled(effect(b"a").effect_id)])
    assert journal.status(effect(b"a").effect_id) == DROPPED


def test_a_machine_is_forgotten_only_when_it_ended_and_is_done(journal: Journal) -> None:
    journal.commit([change(0, effect(b"a"), once=b"tx")])
    with pytest.raises(BrokenInvariant, match="stays"):
        journal.forget("lease", b"1")
    journal.commit([change(1, ended=True)])
    with pytest.raises(BrokenInvariant, match="stays"):
        journal.forget("lease", b"1")
    journal.commit([], [Settled(effect(b"a").effect_id)])
    journal.forget("lease", b"1")
    assert journal.records() == []
    assert journal.inputs("lease", b"1") == []
    assert not journal.seen("lease", b"1", b"tx")


def test_compaction_keeps_what_a_restart_needs(journal: Journal) -> None:
    journal.commit([change(i, effect(b"%d" % i, i), once=b"cause %d" % i) for i in range(300)])
    journal.commit([], [Settled(effect(b"%d" % i, i).effect_id) for i in range(299)])
    journal.compact()
    inputs = journal.inputs("lease", b"1")
    assert [seq for seq, _ in inputs] == list(range(44, 300))
    assert journal.seen("lease", b"1", b"cause 0")
    assert journal.pending() == [effect(b"299", 299)]
    assert journal.commit([change(300, effect(b"5", 5))]) == [], "a compacted effect is still known"


def test_a_second_process_is_told_who_owns_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    program = (
        "import sys; from pathlib import Path; from protocol.store import Journal; Journal(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "j.db")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    second = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert f"is in use by process {os.getpid()}" in second.stderr
    journal.close()
    assert subprocess.run(command, env=env, check=False).returncode == 0
    Journal(tmp_path / "j.db").close()


def test_a_file_that_is_no_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "j.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(BrokenInvariant, match=r"j\.db cannot be read"):
        Journal(tmp_path / "j.db")


def test_a_journal_of_version_1_is_brought_forward(tmp_path: Path) -> None:
    old = sqlite3.connect(tmp_path / "j.db")
    old.executescript(FIXTURE.read_text())
    old.close()
    journal = Journal(tmp_path / "j.db")
    assert [record.state for record in journal.records()] == [b"running", b"gone"]
    assert [each.body for each in journal.pending()] == [b"post result"]
    assert journal.inputs("lease", b"\x01")[-1] == (1, b"started")
    assert journal.seen("lease", b"\x01", b"tx-1")
    assert not journal.seen("lease", b"\x02", b"tx-1")
    journal.remember("block", b"1")
    journal.commit([Change(Record("lease", b"\x01", 2, b"done", True), b"posted", b"tx-9")])


def test_a_broken_migration_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = sqlite3.connect(tmp_path / "j.db", isolation_level=None)
    old.executescript(FIXTURE.read_text())
    monkeypatch.setattr(
        "protocol.store.schema.STEPS", (STEPS[0], "CREATE TABLE seen (x); SELECT * FROM nowhere;")
    )
    with pytest.raises(sqlite3.OperationalError):
        migrate(old, tmp_path / "j.db")
    old.close()
    monkeypatch.undo()
    assert len(Journal(tmp_path / "j.db").records()) == 2


def test_a_newer_journal_is_left_alone(tmp_path: Path) -> None:
    Journal(tmp_path / "j.db").close()
    db = sqlite3.connect(tmp_path / "j.db")
    db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with pytest.raises(InputError, match="upgrade gavel"):
        Journal(tmp_path / "j.db")


def test_a_full_disk_is_transient_and_loses_nothing(journal: Journal) -> None:
    journal.commit([change(0)])
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")
    big = PendingEffect(b"big".ljust(32), "lease", b"1", 1, b"x" * 100_000)
    with pytest.raises(DiskError, match="full"):
        journal.commit([change(1, big)])
    journal._db.execute("PRAGMA max_page_count = 100000")
    assert journal.records()[0].seq == 0
    assert journal.commit([change(1, big)]) == [big]


def test_each_commit_is_synced_to_disk(journal: Journal) -> None:
    # FULL, in a write-ahead log: with less, a power cut may undo the note that a payment was asked for.
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
