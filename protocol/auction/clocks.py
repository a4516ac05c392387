"""Whether all that could be challenged at once can be executed again in time (RULES 13). Pure.

`defence` asks this of one job. But the results of many leases can be challenged at the same moment, and one
child executes what is challenged, the nearest deadline first. That keeps all deadlines if for every span t
the work that can be both asked for and due within t takes no longer than t, the longest run that is due later
and was not interrupted included: the processor-demand criterion (Baruah, Rosier and Howell, "Algorithms and
complexity concerning the preemptive scheduling of periodic, real-time tasks on one processor", 1990; for runs
that are not interrupted Jeffay, Stanat and Martel, "On non-preemptive scheduling of periodic and sporadic
tasks", 1991).

What is due of one lease within t, all openings and deadlines in it: with M the move clock, a the trace
allowance and c what a run takes, a game that is opened while h items are owed has M + min(h * a, cap). As
traces are posted in a pace (`protocol.dispute.pace`), that is at most

    min(items, 1 + (t - M) / a) * c   for t >= M + min(a, cap),   items * c   for t >= M + cap.

Audits have children of their own, which share the processor with the games' whatever is due first; each lease
may have two. So games wait for all of them. They wait for what is taken from them, by the games' child or,
while it rests, by jobs: of two audits and one of these, a third.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from protocol.auction.defence import STARTUP_MS
from protocol.types import BlockNo, LeaseId

AUDITS = 2
"""Audits that a lease may have: its client's, and one of strangers."""
AUDIT_START_MS = 1_000
"""An audit's child is started for it."""
KEPT = 2
"""Jobs whose program and inputs a child keeps if there is memory for them (`protocol.engines.worker`)."""
ALL = 0
"""Anything that can be challenged may be challenged at once."""
_SCALE = 1 << 20


@dataclass(frozen=True, slots=True)
class Promise:
    """A lease whose result can be challenged, now or later. Times in milliseconds."""

    lease: LeaseId
    items: int
    run_ms: int
    """To execute an item again and hash its trace."""
    allowance_ms: int
    cap_ms: int
    """Most that allowances add to a clock: six times what the job took."""
    reading_ms: int = 0
    """To read program and inputs, where the child does not have them."""
    over_ms: int = 0
    """By how much items took longer than is usual for the job, in all."""
    trace_bytes: int = 0
    """Memory that making a trace takes, of which what is kept of a job between two is no more than twice."""
    value_bytes: int = 0
    """What the trace of an item takes on disk."""
    again_ms: int = 0
    """To make it again, of an item that is slow (`protocol.auction.defence.again_ms`)."""
    slow_ms: int = 0
    """By how much items took longer than such a one, in all."""
    audited: bool = True
    """Whether audits of it can be ordered."""
    until: BlockNo = BlockNo(0)  # noqa: RUF009 - a number
    """Last height at which it can be challenged; 0: not known yet."""

    @property
    def first_ms(self) -> int:
        """Shortest time, beyond a move clock, in which one of its items may be due."""
        return min(self.allowance_ms, self.cap_ms)

    @property
    def last_ms(self) -> int:
        """Time, beyond a move clock, from which all of its items may be due."""
        return max(min((self.items - 1) * self.allowance_ms, self.cap_ms), self.first_ms)


@dataclass(frozen=True, slots=True)
class Load:
    """The span that is fullest."""

    needed_ms: int = 0
    """The work that can be due in it."""
    span_ms: int = 0

    @property
    def fits(self) -> bool:
        """Whether nothing can be late."""
        return self.needed_ms <= self.span_ms

    @property
    def percent(self) -> int:
        """How much of the time is spoken for, rounded up."""
        return -(-100 * self.needed_ms // max(self.span_ms, 1))


def load(
    promises: Iterable[Promise], clock_ms: int, at_once: int = ALL, jobs: int = 1, memory_bytes: int = 0
) -> Load:
    """Return the fullest span, where up to `at_once` runs are asked for at once (`ALL`: as many as can be).

    `jobs` may run beside audits, and a run may take `memory_bytes` (0: whatever it needs). Takes n log n for
    n promises. Between the spans that are looked at the work grows evenly, so none of the others is fuller.
    Rounded up.
    """
    known = sorted(promises, key=lambda each: each.first_ms)
    if not known:
        return Load()
    most = _most(known, at_once) if at_once else None
    audits = sum(AUDITS * _audit_ms(each) for each in known if each.audited)
    # Once for the child, and once more since each run is expected to need it: what seems late is put back.
    fixed = 2 * STARTUP_MS + audits
    if not _kept(known, memory_bytes):
        # Deadlines take turns, so any run may be of another job than the one before.
        known = [replace(each, run_ms=each.run_ms + each.reading_ms) for each in known]
    else:
        fixed += sum(each.reading_ms for each in known) + max(each.reading_ms for each in known)
    later = _longest_later(known)
    # An audit's allowance is not capped.
    answered = -(-(AUDITS + max(jobs, 1)) * audits // AUDITS)
    worst = Load(
        answered if most is None else min(answered, most), clock_ms + min(each.allowance_ms for each in known)
    )
    level, slope, begun = 0, 0, 0
    events = sorted(_events(known))
    for number, (beyond, rise, flat, begins) in enumerate(events):
        level, slope, begun = level + flat, slope + rise, begun + begins
        if number + 1 < len(events) and events[number + 1][0] == beyond:
            continue
        needed = fixed + later[begun] - -(level + slope * beyond) // _SCALE
        found = Load(needed if most is None else min(needed, most), clock_ms + beyond)
        if found.needed_ms * max(worst.span_ms, 1) > worst.needed_ms * max(found.span_ms, 1):
            worst = found
    return worst


def _kept(known: Sequence[Promise], memory_bytes: int) -> bool:
    """Whether a child reads each job once. For a trace it lets go what is kept of others and does not fit."""
    needed = [each.trace_bytes for each in known]
    fits = not memory_bytes or sum(needed) + max(needed) <= memory_bytes
    return len(known) == 1 or (len(known) <= KEPT and fits)


def _audit_ms(promise: Promise) -> int:
    return AUDIT_START_MS + promise.reading_ms + promise.run_ms


def _events(known: Sequence[Promise]) -> Iterable[tuple[int, int, int, int]]:
    """Yield (time beyond a move clock, change of slope, change of level, leases that begin)."""
    for each in known:
        whole = each.items * each.run_ms * _SCALE
        over = each.over_ms * _SCALE
        if each.last_ms == each.first_ms:
            yield each.first_ms, 0, whole + over, 1
            continue
        slope, first = -(-each.run_ms * _SCALE // each.allowance_ms), each.run_ms * _SCALE
        yield each.first_ms, slope, first + over, 1
        yield each.last_ms, -slope, whole - first, 0


def _longest_later(known: Sequence[Promise]) -> list[int]:
    """Return the longest run of all but the first n, for every n."""
    found = [0]
    for each in reversed(known):
        found.append(max(found[-1], each.run_ms + each.over_ms))
    return found[::-1]


def _most(known: Sequence[Promise], at_once: int) -> int:
    """Return what so many runs take, in any order."""
    starts = min(at_once, sum(AUDITS for each in known if each.audited)) * AUDIT_START_MS
    total, left = 2 * STARTUP_MS + starts + sum(each.over_ms for each in known), at_once
    for each in sorted(known, key=lambda each: -each.run_ms - each.reading_ms):
        count = min(each.items + AUDITS * each.audited, left)
        total, left = total + count * (each.run_ms + each.reading_ms), left - count
    return total
