"""What moves that others could make as well may cost in gas, within any day."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from protocol.dispute.purse import COIN
from protocol.store.files import write_whole
from protocol.types import Wei

_DAY_S = 86_400.0


@dataclass(frozen=True)
class Spending:
    """A list of sums on disk: a restart does not begin the day anew. `clock` gives Unix time.

    `setting` is the limit's name in the configuration.
    """

    file: Path
    per_day: Wei
    setting: str
    clock: Callable[[], float]

    def why_not(self) -> str:
        """Say why nothing more is paid now; empty if the day's limit is not reached."""
        if self.left() > 0:
            return ""
        spent = COIN.about(self._spent())
        return f"the day's gas was {spent}, {self.setting} allows {COIN.about(self.per_day)}"

    def left(self) -> Wei:
        """Return what may still be spent today."""
        return Wei(max(0, self.per_day - self._spent()))

    def add(self, fee: Wei) -> None:
        """Note what a transaction cost."""
        write_whole(self.file, json.dumps([*self._day(), (self.clock(), fee)]).encode())

    def _spent(self) -> int:
        return sum(wei for _, wei in self._day())

    def _day(self) -> list[tuple[float, int]]:
        try:
            known = json.loads(self.file.read_text())
            return [(at, wei) for at, wei in known if at > self.clock() - _DAY_S]
        except (OSError, ValueError, TypeError):
            return []  # lost, not owed: the day begins anew
