"""What runs of drawn items came to, on disk: one JSON file for each audit.

What is kept is not run again after a restart, when the time to reveal may be too short for a run. No more
depends on it: what is lost or damaged is run again, since a false commitment costs a stake or a bond.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.crypto import keccak256
from protocol.dispute.audits import Opening, Roots
from protocol.dispute.delivery import PostedItem
from protocol.store.files import write_whole
from protocol.types import Hash32, LeaseId, TransientError, to_hex

log = logging.getLogger(__name__)

Name = tuple[LeaseId, bool]
"""An audit: its lease, and whether it is the client's."""
_FILES = "run-0x*.json"


@dataclass(frozen=True, slots=True)
class Effort:
    """What it takes to make a run again. Each is 0 where it is not known."""

    seconds: float = 0.0
    memory: int = 0
    """Bytes of the process that makes the run, and keeps its trace."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of an item came to, and what a provider opens its commitment to that with."""

    item: int
    roots: Roots
    opening: Opening | None = None
    effort: Effort = Effort()


class AuditRuns:
    """A folder of runs. Blocking."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def keep(self, audit: Name, run: Run) -> None:
        """Remember a run, if the disk has room."""
        roots, opening = run.roots, run.opening
        content: dict[str, Any] = {"item": run.item, "trace": roots.trace.hex(), "root": roots.item.hex()}
        content |= {"seconds": run.effort.seconds, "memory": run.effort.memory}
        if opening is not None:
            content |= {"roots": _hex(opening.posted.roots), "proof": _hex(opening.posted.proof)}
            content["end"] = _hex(opening.end)
        text = json.dumps(content)
        try:
            write_whole(self._file(audit), f"{text}\n{_sum(text)}".encode())
        except TransientError as error:
            log.error("the run of an audited item is kept in memory alone: %s", error)

    def of(self, audit: Name, item: int) -> Run | None:
        """Return the run of that item for an audit; None if it is not known, or of another item."""
        try:
            text, _, check = self._file(audit).read_text().partition("\n")
            found = json.loads(text)
            if check != _sum(text) or found["item"] != item:
                return None  # damaged; or a re-org drew another item
            roots = Roots(_hash(found["trace"]), _hash(found["root"]))
            # Files of earlier versions have neither.
            effort = Effort(float(found.get("seconds", 0.0)), int(found.get("memory", 0)))
            if "end" not in found:
                return Run(item, roots, effort=effort)
            posted = PostedItem(_hashes(found["roots"]), _hashes(found["proof"]))
            return Run(item, roots, Opening(roots.trace, posted, _hashes(found["end"])), effort)
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def forget(self, audit: Name) -> None:
        """Drop a run."""
        self._file(audit).unlink(missing_ok=True)

    def names(self) -> set[Name]:
        """Return the audits of which runs are kept."""
        found = set()
        for file in self._folder.glob(_FILES):
            lease, _, payer = file.stem.removeprefix("run-0x").partition("-")
            if len(lease) == 64 and payer in _PAYERS:
                found.add((LeaseId(bytes.fromhex(lease)), payer == _PAYERS[True]))
        return found

    def _file(self, audit: Name) -> Path:
        return self._folder / f"run-{to_hex(audit[0])}-{_PAYERS[audit[1]]}.json"


_PAYERS = ("strangers", "client")


def _sum(text: str) -> str:
    return keccak256(text.encode()).hex()


def _hex(hashes: tuple[Hash32, ...]) -> list[str]:
    return [each.hex() for each in hashes]


def _hash(text: str) -> Hash32:
    return Hash32(bytes.fromhex(text))


def _hashes(texts: list[str]) -> tuple[Hash32, ...]:
    return tuple(map(_hash, texts))
