"""How far the chain has come by what nodes have shown, and which of them are not believed because of it."""

import threading
import time

_FALLS_AFTER_S = 60.0
"""For so long one URL may show an older chain than before; then it is: the chain was rolled back."""
_LOOKS_WITHIN_S = 20.0
"""So far apart at most are looks that all show it: two glimpses are no minute."""


class Reach:
    """How far one URL was. It may stand for many nodes, some of which lag. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.number = 0
        self._behind_since, self._behind_at = 0.0, -_LOOKS_WITHIN_S
        self.refused_at: int | None = None
        """Its newest block when `Front` first refused it; None if it did not since it was last believed."""

    def hold(self, number: int, floor: int) -> None:
        """Take its newest block. `ValueError` if it is behind `floor`, `number` before the question."""
        now = time.monotonic()
        with self._lock:
            if number < floor:
                if now - self._behind_at > _LOOKS_WITHIN_S:
                    self._behind_since = now
                self._behind_at = now
                if now - self._behind_since < _FALLS_AFTER_S:
                    raise ValueError(f"is at block {number}, and was at block {floor} before")
                self.number = number
            self.number, self._behind_at = max(self.number, number), now - 2 * _LOOKS_WITHIN_S


class Front:
    """The newest block of whoever was believed last, over all URLs. Thread-safe.

    What one URL says can be older than what another has said: a role that believes both takes a result for
    not posted, or itself for not drawn. So who is behind is refused, but only until it moves on: then it
    follows a chain, and it may be the other that is wrong. So nobody shuts out the others by a high number.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.number = 0
        self._moved_at = time.monotonic()

    @property
    def still_for(self) -> float:
        """Seconds since the newest block was another one."""
        return time.monotonic() - self._moved_at

    def hold(self, reach: Reach, number: int, floor: int) -> None:
        """Believe a URL's newest block. `ValueError` if behind `floor`, `number` before the question."""
        with self._lock:
            falls = number < floor
            if falls and (reach.refused_at is None or number <= reach.refused_at):
                reach.refused_at = number if reach.refused_at is None else reach.refused_at
                raise ValueError(f"is at block {number}, block {floor} was seen before")
            reach.refused_at = None
            if number > self.number or falls:
                self.number, self._moved_at = number, time.monotonic()
