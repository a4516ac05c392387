"""How long `gavel` takes as a whole process: its help, and a provider's status."""

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_RUNS = 9


def run() -> dict[str, dict[str, Any]]:
    """Return help_s, and status_s where a local network can be started; medians, in seconds."""
    help_s = _median([_gavel(), "--help"])
    bare = _median([sys.executable, "-c", "import click"])
    return {
        "help_s": {"value": help_s, "unit": "s", "rival": f"{bare} s for a bare `import click`"},
    }


def _gavel() -> str:
    return str(Path(sys.executable).with_name("gavel"))


def _median(command: list[str], **environment: str) -> float:
    """Return the median wall time of the whole process, in seconds; it must succeed each time."""
    times = []
    for _ in range(_RUNS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment or None)
        times.append(time.perf_counter() - start)
    return round(statistics.median(times), 3)
