"""Finding past events of a deployment: in chunks that nodes accept, each confirmed block read once."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from protocol.chain.calls import Log
from protocol.chain.codec import Abi
from protocol.chain.event import Event
from protocol.chain.events import decode_event
from protocol.chain.marks import Ground, Marks, after
from protocol.chain.node import BlockHead
from protocol.chain.reads import Reads
from protocol.chain.rpc import RpcRefused
from protocol.types import BlockNo, TransientError

T = TypeVar("T")
Topics = tuple[bytes | tuple[bytes, ...] | None, ...]
_FIRST_SPAN = 2_000
_LONGEST_SPAN = 50_000


@dataclass
class _Known:
    """Events that were read, and up to which block. One reader at a time; others wait for no other topics."""

    marks: Marks = ()
    events: tuple[Event, ...] = ()
    lock: threading.Lock = field(default_factory=threading.Lock)


class Scanner:
    """Reads logs of one deployment. Thread-safe."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._contracts = {reads.escrow.address: reads.escrow.abi, reads.staking.address: reads.staking.abi}
        made = reads.deployment
        judges = {"Disputes": made.disputes, "Delivery": made.delivery, "Audits": made.audits}
        self._contracts |= {at: Abi.shipped(name) for name, at in judges.items() if at is not None}
        self.ground = Ground(reads)
        self._span = _FIRST_SPAN
        self._memory: dict[Topics, _Known] = {}
        self._lock = threading.Lock()

    def confirmed_head(self) -> BlockNo:
        """Return the newest block that has the network's number of confirmations, itself included."""
        head = self._reads.block_number() - (self._reads.network.confirmations - 1)
        return BlockNo(max(head, 0))

    @property
    def span(self) -> int:
        """Blocks that a node gave at once."""
        return self._span

    def chunk(self, first: int, last: int, topics: Topics = ()) -> tuple[tuple[Event, ...], BlockHead]:
        """Return the events of as many blocks from `first` on as a node gives at once, and the last head."""
        return self._chunk(first, last, topics, self.typed)

    def count(self, first: int, last: int, topics: Topics) -> tuple[int, BlockHead]:
        """Return how many events of these blocks match, and the last head; `first` is not after `last`.

        Their maker may have made very many.
        """
        number = 0
        while True:
            found, head = self._chunk(first, last, topics, len)
            first, number = head.number + 1, number + found
            if first > last:
                return number, head

    def _chunk(
        self, first: int, last: int, topics: Topics, parse: Callable[[tuple[Log, ...]], T]
    ) -> tuple[T, BlockHead]:
        while True:
            end = min(last, first + self._span - 1)
            fewer = max(1, (end - first + 1) // 4)
            try:
                found = self._reads.node.logs(list(self._contracts), first, end, topics, parse)
            except RpcRefused:
                if end == first:
                    raise
                self._span = fewer  # the node's limit is nowhere written down
                continue
            except TransientError:
                self._span = fewer  # it may be down, or take too long for so much
                raise
            self._span = min(2 * self._span, _LONGEST_SPAN)
            return found

    def all(self, topics: Topics) -> tuple[Event, ...]:
        """Return every event of the deployment that matches, oldest first, up to the newest block.

        Confirmed blocks are remembered while they stand, so that asking again costs only what is new. Not for
        events that strangers can make without bound.
        """
        with self._lock:
            known = self._memory.setdefault(topics, _Known())
        with known.lock:
            confirmed = self.confirmed_head()
            standing = self.ground.standing(known.marks, confirmed)
            done = self.ground.reached(standing)
            if standing != known.marks:
                known.events = tuple(event for event in known.events if event.at.block <= done)
                known.marks = standing
            while done < confirmed:
                found, head = self.chunk(done + 1, confirmed, topics)
                known.marks, known.events = after(known.marks, head), known.events + found
                done = head.number
                if done < confirmed:
                    confirmed = self.confirmed_head()  # a number that was made up must not keep it here
            events = known.events
        return events + self.between(done + 1, self._reads.block_number(), topics)

    def between(self, first: int, last: int, topics: Topics) -> tuple[Event, ...]:
        """Return every event of these blocks that matches, oldest first; nothing is remembered."""
        events: tuple[Event, ...] = ()
        while first <= last:
            found, head = self.chunk(first, last, topics)
            first, events = head.number + 1, events + found
        return events

    def typed(self, logs: Sequence[Log]) -> tuple[Event, ...]:
        """Return the logs that we know as events."""
        decoded = (decode_event(self._contracts[log.address], log) for log in logs)
        return tuple(event for event in decoded if event is not None)
