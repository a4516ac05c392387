"""What docs/operating.md says about exit codes and settings is what the code does."""

import re
from pathlib import Path

from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.logs import FILE_BYTES, FILES

TEXT = (Path(__file__).parents[3] / "docs" / "operating.md").read_text()


def test_every_exit_code_is_documented() -> None:
    rows = re.findall(r"^\| (\d+) \| ([A-Z]+) \|", TEXT, re.MULTILINE)
    assert {name: int(code) for code, name in rows} == {code.name: code.value for code in ExitCode}


def test_log_rotation_is_as_documented() -> None:
    assert "rotated at 20 MB, five old files" in TEXT
    assert (FILE_BYTES, FILES) == (20 << 20, 5)


def test_every_linked_file_exists() -> None:
    later = {"provider.md", "client.md", "watchtower.md"}
    for link in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert link in later or (Path(__file__).parents[3] / "docs" / link).exists(), link
