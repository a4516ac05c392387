"""Writes ABI and bytecode from forge's output into the package: python -m scripts.build_contracts."""

import json
from pathlib import Path
from typing import Any

from protocol.chain.abi import NAMES

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "contracts" / "out"
SHIPPED = ROOT / "protocol" / "chain" / "abi"


ANSWERS_ALSO = {"Escrow": "EscrowViews", "Disputes": "DisputeEnds"}
"""A contract that hands unknown calls to another one answers to both ABIs."""


def render(name: str) -> str:
    """Return the shipped file of one contract from forge's output, byte for byte reproducible."""
    built = _built(name)
    abi = [entry for entry in built["abi"] if entry["type"] != "fallback"]
    if name in ANSWERS_ALSO:
        more = [entry for entry in _built(ANSWERS_ALSO[name])["abi"] if entry["type"] != "constructor"]
        abi += [entry for entry in more if entry not in abi]
    data = {
        "contractName": name,
        "compiler": _compiler(built["metadata"]),
        "abi": sorted(abi, key=_order),
        "bytecode": built["bytecode"]["object"].removeprefix("0x"),
    }
    return json.dumps(data, indent=1) + "\n"


def _built(name: str) -> dict[str, Any]:
    built: dict[str, Any] = json.loads((OUT / f"{name}.sol" / f"{name}.json").read_text())
    return built


def _order(entry: dict[str, Any]) -> tuple[str, str, str]:
    return entry["type"], entry.get("name", ""), json.dumps(entry.get("inputs", []))


def _compiler(metadata: dict[str, Any]) -> str:
    settings = metadata["settings"]
    if not settings.get("viaIR"):
        raise SystemExit(
            "contracts/out holds an unoptimized build of a shipped contract: remove it, build again"
        )
    return (
        f"solc {metadata['compiler']['version']}, {settings['evmVersion']}, "
        f"via-ir {settings['viaIR']}, optimizer runs {settings['optimizer']['runs']}"
    )


def main() -> None:
    """Rewrite the shipped files that differ and say which."""
    for name in NAMES:
        path, text = SHIPPED / f"{name}.json", render(name)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
