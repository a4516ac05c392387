"""How long `gavel` takes as a whole process: its help, and the status of a running provider."""

import statistics
import subprocess
import sys
import time
from typing import Any

from protocol.types import GavelError
from scripts.bench.idle_provider import gavel, idle_provider

_RUNS = 9


def run() -> dict[str, dict[str, Any]]:
    """Return help_s, and status_s where a local chain and a provider can be started; medians, in seconds."""
    bare = _median([sys.executable, "-c", "import click"])
    figures = {"help_s": _figure([gavel(), "--help"], f"{bare} s for a bare `import click`")}
    try:
        with idle_provider() as provider:
            command = [gavel(), "provider", "status", "--json"]
            figures["status_s"] = _figure(command, None, provider.environment)
    except GavelError as error:
        print(f"cli: status_s not measured: {error}", file=sys.stderr)
    return figures


def _figure(
    command: list[str], rival: str | None, environment: dict[str, str] | None = None
) -> dict[str, Any]:
    return {"value": _median(command, environment), "unit": "s", "rival": rival}


def _median(command: list[str], environment: dict[str, str] | None = None) -> float:
    """Return the median wall time of the whole process, in seconds; it must succeed each time."""
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        times.append(time.perf_counter() - start)
    return round(statistics.median(times), 3)
