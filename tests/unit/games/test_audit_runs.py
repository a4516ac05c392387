"""Runs of drawn items on disk."""

from pathlib import Path

import pytest

from protocol.dispute.audits import Opening, Roots
from protocol.dispute.delivery import PostedItem
from protocol.games.audit_runs import AuditRuns, Effort, Run
from protocol.types import Hash32, LeaseId

A, B, C, D = (Hash32(bytes([n]) * 32) for n in range(1, 5))
ROOTS = Roots(A, B)
OPENING = Opening(A, PostedItem((B, C), (D,)), (C, D))
BARE, WHOLE = Run(3, ROOTS, effort=Effort(7.5, 1 << 30)), Run(3, ROOTS, OPENING)
MINE, THEIRS = ((LeaseId(b"l" * 32), by_client) for by_client in (True, False))


@pytest.mark.parametrize("run", [BARE, WHOLE])
def test_a_run_comes_back_for_its_item_alone(tmp_path: Path, run: Run) -> None:
    runs = AuditRuns(tmp_path / "runs")
    assert runs.of(MINE, 3) is None
    runs.keep(MINE, run)
    again = AuditRuns(tmp_path / "runs")
    assert again.of(MINE, 3) == run
    assert again.of(MINE, 4) is None, "a re-org drew another one"
    assert again.of(THEIRS, 3) is None
    assert again.names() == {MINE}
    again.keep(THEIRS, run)
    assert again.names() == {MINE, THEIRS}
    again.forget(MINE)
    again.forget(MINE)
    assert (runs.of(MINE, 3), runs.names()) == (None, {THEIRS})


@pytest.mark.parametrize("run", [BARE, WHOLE])
def test_nothing_is_committed_to_that_the_disk_has_damaged(tmp_path: Path, run: Run) -> None:
    runs = AuditRuns(tmp_path)
    runs.keep(MINE, run)
    (file,) = tmp_path.glob("run-*")
    whole = file.read_bytes()
    for at in range(len(whole)):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            file.write_bytes(damaged)
            assert runs.of(MINE, 3) is None, damaged
    file.write_bytes(whole)
    assert runs.of(MINE, 3) == run
