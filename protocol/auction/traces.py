"""Whether all traces that could be asked for can be kept, or made again, and read in time (RULES 13). Pure.

Traces lie on one disk. What was dropped to make room is made again for each answer that needs it, while for
all answers of a game there is one move clock, and beside it an increment for each. A challenger may ask for a
level at a time, and open any number of games about one item, of any lease. A trace on the disk is read at
once, but behind it program and inputs have to be there. The process that answers keeps those of few jobs, of
fewer where memory is short, and of none once it was idle for a while: a challenger can wait for that before
each of its moves.
"""

from collections.abc import Callable, Sequence

from protocol.auction.clocks import Promise
from protocol.auction.defence import STARTUP_MS, Means

_ANSWER_PARTS = 2
"""Of an increment: one to get at the trace, as much to start a process, find the move, send and mine it."""
_STAYS = 2
"""A job that was read stays as long again, and others' answers wait (`provider_node.defence.desk`)."""


def traces_flaw(leases: Sequence[Promise], means: Means) -> str:
    """Return why answers could be late if all items of these leases were challenged; empty if none could.

    INVARIANT: for each answer the jobs of all leases can be read one after the other within what it adds to a
    clock. And the traces of all leases fit on the disk together, or all of them can be made again before, one
    after the other and behind one that is under way, within that too. For no game waits for a trace longer
    than all of them take, as a trace answers all that wait for it: then no clock falls. What is made again
    takes its time from all others, so those that fit by themselves are reckoned as well.
    """
    reading = _reading_ms(leases, means.at_once)
    gained = f"an answer adds {means.increment_ms} ms to the clock, and has to be mined as well"
    if _ANSWER_PARTS * reading > means.increment_ms:
        of = " of each in turn" if len(leases) > 1 else ""
        return f"reading program and inputs{of} takes {reading} ms, as any answer may need: {gained}"
    held = _most(leases, lambda each: each.value_bytes, means.at_once)
    if held <= means.disk_bytes:
        return ""
    again = _again_ms(leases, means.at_once) + reading
    if _ANSWER_PARTS * again <= means.increment_ms:
        return ""
    count = sum(each.items for each in leases)
    return (
        f"their {min(count, means.at_once or count)} traces would take {_mib(held)} on disk, they may take "
        f"{_mib(means.disk_bytes)}, and making all again for each answer about {again} ms: {gained}"
    )


def _reading_ms(leases: Sequence[Promise], at_once: int) -> int:
    """Return how long an answer may wait for its job: for the others', which stay, and until it is read."""
    longest = sorted((each.reading_ms for each in leases), reverse=True)[: at_once or None]
    return _STAYS * sum(longest) - (_STAYS - 1) * longest[-1]


def _again_ms(leases: Sequence[Promise], at_once: int) -> int:
    """Return what making all traces again takes. The one before was of another lease, if there is any; of a
    single one, program and inputs are read once.
    """

    def each_ms(lease: Promise) -> int:
        return lease.again_ms + (lease.reading_ms if len(leases) > 1 else 0)

    under_way = max(each.again_ms + each.reading_ms for each in leases)
    waited = STARTUP_MS + under_way + sum(each.slow_ms for each in leases)
    return waited + _most(leases, each_ms, at_once)


def _most(leases: Sequence[Promise], size: Callable[[Promise], int], at_once: int) -> int:
    """Return the largest sum of sizes of so many items; 0: of all."""
    left, total = at_once or sum(each.items for each in leases), 0
    for each in sorted(leases, key=size, reverse=True):
        count = min(each.items, left)
        total, left = total + count * size(each), left - count
    return total


def _mib(count: int) -> str:
    return f"{-(-count // (1 << 20))} MiB"
