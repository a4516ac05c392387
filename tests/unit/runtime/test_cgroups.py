"""The memory that control groups leave, on made-up machines."""

from pathlib import Path

import pytest

from protocol.runtime import hardware
from protocol.runtime.cgroups import memory_limits

V1_UNLIMITED = 9223372036854771712


class Machine:
    """A folder that says what `/proc/self` and the mounted control groups would."""

    def __init__(self, folder: Path) -> None:
        self.proc, self.mount = folder / "proc", folder / "groups"
        self.proc.mkdir()

    def group(self, path: str, **limits: object) -> None:
        folder = self.mount / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, limit in limits.items():
            (folder / f"memory.{name}").write_text(f"{limit}\n")

    def mounted(self, kind: str, own: str, options: str = "rw", root: str = "/") -> None:
        line = f"35 31 0:32 {root} {self.mount} rw,relatime shared:9 - {kind} {kind} {options}\n"
        (self.proc / "mountinfo").write_text(f"31 23 0:28 / /sys rw - tmpfs tmpfs rw\n{line}")
        (self.proc / "cgroup").write_text(own)

    @property
    def least(self) -> int | None:
        return min(memory_limits(self.proc), default=None)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("service", "above", "least"),
    [
        ({"max": 3 << 30}, {"max": "max"}, 3 << 30),
        ({"max": 3 << 30, "high": 2 << 30}, {"max": "max"}, 2 << 30),
        ({"max": 3 << 30}, {"max": 1 << 30}, 1 << 30),
        ({"max": "max"}, {"high": 1 << 30}, 1 << 30),
        ({"max": "max", "high": "max"}, {}, None),
    ],
)
def test_the_least_limit_of_all_groups_counts(
    machine: Machine, service: dict[str, object], above: dict[str, object], least: int | None
) -> None:
    machine.group("system.slice", **above)
    machine.group("system.slice/gavel.service", **service)
    machine.group("user.slice", max=1)
    machine.mounted("cgroup2", "0::/system.slice/gavel.service\n")
    assert machine.least == least


def test_the_first_version_counts_memory_in_a_hierarchy_of_its_own(machine: Machine) -> None:
    machine.group("", limit_in_bytes=V1_UNLIMITED)
    machine.group("batch/job", limit_in_bytes=5 << 30)
    own = "9:name=systemd:/elsewhere\n4:cpuset,memory:/batch/job\n0::/\n"
    machine.mounted("cgroup", own, "rw,cpuset,memory")
    assert machine.least == 5 << 30
    machine.mounted("cgroup", own, "rw,cpuacct,cpu")
    assert machine.least is None


@pytest.mark.parametrize(
    ("root", "own"),
    [("/docker/abc", "/docker/abc/inner"), ("/", "/inner"), ("/docker/abc", "/docker/abc")],
)
def test_a_container_sees_its_own_part(machine: Machine, root: str, own: str) -> None:
    machine.group("", limit_in_bytes=2 << 30)
    machine.group("inner", limit_in_bytes=4 << 30)
    machine.mounted("cgroup", f"4:memory:{own}\n", "rw,memory", root)
    assert machine.least == 2 << 30


@pytest.mark.parametrize("own", ["/../other", "/elsewhere"])
def test_of_a_group_that_is_not_shown_the_mounted_one_counts(machine: Machine, own: str) -> None:
    machine.group("", max=2 << 30)
    machine.mounted("cgroup2", f"0::{own}\n", root="/docker/abc")
    assert machine.least == 2 << 30


def test_a_machine_without_groups_has_no_limits(tmp_path: Path) -> None:
    assert not list(memory_limits(tmp_path))


def test_what_a_machine_lends_stays_within_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "memory_limits", lambda: iter([1 << 20, 1 << 30]))
    assert hardware.memory_limit() == 1 << 20
