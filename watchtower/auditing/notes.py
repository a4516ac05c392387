"""What `status` shows of audits, and what our runs of drawn items came to: one JSON file each.

A run on disk spares another one after a restart. Nothing depends on it: what is lost is run again.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from protocol.auction.money import Unit
from protocol.dispute.audits import Roots
from protocol.store.files import write_whole
from protocol.types import Hash32, InputError

T = TypeVar("T", "AuditNote", "AuditorNote")


@dataclass(frozen=True, slots=True)
class AuditNote:
    """One audit that may draw this auditor, or has. Sums are in the token's smallest unit."""

    lease: str
    owner: str
    by: str
    """"its client" or "strangers"."""
    stage: str
    item: int
    """-1: not drawn yet."""
    part: str
    """Where the own part stands; empty: not drawn."""
    doing: str
    over: bool
    fee: int
    reward: int
    symbol: str
    decimals: int

    def sentence(self) -> str:
        """Return the audit in a line or two for people."""
        token, what = Unit(self.symbol, self.decimals), f"audit of lease {self.lease} by {self.by}"
        if self.over:
            parts = [f"fee {token.about(self.fee)}"] if self.fee else []
            parts += [f"reward {token.about(self.reward)}"] if self.reward else []
            earned = ", ".join(parts) or "nothing earned"
            return f"{what}: over, item {self.item}, {earned}" + (f"; {self.doing}" if self.doing else "")
        if not self.part:
            return f"{what}: {self.doing}"
        return f"{what}: item {self.item}, {self.stage}, own part {self.part}\n  {self.doing}"


@dataclass(frozen=True, slots=True)
class AuditorNote:
    """This watchtower as an auditor."""

    at: int
    """Block since which this holds."""
    address: str
    enrolled: bool
    stake: str
    """With its symbol."""
    owed: str
    """Fees that wait to be withdrawn."""
    text: str

    def sentence(self) -> str:
        """Return it as one line for people."""
        return f"auditor {self.address}: {self.text}"


class Notes:
    """The folder of notes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def write(self, note: AuditNote) -> None:
        """Replace what was said of the audit."""
        self._write(f"{note.lease}-{_side(note.by)}.json", asdict(note))

    def write_auditor(self, note: AuditorNote) -> None:
        """Replace what was said of the auditor."""
        self._write("auditor.json", asdict(note))

    def all(self) -> tuple[AuditNote, ...]:
        """Return every audit's note, oldest first. `InputError` names a damaged file."""
        files = sorted(self._folder.glob("0x*.json"), key=lambda path: path.stat().st_ctime)
        return tuple(_read(file, AuditNote) for file in files)

    def auditor(self) -> AuditorNote | None:
        """Return the auditor's note, None if no daemon has written one."""
        file = self._folder / "auditor.json"
        return _read(file, AuditorNote) if file.exists() else None

    def keep_run(self, name: str, item: int, roots: Roots) -> None:
        """Remember what our run of an audit's item came to."""
        self._write(f"run-{name}.json", {"item": item, "trace": roots.trace.hex(), "root": roots.item.hex()})

    def run(self, name: str, item: int) -> Roots | None:
        """Return what our run of that item came to; None if it is not known."""
        try:
            found = json.loads((self._folder / f"run-{name}.json").read_text())
            if found["item"] != item:
                return None  # a re-org drew another one
            return Roots(Hash32(bytes.fromhex(found["trace"])), Hash32(bytes.fromhex(found["root"])))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def forget_run(self, name: str) -> None:
        """Drop a run."""
        (self._folder / f"run-{name}.json").unlink(missing_ok=True)

    def _write(self, name: str, content: dict[str, object]) -> None:
        write_whole(self._folder / name, json.dumps(content, indent=1).encode())


def _side(by: str) -> str:
    return "client" if by == "its client" else "strangers"


def _read(file: Path, kind: type[T]) -> T:
    try:
        return kind(**json.loads(file.read_text()))
    except (ValueError, TypeError) as error:
        raise InputError(f"note {file} is damaged: {error}", "delete it: it is written again") from error
