"""What `status` shows of audits, one JSON file each; and beside it what our runs of drawn items came to."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from protocol.auction.money import Unit
from protocol.games.audit_runs import AuditRuns
from protocol.store.files import write_whole
from protocol.types import InputError, LeaseId
from watchtower.records import Told, intact, refuse

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
        self.runs = AuditRuns(folder)

    def write(self, note: AuditNote) -> None:
        """Replace what was said of the audit."""
        self._write(f"{note.lease}-{_side(note.by)}.json", asdict(note))

    def write_auditor(self, note: AuditorNote) -> None:
        """Replace what was said of the auditor."""
        self._write("auditor.json", asdict(note))

    def all(self, told: Told = refuse) -> tuple[AuditNote, ...]:
        """Return every audit's note, oldest first; `told` gets an `InputError` for each damaged file."""
        return intact(self._folder.glob("0x*.json"), lambda file: _read(file, AuditNote), told)

    def told(self) -> set[tuple[LeaseId, bool]]:
        """Return the audits whose end was written down, by lease and whether they were the client's."""
        found = set()
        for file in self._folder.glob("0x*.json"):
            with suppress(InputError, ValueError):
                note = _read(file, AuditNote)
                if note.over:
                    found.add((LeaseId(bytes.fromhex(note.lease[2:])), note.by == "its client"))
        return found

    def auditor(self, told: Told = refuse) -> AuditorNote | None:
        """Return the auditor's note, None if no daemon has written one, or it is damaged."""
        file = self._folder / "auditor.json"
        return next(iter(intact([file], lambda file: _read(file, AuditorNote), told)), None)

    def _write(self, name: str, content: dict[str, object]) -> None:
        write_whole(self._folder / name, json.dumps(content, indent=1).encode())


def _side(by: str) -> str:
    return "client" if by == "its client" else "strangers"


def _read(file: Path, kind: type[T]) -> T:
    try:
        return kind(**json.loads(file.read_text()))
    except (ValueError, TypeError) as error:
        raise InputError(f"note {file} is damaged: {error}", "delete it: it is written again") from error
