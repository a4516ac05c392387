"""Games with all their moves, read from the chain alone: what a player needs after any gap."""

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Sequence

from protocol.chain.dispute_events import Adopted, Challenged, Moved
from protocol.chain.dispute_reads import DisputeReads
from protocol.chain.event import Event
from protocol.chain.events import topic_of
from protocol.chain.game_steps import PlayedGame, Step, StepReader
from protocol.chain.node import Transaction
from protocol.chain.scan import Scanner
from protocol.dispute.moves import Call
from protocol.dispute.names import Case, Job
from protocol.dispute.records import Phase
from protocol.messages import Bid
from protocol.types import Address, BlockNo, Hash32, LeaseId, TransientError

_PER_FILTER = 200
"""Games that one query for logs names."""
_REMEMBERED = 4_096
"""Transactions kept, or as many as one lease has: their hashes fix them, so none need be read again."""


def in_order(games: Iterable[PlayedGame]) -> tuple[Step, ...]:
    """Return the moves of several games as the chain took them, as `protocol.dispute.replay` wants them."""
    steps = (step for game in games for step in game.steps)
    return tuple(sorted(steps, key=lambda step: (step.at.block, step.at.index)))


class GameReader:
    """Reads games of one deployment. Thread-safe; blocking."""

    def __init__(self, reads: DisputeReads, scanner: Scanner) -> None:
        self._reads, self._scanner = reads, scanner
        self._known: OrderedDict[Hash32, Transaction] = OrderedDict()
        self._lock = threading.Lock()

    def of_lease(
        self,
        bid: Bid,
        job: Job | None = None,
        since: BlockNo | None = None,
        until: BlockNo | None = None,
    ) -> tuple[PlayedGame, ...]:
        """Return every game ever opened on the lease of `bid`, oldest first, as of block `until` (newest).

        `job` fills in for challenges that a contract made. `since`: a block not after the first game's, such
        as the lease's own. `TransientError` if a re-org came between: ask again.
        """
        last = until if until is not None else self._reads.block_number()
        first = since if since is not None else self._reads.deployment.block
        opened = self._opened(bid.lease_id(), first, last)
        if not opened:
            return ()
        games = [each.game for each in opened]
        events = self._events(games, opened[0].at.block, last)
        transactions = self._transactions([*opened, *events])
        views = self._reads.games_now(games, last)
        of_game: defaultdict[Hash32 | None, list[Event]] = defaultdict(list)
        for event in events:
            of_game[getattr(event, "game", None)].append(event)
        played = []
        for begin, view in zip(opened, views, strict=True):
            if view.game.phase is Phase.NONE:
                raise TransientError("the chain changed while its games were read")
            case = Case(begin.lease, bid.job_hash, begin.item, begin.item_root)
            reader = StepReader(bid, job, case, begin, self._parsed, transactions)
            played.append(reader.game(of_game[begin.game], view.game, view.position))
        return tuple(played)

    def _parsed(self, to: Address | None, data: bytes) -> Call | None:
        disputes = self._reads.disputes
        return disputes.parse(data) if to == disputes.address else None

    def _opened(self, lease: LeaseId, first: int, last: int) -> list[Challenged]:
        found = self._scanner.between(first, last, (self._topic("Challenged"), None, lease))
        return [event for event in found if isinstance(event, Challenged)]

    def _events(self, games: Sequence[Hash32], first: int, last: int) -> list[Event]:
        names = ("Adopted", "Judged", "GameLost", "SealOpened", "Collected")
        topics = tuple(map(self._topic, names))
        found: list[Event] = []
        for at in range(0, len(games), _PER_FILTER):
            part = tuple(games[at : at + _PER_FILTER])
            found += self._scanner.between(first, last, (part,))  # moves, whose first topic is the game
            found += self._scanner.between(first, last, (topics, part))
        return sorted(found, key=lambda event: (event.at.block, event.at.index))

    def _topic(self, name: str) -> bytes:
        return topic_of(self._reads.disputes.abi, name)

    def _transactions(self, events: Iterable[Event]) -> dict[Hash32, Transaction]:
        wanted = {event.at.tx for event in events if isinstance(event, Challenged | Moved | Adopted)}
        with self._lock:
            held = {tx: self._known[tx] for tx in wanted if tx in self._known}
        missing = sorted(wanted - held.keys())
        read = dict(zip(missing, self._reads.node.transactions(missing), strict=True))
        with self._lock:
            self._known.update(read)
            for tx in held:
                self._known.move_to_end(tx)
            while len(self._known) > max(_REMEMBERED, len(wanted)):
                self._known.popitem(last=False)
        return held | read
