"""Disputes: gas and sizes, measured by forge on shipped code, and the time that a trace takes (`traces`).

`fma`, `add`, `chain_per_element`: inside a contract, without any call; means over 256 ordinary operands, and
a chain of 256 terms from calldata (contracts/test/gas/Arithmetic.t.sol). All else are whole transactions:
`dispute_gas` is both sides together from `challenge` through the proof, over 1,024 nodes, a product of 2^20
elements, K = 4096 (Dispute.t.sol); `delivery_4kb` the provider's answer alone (Delivery.t.sol).
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
RIVALS = {
    "dispute_gas": "Cartesi PRT about 9.5M, Optimism's 73 levels about 18.5M (published)",
    "challenge": "Arbitrum BoLD 296k, Optimism 401k (published)",
    "last_step": "Optimism with Cannon 315k (published)",
    **dict.fromkeys(("claim", "delivery_4kb", "fma", "add", "chain_per_element")),
}
BEFORE = 54_822
"""Gas of posting a result in the last version without a game."""


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
    gas, lease = _measure("dispute"), _measure("lease")
    figures: dict[str, dict[str, Any]] = {
        name: {"value": gas[name], "unit": "gas", "rival": rival} for name, rival in RIVALS.items()
    }
    figures["dispute_rounds"] = {"value": gas["dispute_rounds"], "unit": "answers", "rival": None}
    figures["post_result_extra"] = {
        "value": lease["first_result"] - BEFORE,
        "unit": "gas",
        "rival": f"{BEFORE} before there were games",
    }
    size, largest = max((_size(path), path.stem) for path in _built())
    figures["contract_bytes"] = {"value": size, "unit": "bytes", "rival": f"{largest} is the largest"}
    return figures


def _built() -> list[Path]:
    """What forge made of each contract of `contracts/src` that can be deployed."""
    names = [source.stem for source in (ROOT / "contracts" / "src").glob("*.sol")]
    return [
        path
        for name in names
        if (path := ROOT / "contracts" / "out" / f"{name}.sol" / f"{name}.json").exists()
    ]


def _size(path: Path) -> int:
    return (len(json.loads(path.read_text())["deployedBytecode"]["object"]) - 2) // 2


def _measure(group: str) -> dict[str, int]:
    tests = {"dispute": "Arithmetic|Dispute|Delivery", "lease": "^GasTest$"}[group]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [ROOT / "scripts" / "contracts", "snapshot", "--match-contract", tests],
            env={**os.environ, "FOUNDRY_SNAPSHOTS": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        path = Path(folder) / f"{group}.json"
        if done.returncode or not path.exists():
            last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise TransientError(f"gas could not be measured: {last}", "run 'make setup', then try again")
        return {name: int(value) for name, value in json.loads(path.read_text()).items()}
