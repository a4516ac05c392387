"""Which job `last` means."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from client_sdk.commands.job import job
from client_sdk.home import ClientHome, JobFolder
from protocol.types import InputError


def made(home: ClientHome, created: int, **more: Any) -> JobFolder:
    folder = home.new_job()
    folder.write("job", {"created": created, **more})
    return folder


def test_the_last_job_is_the_newest_with_a_lease(tmp_path: Path) -> None:
    """One lost auction must not hide the lease that runs from status, result, cancel and challenge."""
    home = ClientHome.of("local", tmp_path)
    first = made(home, 1, lease="")
    assert home.job("last") == first
    lost = made(home, 2)
    assert home.job("last") == lost
    made(home, 3, lease="0x11")
    won = made(home, 4, lease="0x22")
    made(home, 5, lease="")
    assert home.job("last") == won


def test_a_job_that_is_not_there_is_named_before_a_password_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))  # without any wallet
    found = CliRunner().invoke(job, ["result", "zzz"])
    assert isinstance(found.exception, InputError)
    assert "there is no job 'zzz'" in str(found.exception)
