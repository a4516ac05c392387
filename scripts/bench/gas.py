"""Gas of whole transactions, measured by forge on the compiled contracts.

Conditions (contracts/test/gas/Gas.t.sol): cold slots, an OpenZeppelin ERC-20, and every balance, credit,
nonce word and lock that a call touches is non-zero before it. `close_refund` closes a service lease whose
provider has withdrawn what it earned. The rivals are the best comparable contracts that were published:
Sablier Flow, for `first_result` iExec.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from protocol.types import TransientError

ROOT = Path(__file__).resolve().parents[2]
BATCH = 5

RIVALS = {
    "open_pull": 162_000,
    "open_credits": 162_000,
    "top_up": 61_000,
    "withdraw": 82_000,
    "withdraw_next": None,
    "close_refund": 109_000,
    "first_result": 232_000,
    "heartbeat_next": None,
}


def run() -> dict[str, dict[str, Any]]:
    """Return the gas figures. `TransientError` if forge cannot run here; it says why."""
    raw = _measure()
    values = {
        "open_pull": raw["open_pull"],
        "open_credits": raw["open_credits"],
        "top_up": raw["top_up"],
        "withdraw": raw["withdraw_1"],
        "withdraw_next": (raw[f"withdraw_{BATCH}"] - raw["withdraw_1"]) // (BATCH - 1),
        "close_refund": raw["close_refund"],
        "first_result": raw["first_result"],
        "heartbeat_next": (raw[f"beat_{BATCH}"] - raw["beat_1"]) // (BATCH - 1),
    }
    return {name: {"value": value, "unit": "gas", "rival": RIVALS[name]} for name, value in values.items()}


def _measure() -> dict[str, int]:
    with tempfile.TemporaryDirectory() as folder:
        # Measured anew into a folder of its own: the committed snapshots are what tests compare with.
        done = subprocess.run(
            [ROOT / "scripts" / "contracts", "snapshot"],
            env={**os.environ, "FOUNDRY_SNAPSHOTS": folder},
            capture_output=True,
            text=True,
            check=False,
        )
        path = Path(folder) / "lease.json"
        if done.returncode or not path.exists():
            last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            raise TransientError(f"gas could not be measured: {last}", "run 'make setup', then try again")
        return {name: int(value) for name, value in json.loads(path.read_text()).items()}
