"""Whether all traces that could be asked for can be kept, or made again in time (RULES 13). Pure.

Traces lie on one disk. What was dropped to make room is made again for each answer that needs it, while for
all answers of a game there is one move clock, and beside it an increment for each. A challenger may ask for a
level at a time, and open any number of games about one item, of any lease.
"""

from collections.abc import Callable, Sequence

from protocol.auction.clocks import Promise
from protocol.auction.defence import STARTUP_MS, Means

_ANSWER_PARTS = 2
"""Of an increment: one to make a trace again, as much to find the move, and to send and mine the answer."""


def traces_flaw(leases: Sequence[Promise], means: Means) -> str:
    """Return why answers could be late if all items of these leases were challenged; empty if none could.

    INVARIANT: the traces of all leases fit on the disk together, or all of them can be made again, one after
    the other and behind one that is under way, within what an answer adds to a clock. For no game waits for a
    trace longer than all of them take, as a trace answers all that wait for it: then no clock falls. What is
    made again takes its time from all others, so those that fit by themselves are reckoned as well.
    """
    held = _most(leases, lambda each: each.value_bytes, means.at_once)
    if held <= means.disk_bytes:
        return ""
    again = _again_ms(leases, means.at_once)
    if _ANSWER_PARTS * again <= means.increment_ms:
        return ""
    count = sum(each.items for each in leases)
    return (
        f"their {min(count, means.at_once or count)} traces would take {_mib(held)} on disk, they may take "
        f"{_mib(means.disk_bytes)}, and making all again for each answer about {again} ms: an answer adds "
        f"{means.increment_ms} ms to the clock, and has to be mined as well"
    )


def _again_ms(leases: Sequence[Promise], at_once: int) -> int:
    """Return what making all traces again takes. The one before was of another lease, if there is any."""

    def each_ms(lease: Promise) -> int:
        return lease.again_ms + (lease.reading_ms if len(leases) > 1 else 0)

    waited = STARTUP_MS + max(map(each_ms, leases)) + sum(each.slow_ms for each in leases)
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
