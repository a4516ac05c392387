"""Where each disputed item stands, one JSON file each: what `status` shows. Nothing else reads them."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from protocol.games.report import GameReport
from protocol.store.files import write_whole
from protocol.types import InputError


@dataclass(frozen=True, slots=True)
class Standing:
    """An item of a lease: its games, and what is done or waited for. `over`: why nothing more is."""

    lease: str
    at: int
    """Clock reading."""
    doing: str
    over: str
    games: tuple[GameReport, ...]
    item: int = 0


class Standings:
    """The folder of standings."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def write(self, standing: Standing) -> None:
        """Replace what was said of the item."""
        file = self._folder / f"{standing.lease}-{standing.item}.json"
        write_whole(file, json.dumps(asdict(standing), indent=1).encode())

    def all(self) -> tuple[Standing, ...]:
        """Return every item's standing, oldest first. `InputError` names a damaged file."""
        return tuple(map(_read, sorted(self._folder.glob("0x*.json"), key=lambda path: path.stat().st_ctime)))


def live(standings: Iterable[Standing]) -> int:
    """Return how many games are under way."""
    return sum(not game.over for standing in standings for game in standing.games)


def _read(path: Path) -> Standing:
    try:
        fields = json.loads(path.read_text())
        games = tuple(GameReport(**game) for game in fields.pop("games"))
        return Standing(**fields, games=games)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"standing {path} is damaged: {error}", "delete it: it is written again") from error
