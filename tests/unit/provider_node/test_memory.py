"""How a provider's memory is divided among what goes on at the same time."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.types import InputError
from provider_node import policy
from provider_node.config import DefenceConfig, MachineConfig, ProviderConfig
from provider_node.memory import LEAST, divided

GIB = 1 << 30
DAEMON = 128 << 20
"""What an idle one takes, and a little."""


def machine(gib: float) -> Any:
    return SimpleNamespace(memory=int(gib * GIB))


def setting(jobs: float = 0, traces: float = 0) -> ProviderConfig:
    config = ProviderConfig()
    return replace(
        config,
        machine=MachineConfig(memory=int(jobs * GIB)),
        defence=DefenceConfig(memory=int(traces * GIB)),
    )


@pytest.mark.parametrize("gib", [1, 2, 4, 7, 16, 24, 64, 1024])
@pytest.mark.parametrize(("jobs", "traces"), [(0, 0), (1, 0), (0, 1), (1, 1), (2, 1)])
def test_all_that_goes_on_at_once_fits_into_the_machine(gib: float, jobs: float, traces: float) -> None:
    """A job stays in memory while a challenged item is executed."""
    if 3 * (jobs + traces) > gib:
        return
    found = divided(setting(jobs, traces), machine(gib))
    assert found.jobs + found.traces + found.answers + found.demands + DAEMON <= gib * GIB
    assert found.jobs == jobs * GIB or not jobs
    assert found.traces == traces * GIB or not traces
    assert min(found.jobs, found.traces, found.answers) >= LEAST


def test_by_default_jobs_and_traces_have_the_most_and_alike() -> None:
    """A model that jobs have room for can be answered for: its constants are read once, not twice."""
    for gib in (4, 24, 256):
        found = divided(ProviderConfig(), machine(gib))
        assert found.jobs == found.traces >= gib * GIB // 4
        assert 9 * found.answers >= 4 * found.jobs


def test_a_machine_of_a_gibibyte_runs_the_model_of_the_demo() -> None:
    """Which takes 219 MiB to run, 238 to trace and 205 to answer for."""
    found = divided(ProviderConfig(), machine(1))
    assert min(found.jobs, found.traces) > 238 << 20
    assert found.answers > 205 << 20


@pytest.mark.parametrize(
    ("gib", "config"),
    [
        (24, setting(jobs=18)),
        (24, setting(traces=18)),
        (24, setting(10, 10)),
        (24, setting(jobs=0.1)),
        (24, setting(traces=0.1)),
        (0.5, ProviderConfig()),
    ],
)
def test_more_than_there_is_is_refused_by_the_settings_names(gib: float, config: ProviderConfig) -> None:
    with pytest.raises(InputError, match=r"machine\.memory.*defence\.memory"):
        divided(config, machine(gib))


def test_runs_for_games_and_audits_share_what_one_trace_may_take() -> None:
    host = machine(16)
    line = policy.running(ProviderConfig(), host)
    assert line.memory == divided(ProviderConfig(), host).traces
    assert (line.at_once, line.most) == (4, 9)


def test_the_manual_has_the_figures() -> None:
    text = (Path(__file__).parents[3] / "docs" / "provider.md").read_text()
    head, row = "| machine | jobs | challenged items |", r"(?m)^\| ([\d.]+ GiB) \|(.*)\|$"
    rows = re.findall(row, text[text.index(head) :])
    assert len(rows) == 4
    for size, parts in rows:
        found = divided(ProviderConfig(), machine(size_of(size) / GIB))
        shown = [size_of(each) for each in parts.split("|")]
        assert shown == [found.jobs, found.traces, found.answers, found.demands], size


def size_of(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"MiB": 1 << 20, "GiB": GIB}[unit]
