"""Nothing tells to install `gavel` by name: in the Python package index that is a stranger's program."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ("docs", "packaging", "scripts", "examples", "protocol", "provider_node", "client_sdk", "watchtower")
KINDS = {".md", ".py", ".sh", ".service", ".yaml", ".toml", ".ipynb"}
_COMMAND = re.compile(
    r"\b(?:pip3?|pipx|uvx?|poetry)\b[^`\n]*?\b(?:install|download|add|wheel|run)\b([^`;,&#\n]*)"
)
_BY_NAME = re.compile(r"gavel(?:\[[^\]]*\])?(?:[=<>~!].*)?")


def installs_by_name(text: str) -> list[str]:
    """Return the commands that would ask an index for `gavel`."""
    found = []
    for command in _COMMAND.finditer(text.replace("\\\n", " ")):
        if any(_BY_NAME.fullmatch(word.strip("'\"().:")) for word in command[1].split()):
            found.append(command[0].strip())
    return found


def _texts() -> Iterator[Path]:
    yield from ROOT.glob("*.md")
    yield from (ROOT / "Makefile", ROOT / "pyproject.toml")
    for place in PLACES:
        yield from (each for each in (ROOT / place).rglob("*") if each.suffix in KINDS)


def test_nothing_tells_to_install_gavel_from_an_index() -> None:
    found = {str(each.relative_to(ROOT)): installs_by_name(each.read_text()) for each in _texts()}
    assert {name: commands for name, commands in found.items() if commands} == {}


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("python -m venv v && v/bin/pip install gavel", True),
        ("`pip install gavel[cuda]` (or a system's CUDA)", True),
        ("uv pip install --quiet 'gavel==0.1.0'", True),
        ("pipx install gavel.", True),
        ("pip install \\\n  gavel", True),
        ("/opt/gavel/bin/pip install --no-deps .", False),
        ("pip install -r requirements.lock, then run gavel doctor", False),
        ("pip install /srv/gavel", False),
    ],
)
def test_such_commands_are_recognised(text: str, is_one: bool) -> None:
    assert bool(installs_by_name(text)) is is_one


def test_the_units_program_is_installed_from_the_checkout_with_the_lock() -> None:
    text = (ROOT / "docs" / "operating.md").read_text()
    assert "/opt/gavel/bin/pip install --require-hashes -r requirements.lock\n" in text
    assert "/opt/gavel/bin/pip install --no-deps .\n" in text
    assert "nvidia-cuda-nvrtc==" in (ROOT / "requirements.lock").read_text()  # as docs/provider.md says
