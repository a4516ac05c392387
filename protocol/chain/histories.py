"""How owners' leases ended, from their own events: the part that does not change is read once and kept.

Only an owner, or its operator, can make these events. It may make so many that they cannot be read in time.
That is its own loss: whoever weighs bids ranks it last, and goes on.
"""

import threading
import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

from protocol.chain.events import LeaseOpened, topic_of
from protocol.chain.kept import Kept
from protocol.chain.marks import Marks, after, read_marks, written
from protocol.chain.node import BlockHead
from protocol.chain.reads import Reads
from protocol.chain.rpc import RpcRefused
from protocol.chain.scan import Scanner
from protocol.chain.views import LeaseState, ProviderHistory
from protocol.types import Address, LeaseId, TransientError

_OWNERS = 256
"""Owners that are remembered; of each at most so many leases that have not ended."""
_LIVE = 1_000


@dataclass(frozen=True)
class _Fold:
    """What confirmed blocks up to a mark say of one owner."""

    marks: Marks = ()
    live: tuple[LeaseId, ...] = ()
    ended: Counter[LeaseState] = field(default_factory=Counter)
    cancelled: int = 0

    @property
    def opened(self) -> int:
        return len(self.live) + self.ended.total()


@dataclass
class _Known:
    """One reader at a time goes on; `fold` is replaced whole, so that it can be written down meanwhile."""

    fold: _Fold = field(default_factory=_Fold)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Histories:
    """Reads them. Thread-safe; blocking."""

    def __init__(self, reads: Reads, scanner: Scanner, kept: Kept) -> None:
        self._reads, self._scanner, self._kept = reads, scanner, kept
        abi = reads.escrow.abi
        self._opened, self._cancelled = topic_of(abi, "LeaseOpened"), topic_of(abi, "NonceCancelled")
        self._lock = threading.Lock()
        self._owners: OrderedDict[Address, _Known] | None = None

    def read(self, owner: Address, seconds: float) -> ProviderHistory:
        """Return an owner's history. `TransientError` if it cannot be read within about `seconds`.

        What was read until then is kept: asking again goes on from there.
        """
        ends = time.monotonic() + seconds
        known = self._known(owner)
        if not known.lock.acquire(timeout=max(seconds, 0)):
            raise _late(owner)
        try:
            before = known.fold.marks
            try:
                self._go_on(owner, known, ends)
            finally:
                if known.fold.marks != before and self._kept.is_due:
                    self._save()
            fold = known.fold
            newest = int(self._reads.block_number())
            # Whatever the time: a node that takes long for each answer must not keep the end from being read.
            fresh, cancelled = tuple[LeaseId, ...](), 0
            if (done := self._reached(fold)) < newest:
                fresh, cancelled, _ = self._part(owner, done + 1, newest)
            states = fold.ended.copy()
            states.update(view.state for view in self._reads.leases([*fold.live, *fresh]))
            return _history(states, fold.opened + len(fresh), fold.cancelled + cancelled)
        finally:
            known.lock.release()

    def _go_on(self, owner: Address, known: _Known, ends: float) -> None:
        confirmed = self._scanner.confirmed_head()
        if self._scanner.ground.standing(known.fold.marks, confirmed) != known.fold.marks:
            known.fold = _Fold()
        begun = self._reached(known.fold)
        while (done := self._reached(fold := known.fold)) < confirmed:
            if done > begun and time.monotonic() > ends:
                raise _late(owner)
            last = min(confirmed, done + self._scanner.span)
            opened, cancelled, head = self._part(owner, done + 1, last)
            known.fold = _Fold(after((), head), fold.live + opened, fold.ended, fold.cancelled + cancelled)
        known.fold = self._settled(known.fold, confirmed)

    def _reached(self, fold: _Fold) -> int:
        return self._scanner.ground.reached(fold.marks)

    def _part(self, owner: Address, first: int, last: int) -> tuple[tuple[LeaseId, ...], int, BlockHead]:
        who = bytes(12) + owner
        found = self._scanner.between(first, last, (self._opened, None, who))
        opened = tuple(each.lease for each in found if isinstance(each, LeaseOpened))
        return opened, *self._scanner.count(first, last, (self._cancelled, who))

    def _settled(self, fold: _Fold, confirmed: int) -> _Fold:
        """Forget the leases whose end is confirmed: only how they ended counts."""
        try:
            views = self._reads.leases(fold.live, confirmed)
        except RpcRefused:
            return fold  # the node has that block's state no more
        states = dict(zip(fold.live, (view.state for view in views), strict=True))
        over: Counter[LeaseState] = Counter(
            state for state in states.values() if state is not LeaseState.NONE and not state.live
        )
        live = tuple(lease for lease, state in states.items() if state not in over)
        return replace(fold, live=live, ended=fold.ended + over)

    def _known(self, owner: Address) -> _Known:
        with self._lock:
            if self._owners is None:
                self._owners = self._load()
            found = self._owners.setdefault(owner, _Known())
            self._owners.move_to_end(owner)
            if len(self._owners) > _OWNERS:
                self._owners.popitem(last=False)
            return found

    def _load(self) -> OrderedDict[Address, _Known]:
        try:
            rows = self._kept.load() or {}
            return OrderedDict((Address(bytes.fromhex(who)), _Known(_read(row))) for who, row in rows.items())
        except (AttributeError, KeyError, TypeError, ValueError):
            return OrderedDict()

    def _save(self) -> None:
        with self._lock:
            folds = {owner: known.fold for owner, known in (self._owners or {}).items()}
        rows = {owner.hex(): _row(fold) for owner, fold in folds.items() if len(fold.live) <= _LIVE}
        self._kept.save(rows)


def _row(fold: _Fold) -> dict[str, Any]:
    return {
        "marks": written(fold.marks),
        "live": [lease.hex() for lease in fold.live],
        "ended": {state.name: count for state, count in fold.ended.items()},
        "cancelled": fold.cancelled,
    }


def _read(row: dict[str, Any]) -> _Fold:
    live = tuple(LeaseId(bytes.fromhex(lease)) for lease in row["live"])
    ended = Counter({LeaseState[name]: int(count) for name, count in row["ended"].items()})
    return _Fold(read_marks(row["marks"]), live, ended, int(row["cancelled"]))


def _history(states: Counter[LeaseState], opened: int, cancelled: int) -> ProviderHistory:
    return ProviderHistory(
        opened=opened,
        finalized=states[LeaseState.FINALIZED],
        provider_closed=states[LeaseState.PROVIDER_CLOSED],
        start_missed=states[LeaseState.START_MISSED],
        result_missed=states[LeaseState.RESULT_MISSED],
        convicted=states[LeaseState.CONVICTED],
        nonces_cancelled=cancelled,
    )


def _late(owner: Address) -> TransientError:
    return TransientError(f"the history of 0x{owner.hex()} could not be read in time")
