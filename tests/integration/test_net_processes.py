"""Artifacts between two processes, by way of the benchmark that states the goals."""

import os
from pathlib import Path

import pytest

from scripts.bench import transfer


def children() -> set[str]:
    """The processes that this one started and that still exist."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def test_two_processes_move_an_artifact_and_are_gone_afterwards(tmp_path: Path) -> None:
    before = children()
    figures = transfer._pair(tmp_path, "ours", 16 << 20)
    assert set(figures) == {"seconds", "rss_mb", "server_rss_mb"}
    assert 0 < figures["rss_mb"] < 200
    assert 0 < figures["server_rss_mb"] < 200
    assert children() == before


def test_a_process_that_does_not_start_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    before = children()
    with pytest.raises(RuntimeError, match="did not start"):
        transfer._pair(tmp_path, "no-such-part", 1 << 20)
    assert children() == before


@pytest.mark.soak
def test_the_goals_hold() -> None:
    figures = transfer.run()
    assert all(set(figure) == {"value", "unit", "rival"} for figure in figures.values())
    assert float(str(figures["transfer_ratio"]["value"])) >= 0.5
    assert float(str(figures["transfer_rss_mb"]["value"])) <= 200
