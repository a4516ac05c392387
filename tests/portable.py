"""Contracts compiled for an EVM without CLZ, such as the one that tests run in process.

Only `Bits.sol` is another than what ships. A compilation takes a minute, so it is kept beside forge's output
and made again when a source changed.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.chain.codec import Abi
from protocol.crypto import keccak256

CONTRACTS = Path(__file__).parents[1] / "contracts"
KEPT = CONTRACTS / "out" / "portable.json"
BITS, PORTABLE_BITS = "src/libraries/Bits.sol", "test/portable/Bits.sol"
SOURCES = {"Referee": "src/Referee.sol", "Disputes": "src/Disputes.sol"}
SETTINGS = {
    "evmVersion": "prague",
    "viaIR": True,
    "optimizer": {"enabled": True, "runs": 1},
    "remappings": ["@openzeppelin/=node_modules/@openzeppelin/", "solady/=node_modules/solady/src/"],
    "metadata": {"appendCBOR": False},
    "outputSelection": {path: {name: ["abi", "evm.bytecode.object"]} for name, path in SOURCES.items()},
}


@dataclass(frozen=True)
class _Kept:
    stamp: str
    contracts: dict[str, dict[str, Any]]


def portable(name: str) -> Abi:
    """ABI and creation code of one of `SOURCES`."""
    kept = _read()
    stamp = _stamp()
    if kept is None or kept.stamp != stamp:
        kept = _Kept(stamp, _compile())
        KEPT.parent.mkdir(exist_ok=True)
        draft = KEPT.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"stamp": kept.stamp, "contracts": kept.contracts}))
        draft.replace(KEPT)
    held = kept.contracts[name]
    return Abi(name, held["abi"], bytes.fromhex(held["bytecode"]))


def _read() -> _Kept | None:
    try:
        return _Kept(**json.loads(KEPT.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _stamp() -> str:
    files = sorted([*CONTRACTS.glob("src/**/*.sol"), CONTRACTS / PORTABLE_BITS])
    text = b"".join(keccak256(file.read_bytes()) for file in files) + json.dumps(SETTINGS).encode()
    return keccak256(text).hex()


def _compile() -> dict[str, dict[str, Any]]:
    names = {path: CONTRACTS / path for path in SOURCES.values()} | {BITS: CONTRACTS / PORTABLE_BITS}
    sources = {path: {"content": file.read_text()} for path, file in names.items()}
    request = {"language": "Solidity", "sources": sources, "settings": SETTINGS}
    done = subprocess.run(
        [CONTRACTS / "tools/solc.js", "--standard-json"],
        input=json.dumps(request).encode(),
        stdout=subprocess.PIPE,
        check=True,
        cwd=CONTRACTS,
        # The machine's Node, else the one that set-up put beside this Python.
        env=os.environ | {"PATH": f"{os.environ['PATH']}{os.pathsep}{Path(sys.executable).parent}"},
    )
    answer = json.loads(done.stdout)
    wrong = [each["formattedMessage"] for each in answer.get("errors", ()) if each["severity"] == "error"]
    assert not wrong, "\n".join(wrong)
    return {
        name: {"abi": made["abi"], "bytecode": made["evm"]["bytecode"]["object"]}
        for name, path in SOURCES.items()
        for made in [answer["contracts"][path][name]]
    }
