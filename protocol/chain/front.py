"""How far the chain has come, by what nodes have shown: who is behind that is not believed."""

import threading
import time

_FALLS_AFTER_S = 60.0
"""For so long a chain may seem shorter than it was; then it is: it was rolled back."""


class Front:
    """The newest block that any node has shown. Thread-safe.

    Public URLs stand for many nodes, some of which lag: what one says of its newest block can be older than
    what another has said before. A role that believes both takes a result for not posted, or itself for not
    drawn, and acts on it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number, self._moved_at = 0, time.monotonic()
        self._behind_since: float | None = None

    @property
    def number(self) -> int:
        """The newest block's number. Read it before a question that `hold` is to be asked about."""
        return self._number

    @property
    def still_for(self) -> float:
        """Seconds since a newer block was shown than all before."""
        return time.monotonic() - self._moved_at

    def saw(self, number: int) -> None:
        """Note a block that a node has shown."""
        with self._lock:
            if number >= self._number:
                self._take(number)

    def hold(self, number: int, floor: int) -> None:
        """Take a node's newest block. `ValueError` if it is behind `floor`, `number` before the question."""
        now = time.monotonic()
        with self._lock:
            if number >= floor:
                if number >= self._number:
                    self._take(number)
                return
            if self._behind_since is None:
                self._behind_since = now
            if now - self._behind_since >= _FALLS_AFTER_S:
                self._take(number)
                return
        raise ValueError(f"is at block {number}, block {floor} was seen before")

    def _take(self, number: int) -> None:
        if number != self._number:
            self._moved_at = time.monotonic()
        self._number, self._behind_since = number, None
