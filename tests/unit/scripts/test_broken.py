"""The list of contracts broken on purpose fits the contracts and the tests as they are."""

from dataclasses import replace

import pytest

from scripts.broken import ROOT, listed, place


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
            assert f" {name}(" in (ROOT / file).read_text(), test
        assert any(test in page for test in (*each.fails, *each.between)), each.name


def test_what_stands_nowhere_or_twice_is_said() -> None:
    first = listed()[0]
    for old in ("there is no such line", "revert"):
        with pytest.raises(ValueError, match="not one"):
            place(ROOT, replace(first, old=old))
