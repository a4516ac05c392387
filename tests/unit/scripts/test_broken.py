"""The list of contracts broken on purpose fits the contracts and the tests as they are."""

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.broken import ROOT, listed, place, sees


def test_every_breakage_has_its_one_place() -> None:
    assert len({each.name for each in listed()}) == len(listed()) > 15
    for each in listed():
        assert place(ROOT, each).suffix == ".sol"
        assert each.old != each.new


def test_every_test_that_must_fail_exists_and_is_on_the_page() -> None:
    page = (ROOT / "docs" / "adversaries.md").read_text()
    for each in listed():
        assert each.fails
        for test in (*each.fails, *each.between):
            file, _, name = test.partition("::")
            text = (ROOT / file).read_text()
            assert f" {name}(" in text or f"\n{name} = " in text, test
        assert any(test in page for test in (*each.fails, *each.between)), each.name


def test_what_stands_nowhere_or_twice_is_said() -> None:
    first = listed()[0]
    for old in ("there is no such line", "revert"):
        with pytest.raises(ValueError, match="not one"):
            place(ROOT, replace(first, old=old))


TESTS = """
import pytest

@pytest.fixture
def world():
    raise OSError("the chain did not start in time")

def test_fails():
    assert 1 == 2

def test_does_not_begin(world):
    pass
"""


def test_a_test_that_does_not_come_to_its_own_lines_has_seen_nothing(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    (tmp_path / "test_it.py").write_text(TESTS)
    assert "assert 1 == 2" in sees(tmp_path, "test_it.py::test_fails")
    with pytest.raises(RuntimeError, match="does not run"):
        sees(tmp_path, "test_it.py::test_does_not_begin")
