"""What moves that others could make as well may cost in gas, within any day."""

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from protocol.dispute.purse import COIN
from protocol.store.files import write_whole
from protocol.types import TransientError, Wei

log = logging.getLogger(__name__)

_DAY_S = 86_400.0


@dataclass(frozen=True)
class Spending:
    """A list of sums on disk: a restart does not begin the day anew. `clock` gives Unix time. Thread-safe.

    `setting` is the limit's name in the configuration. What the disk does not take counts all the same, and
    is written with the next sum.
    """

    file: Path
    per_day: Wei
    setting: str
    clock: Callable[[], float]
    _unwritten: list[tuple[float, int]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

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
        with self._lock:
            self._unwritten.append((self.clock(), fee))
            try:
                write_whole(self.file, json.dumps(self._day()).encode())
            except TransientError as error:
                log.error("what was spent is kept in memory alone: %s", error)
            else:
                self._unwritten.clear()

    def _spent(self) -> int:
        with self._lock:
            return sum(wei for _, wei in self._day())

    def _day(self) -> list[tuple[float, int]]:
        return [(at, wei) for at, wei in (*self._written(), *self._unwritten) if at > self.clock() - _DAY_S]

    def _written(self) -> list[tuple[float, int]]:
        try:
            return [(float(at), int(wei)) for at, wei in json.loads(self.file.read_text())]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise TransientError(f"{self.file} cannot be read: {error.strerror}") from error
        except (ValueError, TypeError):
            return []  # lost, not owed: the day begins anew
