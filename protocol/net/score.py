"""How peers earn a ban: penalties that decay. Pure; time is passed in, in seconds."""

from __future__ import annotations

from collections import OrderedDict
from enum import IntEnum


class Fault(IntEnum):
    """What a peer can do wrong, with the penalty of each."""

    RATE = 1
    """A frame above its rate limit."""
    INVALID = 10
    """Forwarded a message that every honest node rejects."""
    FORGED = 20
    """Forwarded a message whose signature is not its author's."""
    SLOW = 5
    """Opened a stream and did not finish its request in time. Little, since this node may be the slow one."""
    MALFORMED = 25
    """Bytes that are no frame of the protocol."""
    OVERSIZED = 50
    """Announced more bytes than the limit."""
    WRONG_BYTES = 100
    """Served a chunk that is not part of the artifact."""


BAN_AT = 100.0
DECAY_PER_S = 0.5
"""A frame above the rate each two seconds is forgiven; two hundred in a second are not."""


class Scores:
    """Penalty points per peer id for at most `max_peers` peers, and who is banned until when."""

    def __init__(self, ban_s: float, max_peers: int = 10_000) -> None:
        self._ban_s = ban_s
        self._max_peers = max_peers
        self._points: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._banned: OrderedDict[str, float] = OrderedDict()

    def blame(self, peer: str, fault: Fault, now: float) -> bool:
        """Add the penalty of `fault`; True if this is what bans the peer."""
        points = self.points(peer, now) + fault.value
        self._points[peer] = (points, now)
        self._points.move_to_end(peer)
        if len(self._points) > self._max_peers:
            self._points.popitem(last=False)
        if points < BAN_AT or self.banned(peer, now):
            return False
        self._banned[peer] = now + self._ban_s
        self._points.pop(peer)
        if len(self._banned) > self._max_peers:
            self._banned.popitem(last=False)
        return True

    def points(self, peer: str, now: float) -> float:
        """Return the peer's points now; 0 is a clean record."""
        points, at = self._points.get(peer, (0.0, now))
        return max(0.0, points - (now - at) * DECAY_PER_S)

    def banned(self, peer: str, now: float) -> bool:
        """Say whether the peer is banned now."""
        until = self._banned.get(peer)
        if until is None:
            return False
        if now < until:
            return True
        del self._banned[peer]
        return False

    def pardon(self, peer: str) -> None:
        """Lift a ban and forget all points."""
        self._banned.pop(peer, None)
        self._points.pop(peer, None)
