"""What the package ships is what the sources compile to."""

import json
import subprocess
from pathlib import Path

import pytest

from protocol.chain.abi import NAMES, artifact
from scripts import build_contracts

ROOT = Path(__file__).parents[2]
MOST_CODE = 24_576


@pytest.fixture(scope="module")
def built() -> None:
    done = subprocess.run(
        [ROOT / "scripts/contracts", "forge", "build", "-q"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("name", NAMES)
def test_shipped_file_reproduces(name: str) -> None:
    shipped = (build_contracts.SHIPPED / f"{name}.json").read_text()
    assert shipped == build_contracts.render(name), "run scripts/contracts build and commit the result"


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(
    "name",
    [
        "Escrow",
        "EscrowViews",
        "Staking",
        "Disputes",
        "DisputeEnds",
        "Delivery",
        "Audits",
        "Referee",
        "LocalToken",
    ],
)
def test_code_fits(name: str) -> None:
    code = json.loads((build_contracts.OUT / f"{name}.sol" / f"{name}.json").read_text())["deployedBytecode"]
    assert 0 < len(code["object"]) // 2 - 1 <= MOST_CODE


def test_escrow_answers_to_both_abis() -> None:
    functions = {entry["name"] for entry in artifact("Escrow").abi if entry["type"] == "function"}
    assert {"openLease", "freeze", "resultOf", "leaseOf", "moneyOf", "eip712Domain"} <= functions
    assert sum(entry["type"] == "constructor" for entry in artifact("Escrow").abi) == 1


def test_disputes_answers_to_both_abis() -> None:
    functions = {entry["name"] for entry in artifact("Disputes").abi if entry["type"] == "function"}
    assert {"challenge", "reveal", "prove", "timeout", "claim", "gameOf", "bondOf"} <= functions
    assert sum(entry["type"] == "constructor" for entry in artifact("Disputes").abi) == 1
