"""Disputes: gas and sizes, measured by forge on shipped code, and the time that a trace takes (`traces`).

Conditions: contracts/test/gas/Arithmetic.t.sol. Gas inside a contract, without any call; means over 256
ordinary operands; a chain of 256 terms from calldata. Nobody else publishes an on-chain binary32.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from protocol.types import TransientError
from scripts.bench import traces

ROOT = Path(__file__).resolve().parents[2]
GAS = ("fma", "add", "chain_per_element")


def run() -> dict[str, dict[str, Any]]:
    """Return the figures that could be measured; stderr says why others could not."""
    figures: dict[str, dict[str, Any]] = {}
    for measure in (_forge, traces.run):
        try:
            figures |= measure()
        except TransientError as error:
            print(f"dispute: {error}", file=sys.stderr)
    return figures


def _forge() -> dict[str, dict[str, Any]]:
    raw = _measure()
    figures: dict[str, dict[str, Any]] = {
        name: {"value": raw[name], "unit": "gas", "rival": None} for name in GAS
    }
    figures["contract_bytes"] = {"value": raw["referee_bytes"], "unit": "bytes", "rival": None}
    return figures


def _measure() -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [ROOT / "scripts" / "contracts", "snapshot", "--match-contract", "ArithmeticGasTest"],
            env={**os.environ, "FOUNDRY_SNAPSHOTS": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        path = Path(folder) / "dispute.json"
        if done.returncode or not path.exists():
            last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise TransientError(f"gas could not be measured: {last}", "run 'make setup', then try again")
        return {name: int(value) for name, value in json.loads(path.read_text()).items()}
