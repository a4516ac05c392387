"""Whether a result could be defended beside those of all other leases (RULES 13). Pure."""

from collections.abc import Sequence

from protocol.auction.clocks import Promise, load
from protocol.auction.defence import Means
from protocol.auction.traces import traces_flaw

_NAMED = 3


def room_flaw(new: Promise, others: Sequence[Promise], means: Means) -> str:
    """Return why a result could not be defended beside the others; empty if it could."""
    known = (new, *others)
    found = load(known, means.shortest_ms, means.at_once, means.jobs, means.memory_bytes)
    if not found.fits:
        flaw = (
            f"executing them again would take up to {found.needed_ms} ms of the {found.span_ms} ms that the "
            "clocks leave"
        )
    elif not (flaw := traces_flaw(known, means)):
        return ""
    return f"were {_named(others)} challenged at once, {flaw}"


def _named(others: Sequence[Promise]) -> str:
    """Return words for a lease and those beside it: the ones that end first by name."""
    if not others:
        return "its items and audits"
    ends = sorted(others, key=lambda each: each.until or 1 << 64)
    named = ", ".join("0x" + each.lease.hex()[:8] for each in ends[:_NAMED])
    named += ", ..." if len(others) > _NAMED else ""
    last = max(each.until for each in others)
    until = f", until block {last} or later" if last else ""
    return f"it and {len(others)} other leases ({named}{until})"
