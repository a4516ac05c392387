"""`status` explains every game whose file can be read, and names those that cannot."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from protocol.runtime import cli
from protocol.runtime.exit_codes import ExitCode
from tests.unit.watchtower.test_telling import AWAY, GAME, LEASE, OTHER, WRONG
from watchtower.standings import Standing, Standings
from watchtower.verdicts import Verdicts


@pytest.mark.parametrize("wrong", [True, False])
def test_a_damaged_file_is_named_and_the_rest_is_shown(
    tmp_path: Path, wrong: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    Standings(tmp_path / "games").write(Standing(LEASE, 100, GAME.doing, "", (GAME,)))
    Verdicts(tmp_path / "verdicts").add(replace(WRONG if wrong else AWAY, claimed_root=LEASE))
    bad = [tmp_path / "games" / f"{OTHER}-0.json", tmp_path / "verdicts" / "0xcc.json", tmp_path / "audits"]
    bad[0].write_text("{")
    bad[1].mkdir()
    bad[2].mkdir()
    bad[2] /= "auditor.json"
    bad[2].write_text("[]")
    code = ExitCode.NO if wrong else ExitCode.INPUT
    assert cli.invoke(["watchtower", "status", "--data-dir", str(tmp_path), "--json"]) == code
    said = json.loads(capsys.readouterr().out)
    assert [each["games"][0]["game"] for each in said["leases"]] == [asdict(GAME)["game"]]
    assert len(said["verdicts"]) == 1
    assert len(said["damaged"]) == len(bad)
    assert all(any(str(file) in each for each in said["damaged"]) for file in bad)
    assert cli.invoke(["watchtower", "status", "--data-dir", str(tmp_path)]) == code
    shown = capsys.readouterr().out
    assert f"games/{OTHER}-0.json is damaged" in shown
    assert "game 0xdddddddd" in shown
