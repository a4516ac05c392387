"""What an idle provider costs its machine: resident memory and processor time of the daemon."""

import time
from typing import Any

import psutil

from scripts.bench.idle_provider import idle_provider

_SETTLE_S = 15.0
_LONGEST_S = 90.0
_WATCH_S = 30.0


def run() -> dict[str, dict[str, Any]]:
    """Return rss_mb (largest seen, in 10^6 bytes) and cpu_percent (of one core), children included."""
    with idle_provider() as provider:
        daemon = psutil.Process(provider.pid)
        _settle(daemon)
        family = [daemon, *daemon.children(recursive=True)]
        before, start = _cpu_seconds(family), time.monotonic()
        resident = 0
        while time.monotonic() - start < _WATCH_S:
            resident = max(resident, sum(each.memory_info().rss for each in family))
            time.sleep(1)
        share = (_cpu_seconds(family) - before) / (time.monotonic() - start)
    return {
        "rss_mb": {"value": round(resident / 1e6, 1), "unit": "MB", "rival": None},
        "cpu_percent": {"value": round(100 * share, 2), "unit": "% of a core", "rival": None},
    }


def _settle(daemon: psutil.Process) -> None:
    """Wait until start-up is over: the child that measured the machine ends when it has been idle."""
    start = time.monotonic()
    time.sleep(_SETTLE_S)
    while daemon.children() and time.monotonic() - start < _LONGEST_S:
        time.sleep(1)


def _cpu_seconds(family: list[psutil.Process]) -> float:
    return sum(sum(each.cpu_times()[:2]) for each in family)
