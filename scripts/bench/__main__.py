"""Runs benchmarks: `python -m scripts.bench NAME` or `all`.

Prints a table for people and, as its last line, one JSON object `{figure: {"value", "unit", "rival"}}`. A
figure that could not be measured here is absent; why is said on stderr.
"""

import importlib
import json
import sys
from typing import Any

from protocol.types import GavelError

NAMES = ("gas", "dispute", "auction", "tape", "transfer", "daemon", "cli")

GOALS = {
    "open_pull": "<= 100000",
    "open_credits": "<= 85000",
    "top_up": "<= 50000",
    "withdraw": "<= 50000",
    "withdraw_next": "<= 12000",
    "close_refund": "<= 50000",
    "first_result": "<= 55000",
    "heartbeat_next": "<= 6500",
    "dispute_gas": "<= 850000",
    "dispute_rounds": "<= 8",
    "challenge": "<= 75000",
    "last_step": "<= 170000",
    "claim": "<= 75000",
    "delivery_4kb": "<= 250000",
    "post_result_extra": "0",
    "fma": "<= 830",
    "add": "<= 670",
    "chain_per_element": "<= 620",
    "contract_bytes": "<= 24576",
    "trace_ratio": "<= 4",
    "rerun_ratio": "<= 1.05",
    "submit_to_lease_s": "<= 3",
    "own_s": "<= 1",
    "minilm_ratio": "<= 2.0",
    "gemm_ratio": ">= 0.8",
    "transfer_ratio": ">= 0.5",
    "transfer_rss_mb": "<= 200",
    "rss_mb": "<= 150",
    "cpu_percent": "<= 2",
    "help_s": "<= 0.3",
    "status_s": "<= 2",
}
"""What each figure is wished to be; shown beside it, and no test of anything."""


def measure(name: str) -> dict[str, dict[str, Any]]:
    """Return the figures of one benchmark; `GavelError` if it cannot run here."""
    module = importlib.import_module(f"scripts.bench.{name}")
    figures: dict[str, dict[str, Any]] = module.run()
    return figures


def table(figures: dict[str, dict[str, Any]]) -> str:
    """Return the figures as lines of a table."""
    rows = [("figure", "value", "unit", "goal", "rival")]
    for name, figure in figures.items():
        rival = "" if figure.get("rival") is None else str(figure["rival"])
        rows.append((name, f"{figure['value']:g}", str(figure["unit"]), GOALS.get(name, ""), rival))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)]
        lines.append("  ".join((*cells, row[4])).rstrip())
    return "\n".join(lines)


def main(args: list[str]) -> int:
    """Run what the command line names; exit code 1 if a benchmark broke, 2 if there is none of that name."""
    names = args or ["all"]
    if names == ["all"]:
        names = list(NAMES)
    if unknown := [name for name in names if name not in NAMES]:
        print(f"no benchmark {unknown[0]!r}; there are: {', '.join(NAMES)}, all", file=sys.stderr)
        return 2
    figures: dict[str, dict[str, Any]] = {}
    broke = False
    for name in names:
        try:
            figures |= measure(name)
        except GavelError as error:
            print(f"{name}: not measured: {error}", file=sys.stderr)
        except Exception as error:
            broke = True
            print(f"{name}: broke: {type(error).__name__}: {error}", file=sys.stderr)
    print(table(figures))
    print(json.dumps(figures))
    return 1 if broke else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
