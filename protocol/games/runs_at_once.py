"""How many audited items, or re-runs, are executed at once, and which are first."""

from collections.abc import Collection

AT_ONCE = 3
"""Runs that begin whatever their deadlines."""
MOST = 8
"""Runs at once at the utmost: each has the memory of a trace."""


def may_begin(deadline: int, under_way: Collection[int], at_once: int = AT_ONCE, most: int = MOST) -> bool:
    """Tell whether a run may begin beside those under way, by their deadlines.

    Whoever orders an audit of a long item must not make a short one late: a run that is due before all others
    waits for none of them.
    """
    if len(under_way) < at_once:
        return True
    return len(under_way) < most and deadline < min(under_way)
