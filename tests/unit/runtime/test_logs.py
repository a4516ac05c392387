import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from protocol.runtime import logs
from protocol.runtime.logs import about, setup_logs


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    root = logging.getLogger()
    level = root.level
    yield
    for handler in root.handlers[:]:
        if getattr(handler, "gavel", False):
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)


def read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lines_carry_the_lease_of_their_task(tmp_path: Path) -> None:
    path = setup_logs("provider", tmp_path, console=False)
    log = logging.getLogger("gavel.test")

    async def work(lease: str) -> None:
        with about(lease=lease):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(step, lease)

    async def step(lease: str) -> None:
        await trio.sleep(0)
        log.info("step of %s", lease)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for lease in ("0x01", "0x02"):
                nursery.start_soon(work, lease)
        log.info("after")

    trio.run(main)
    lines = read(path)
    assert {(line.get("lease"), line["message"]) for line in lines} == {
        ("0x01", "step of 0x01"),
        ("0x02", "step of 0x02"),
        (None, "after"),
    }
    assert lines[0]["time"].endswith("Z")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_peer_cannot_forge_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = io.StringIO()
    monkeypatch.setattr("sys.stderr", console)
    path = setup_logs("provider", tmp_path)
    logging.getLogger("gavel.test").warning("peer said %s", 'x\n{"level": "error"}\x1b[2J')
    assert len(read(path)) == 1
    assert console.getvalue().count("\n") == 1
    assert "\x1b" not in console.getvalue()


NASTY = "\x9b31m \x7f \u202e \ud800 ü"
"""A terminal's CSI in one byte, DEL, an override of direction, half a character: all may come from a peer."""


def test_what_a_peer_sent_reaches_no_terminal_and_loses_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = io.StringIO()
    monkeypatch.setattr("sys.stderr", console)
    root = logging.getLogger()
    for handler in root.handlers[:]:  # pytest's own keep the text for a report, and xdist sends only UTF-8
        root.removeHandler(handler)
    path = setup_logs("provider", tmp_path)
    log = logging.getLogger("gavel.test")
    try:
        raise ValueError(NASTY)
    except ValueError:
        with about(peer=NASTY):
            log.exception("peer said %s", NASTY)
    for shown in (path.read_text(), console.getvalue()):
        assert not {c for c in shown if not c.isprintable()} - {"\n"}
    (line,) = read(path)
    assert line["message"] == f"peer said {NASTY}"
    assert line["peer"] == NASTY
    assert "ü" in console.getvalue()
    assert console.getvalue().count("\n") > 3, "a traceback keeps its lines"


def test_files_rotate_and_a_second_call_replaces_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES", 1000)
    setup_logs("old", tmp_path, console=False)
    path = setup_logs("new", tmp_path, console=False)
    log = logging.getLogger("gavel.test")
    for i in range(50):
        log.info("line %d", i)
    assert (tmp_path / "new.log.1").exists()
    assert len(list(tmp_path.glob("new.log*"))) <= logs.FILES + 1
    assert path.stat().st_size <= 1000
    assert (tmp_path / "old.log").read_text() == ""


def test_tracebacks_are_kept_in_the_line(tmp_path: Path) -> None:
    path = setup_logs("provider", tmp_path, console=False)
    try:
        raise ZeroDivisionError("oops")
    except ZeroDivisionError:
        logging.getLogger("gavel.test").exception("failed")
    (line,) = read(path)
    assert "ZeroDivisionError: oops" in line["traceback"]
