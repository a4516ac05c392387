"""How long a child is waited for: one that hangs must hold up no answer for ever.

Its own limit ends it between two nodes alone, and on a stopped process, a GPU or a disk that does not answer
it has none. What is ended too early is waited for twice as long the next time: so a slow machine gets there.
"""

import logging
import math
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

import trio

from protocol.games.asking import patience_for
from protocol.types import TransientError

_MOST_DOUBLED = 16
log = logging.getLogger(__name__)


class Waiting:
    """Ends what takes too long, and remembers of what that was so."""

    def __init__(self) -> None:
        self._missed: Counter[Hashable] = Counter()

    @contextmanager
    def within(self, name: Hashable, took_s: float, most_s: float = math.inf) -> Iterator[None]:
        """Cancel this block when it is late, with `TransientError`: that ends the child that is asked in it.

        `took_s`: what it should take on a machine that does nothing else. `most_s`: it is of no use later.
        """
        seconds = min(patience_for(took_s) * 2 ** min(self._missed[name], _MOST_DOUBLED), most_s)
        with trio.move_on_after(seconds) as scope:
            yield
        if scope.cancelled_caught:
            self._missed[name] += 1
            fault = TransientError(f"a worker has not answered in {seconds:g} s, and was ended")
            log.error("%s", fault)
            raise fault
        del self._missed[name]
