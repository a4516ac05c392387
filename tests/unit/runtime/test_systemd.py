"""The units parse, are hardened, and start what exists."""

import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).parents[3] / "packaging" / "systemd").glob("*.service"))
HARDENED = {
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "CapabilityBoundingSet=",
    "RestrictSUIDSGID=yes",
    "SystemCallFilter=@system-service",
    "UMask=0077",
    "User=gavel",
}


def test_there_is_a_unit_per_daemon() -> None:
    assert [unit.stem for unit in UNITS] == ["gavel-provider", "gavel-watchtower"]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_each_unit_is_hardened_and_bounded(unit: Path) -> None:
    lines = unit.read_text().splitlines()
    assert set(lines) >= HARDENED
    assert any(line.startswith("MemoryMax=") for line in lines)
    role = unit.stem.removeprefix("gavel-")
    assert f"ExecStart=/opt/gavel/bin/gavel {role} run --config /etc/gavel/{role}.yaml" in lines
    assert f"LoadCredential=password:/etc/gavel/{role}.password" in lines


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_accepts_each_unit(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/gavel/bin/gavel", "/bin/true"))
    verify = subprocess.run(["systemd-analyze", "verify", copy], capture_output=True, text=True, check=False)
    assert (verify.returncode, verify.stderr) == (0, "")
    security = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", str(copy)]
    assert subprocess.run(security, capture_output=True, check=False).returncode == 0
