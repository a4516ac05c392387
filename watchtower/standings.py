"""Where each disputed item stands, one JSON file each: what `status` shows. Nothing else reads them."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from protocol.games.report import GameReport
from protocol.store.files import write_whole
from protocol.types import InputError
from watchtower.records import Told, intact, refuse


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

    def all(self, told: Told = refuse) -> tuple[Standing, ...]:
        """Return every item's standing, oldest first; `told` gets an `InputError` for each damaged file."""
        return intact(self._folder.glob("0x*.json"), _read, told)


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
