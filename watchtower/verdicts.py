"""What a watchtower found, one JSON file per lease: a restart repeats no work, and a person can read it."""

import json
import logging
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from protocol.store.files import write_whole
from protocol.types import Hash32, InputError, LeaseId
from watchtower.judge import ResultId
from watchtower.records import Told, intact, refuse

log = logging.getLogger(__name__)


class Finding(StrEnum):
    """How a re-run ended."""

    MATCH = "match"
    MISMATCH = "mismatch"
    UNAVAILABLE = "unavailable"
    """The provider served no, or not the right, artifacts within the attempts allowed."""
    UNJUDGED = "unjudged"
    """This machine could not re-run it (too large, too slow)."""

    @property
    def is_open(self) -> bool:
        """Whether another try may find more."""
        return self in (Finding.UNAVAILABLE, Finding.UNJUDGED)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One finding, about the result whose root is `claimed_root`, and about no other of the same lease.

    Roots are hex; the item is the first whose output differs.
    A mismatch without an item: every item is right, but something stands behind the last.
    """

    lease: str
    owner: str
    finding: Finding
    claimed_root: str
    own_root: str = ""
    first_different_item: int | None = None
    claimed_item_root: str = ""
    own_item_root: str = ""
    window_end: int = 0
    late: bool = False
    """Whether the window had closed when this was found."""
    seconds: float = 0.0
    detail: str = ""
    tries: int = 1
    again_at: int = 0
    """Clock reading of the next try; 0: there is none."""

    @property
    def about(self) -> ResultId:
        """The result that was judged."""
        lease, root = (bytes.fromhex(each[2:]) for each in (self.lease, self.claimed_root))
        return ResultId(LeaseId(lease), Hash32(root))

    def sentence(self) -> str:
        """Return the finding as one line for people."""
        about = f"lease {self.lease} of {self.owner}"
        late = "; found after the window" if self.late else ""
        match self.finding:
            case Finding.MATCH:
                return f"{about}: result {self.claimed_root} is right{late}"
            case Finding.MISMATCH:
                return (
                    f"{about}: WRONG RESULT: posted {self.claimed_root}, re-run gives {self.own_root}; "
                    f"{self.where}{late}"
                )
            case _:
                return f"{about}: {self.finding}: {self.detail}; {self.tried}{late}"

    @property
    def where(self) -> str:
        """Where a result is wrong."""
        if self.first_different_item is None:
            return "every item is right, but something stands behind the last one"
        return f"first different item: {self.first_different_item}"

    @property
    def tried(self) -> str:
        """How often this was tried, and when it is again."""
        tries = "tried once" if self.tries == 1 else f"tried {self.tries} times"
        return f"{tries}, " + (f"again from {self.again_at} on" if self.again_at else "not tried again")


class Verdicts:
    """The folder of verdicts: of each lease the newest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def add(self, verdict: Verdict) -> Path:
        """Write a verdict so that it is there whole or not at all; return its file."""
        path = self._folder / f"{verdict.lease}.json"
        write_whole(path, json.dumps(asdict(verdict), indent=1).encode())
        return path

    def all(self, told: Told = refuse) -> tuple[Verdict, ...]:
        """Return every verdict, oldest first; `told` gets an `InputError` for each damaged file."""
        return intact(self._folder.glob("0x*.json"), _read, told)

    def by_lease(self) -> dict[LeaseId, Verdict]:
        """Return every verdict, by its lease."""
        return {each.about.lease: each for each in self.all()}

    def sound(self) -> dict[LeaseId, Verdict]:
        """Return every verdict that can be read, by its lease; what is damaged is set aside and made again.

        Games and enrolment need none of them: no file keeps a watchtower from its clocks.
        """
        found = dict[LeaseId, Verdict]()
        for path in self._folder.glob("0x*.json"):
            try:
                verdict = _read(path)
                found[verdict.about.lease] = verdict
            except InputError as error:
                log.error("%s: it is set aside", error.message)
                with suppress(OSError):
                    path.replace(path.with_name(f"{path.name}.damaged"))
            except OSError as error:  # no damage that is known: it may be read another time
                log.error("verdict %s cannot be read: %s", path, error.strerror)
        return found


def wrong_item(verdict: Verdict) -> int | None:
    """Return the first item that a mismatch found wrong; None for other findings."""
    return verdict.first_different_item if verdict.finding is Finding.MISMATCH else None


def _read(path: Path) -> Verdict:
    try:
        fields = json.loads(path.read_text())
        found = Verdict(**{**fields, "finding": Finding(fields["finding"])})
        if any(len(each) != 32 for each in found.about):
            raise ValueError("an id has another length")
        return found
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"verdict {path} is damaged: {error}", "delete it to have it made again") from error
