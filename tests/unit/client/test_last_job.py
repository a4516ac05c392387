"""Which job `last` means."""

from pathlib import Path
from typing import Any

from client_sdk.home import ClientHome, JobFolder


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
