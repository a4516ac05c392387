"""What this process waits for, so that a wait can be told of while it lasts.

A node that is down refuses at once. One that accepts and never answers would leave its user before a still
screen until the time-out, which has to be long enough for slow answers.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LOOK_S = 0.25


class Waits:
    """Thread-safe. Each wait is told of once, by whoever asks first, until what was waited for answers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: dict[int, tuple[str, float]] = {}
        self._told: set[str] = set()
        self._next = 0

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        """Note that `what` is waited for while the block runs."""
        with self._lock:
            key, self._next = self._next, self._next + 1
            self._begun[key] = (what, time.monotonic())
        try:
            yield
        finally:
            with self._lock:
                del self._begun[key]

    def answered(self, what: str) -> None:
        """Note that it does answer: the next long wait is told of again."""
        if self._told:
            with self._lock:
                self._told.discard(what)

    def overdue(self, seconds: float) -> list[str]:
        """Return what has been waited for longer than that and was not told of; it counts as told now."""
        with self._lock:
            before = time.monotonic() - seconds
            found = {what for what, begun in self._begun.values() if begun < before} - self._told
            self._told |= found
        return sorted(found)


WAITS = Waits()
"""Of this process: whoever waits and whoever tells of it know nothing of each other."""


def waiting_for(what: str, seconds: float) -> str:
    """Return the words for a wait."""
    return f"waiting for {what}: no answer for {seconds:g} s"


@contextmanager
def told(say: Callable[[str], object], seconds: float = 3.0) -> Iterator[None]:
    """Have `say` called, in a thread of its own, once a wait lasts longer than `seconds`."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK_S):
            for what in WAITS.overdue(seconds):
                say(waiting_for(what, seconds))

    thread = threading.Thread(target=watch, name="waits", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
