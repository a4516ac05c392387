"""ABI and bytecode of the contracts, written by `scripts/contracts build`; using them needs no compiler."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from protocol.types import BrokenInvariant

NAMES = ("Escrow", "Staking", "Referee", "Disputes", "Delivery", "Audits", "LocalToken")
"""Contracts that ship. The judge interface is part of Escrow's ABI."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract."""

    name: str
    abi: tuple[dict[str, Any], ...]
    bytecode: bytes
    """Creation code without constructor arguments."""
    compiler: str
    """Version and settings that reproduce it, for people and block explorers."""


@cache
def artifact(name: str) -> Artifact:
    """Return the shipped artifact of one of `NAMES`. `BrokenInvariant` if the installation lacks it."""
    try:
        data = json.loads((files(__name__) / f"{name}.json").read_text())
        return Artifact(name, tuple(data["abi"]), bytes.fromhex(data["bytecode"]), data["compiler"])
    except (OSError, ValueError, KeyError) as error:
        raise BrokenInvariant(f"shipped contract {name} is missing or damaged: {error}") from error
