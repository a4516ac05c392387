"""Following confirmed events: in order, each once, from a cursor that the caller keeps."""

import json
from dataclasses import dataclass

from protocol.chain.client import Chain
from protocol.chain.event import Event
from protocol.chain.marks import Marks, after, read_marks, written
from protocol.chain.node import BlockHead
from protocol.chain.scan import Topics
from protocol.types import BlockNo, InputError


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to where events were delivered: the newest blocks that a poll ended at, oldest first.

    The older marks tell, after a re-org deeper than the confirmations, how far back it went.
    """

    marks: Marks = ()

    def encode(self) -> str:
        """Return the cursor as text to store."""
        return json.dumps(written(self.marks))

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Return a stored cursor. `InputError` if it is damaged."""
        try:
            return cls(read_marks(json.loads(text)))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"stored chain cursor is damaged: {error}", "delete it to read from the start"
            ) from error

    def after(self, head: BlockHead) -> "Cursor":
        """Return the cursor moved to `head`."""
        return Cursor(after(self.marks, head))


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll found. Store `cursor` in the same transaction as what the events caused."""

    events: tuple[Event, ...]
    cursor: Cursor
    rolled_back_to: BlockNo | None = None
    """Set if blocks that had been delivered are no longer part of the chain: events after this block were
    undone, and those of the new chain follow in later batches. Reconcile from `Chain.leases`."""


class Follower:
    """Delivers the deployment's events once they have the network's number of confirmations.

    A re-org shallower than that is never seen. Not thread-safe: one thread polls. `topics` say which events.
    A daemon names one that costs its maker so much that no block holds more of it than a node gives at once:
    else one such block stops it for ever. An `OperatorSet` takes 2,600 gas, a `LeaseOpened` fifty times that.
    """

    def __init__(self, chain: Chain, cursor: Cursor | None = None, topics: Topics = ()) -> None:
        """Go on after `cursor`; without one, start at the deployment's first block."""
        self._chain, self.cursor, self._topics = chain, cursor or Cursor(), topics

    @classmethod
    def from_now(cls, chain: Chain, topics: Topics = ()) -> "Follower":
        """Return a follower of what is confirmed from now on; state read afterwards misses nothing."""
        head = chain.node.head(chain.scanner.confirmed_head())
        return cls(chain, Cursor().after(head) if head else None, topics)

    def poll(self) -> Batch | None:
        """Return the next events, or None while nothing is new. `TransientError` if no node answers."""
        scanner, marks = self._chain.scanner, self.cursor.marks
        confirmed = scanner.confirmed_head()
        standing = scanner.ground.standing(marks, confirmed)
        done = scanner.ground.reached(standing)
        if standing != marks:
            self.cursor = Cursor(standing)
            return Batch((), self.cursor, BlockNo(done))
        if confirmed <= done:  # nothing new, a node that lags, or a shorter fork that will grow
            return None
        events, head = scanner.chunk(done + 1, confirmed, self._topics)
        self.cursor = self.cursor.after(head)
        return Batch(events, self.cursor)
