"""How far the chain has come by what nodes have shown, and which of them are not believed because of it."""

import threading
import time
from collections import deque

_FALLS_AFTER_S = 60.0
"""For so long one URL may show an older chain than before; then it is: the chain was rolled back."""
_LOOKS_WITHIN_S = 20.0
"""So far apart at most are looks that all show it: two glimpses are no minute."""
_MOVES_WITHIN_S = 60.0
MAY_LAG_S = 2.0
"""So much later than the first node of a pool the others have a block; one has to live with that."""


class _Height:
    """A block number that grows, and what it was a moment ago."""

    def __init__(self) -> None:
        self.number = 0
        self._marks: deque[tuple[float, int]] = deque([(-MAY_LAG_S, 0)])

    @property
    def floor(self) -> int:
        """The number of `MAY_LAG_S` ago."""
        long_ago = time.monotonic() - MAY_LAG_S
        return next((number for at, number in reversed(self._marks) if at <= long_ago), 0)

    def set(self, number: int) -> None:
        """Go to a number; if that is lower, as if it had always been so."""
        now = time.monotonic()
        if number < self.number:
            self._marks.clear()
        self._marks.append((now if self._marks else now - MAY_LAG_S, number))
        while len(self._marks) > 1 and self._marks[1][0] <= now - MAY_LAG_S:
            self._marks.popleft()
        self.number = number


class Reach:
    """How far one URL was. It may stand for many nodes, some of which lag. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._height = _Height()
        self._behind_since, self._behind_at = 0.0, -_LOOKS_WITHIN_S
        self._refused: tuple[int, float] | None = None

    @property
    def floor(self) -> int:
        """What an answer has to reach to a question that begins now."""
        with self._lock:
            return self._height.floor

    def moves(self, number: int) -> bool:
        """Whether it has moved on to a block since it was refused, a minute ago at most."""
        refused = self._refused
        return refused is not None and number > refused[0] and time.monotonic() - refused[1] < _MOVES_WITHIN_S

    def refuse(self, number: int) -> None:
        """Note where it was when it was refused, for the first time in a minute."""
        now = time.monotonic()
        if self._refused is None or now - self._refused[1] >= _MOVES_WITHIN_S:
            self._refused = number, now

    def believe(self) -> None:
        """Forget that it was refused."""
        self._refused = None

    def hold(self, number: int, floor: int) -> None:
        """Take its newest block. `ValueError` if it is behind `floor`, read before the question."""
        now = time.monotonic()
        with self._lock:
            if number < floor:
                if now - self._behind_at > _LOOKS_WITHIN_S:
                    self._behind_since = now
                self._behind_at = now
                if now - self._behind_since < _FALLS_AFTER_S:
                    raise ValueError(f"is at block {number}, and was at block {floor} before")
                self._height.set(number)
            elif number > self._height.number:
                self._height.set(number)
            self._behind_at = now - 2 * _LOOKS_WITHIN_S


class Front:
    """The newest block of whoever was believed last, over all URLs. Thread-safe.

    What one URL says can be older than what another has said: a role that believes both takes a result for
    not posted, or itself for not drawn. So who is behind is refused, but only until it moves on: then it
    follows a chain, and it may be the other that is wrong (`Rpc` sees to it that its newest block is not an
    old one). So nobody shuts out the others by a high number.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._height = _Height()
        self._moved_at = time.monotonic()

    @property
    def number(self) -> int:
        """The newest block that was believed."""
        return self._height.number

    @property
    def floor(self) -> int:
        """What an answer has to reach to a question that begins now."""
        with self._lock:
            return self._height.floor

    @property
    def still_for(self) -> float:
        """Seconds since the newest block was another one."""
        return time.monotonic() - self._moved_at

    def hold(self, reach: Reach, number: int, floor: int, *, follows: bool) -> None:
        """Believe a URL's newest block. `ValueError` if it is behind `floor`, read before the question.

        `follows`: whether it has been seen to move on since it was refused, to a block that is not old.
        """
        with self._lock:
            falls = number < floor
            if falls and not follows:
                reach.refuse(number)
                raise ValueError(f"is at block {number}, block {floor} was seen before")
            reach.believe()
            if number > self._height.number or falls:
                self._height.set(number)
                self._moved_at = time.monotonic()
