"""docs/adversaries.md names tests that exist, and every test between processes about an adversary."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "adversaries.md").read_text()
NAMED = set(re.findall(r"`([\w/.]+)::(\w+)`", TEXT))
BETWEEN_PROCESSES = (
    "test_adversaries.py",
    "test_adversaries_in_blocks.py",
    "test_shams.py",
    "test_withheld.py",
)


def names_in(file: Path) -> set[str]:
    """Python's tests, Solidity's tests, and state machines of hypothesis."""
    return set(re.findall(r"(?:\bdef |\bfunction |^)([tT]est\w+)(?=\(| =)", file.read_text(), re.MULTILINE))


def test_every_test_on_the_page_exists() -> None:
    assert len(NAMED) > 20
    missing = [f"{file}::{name}" for file, name in sorted(NAMED) if name not in names_in(ROOT / file)]
    assert not missing


def test_every_row_names_a_test() -> None:
    rows = [
        line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| adversary")
    ]
    assert len(rows) > 15
    assert not [row for row in rows if "::" not in row]


def test_every_adversary_between_processes_is_on_the_page() -> None:
    for name in BETWEEN_PROCESSES:
        file = f"tests/e2e/{name}"
        unlisted = names_in(ROOT / file) - {test for where, test in NAMED if where == file}
        assert not unlisted
