"""Which gossip messages were seen, marked before validation, and numbered past every restart.

Stock pubsub marks a message only after its validator has returned, so that copies arriving while an
asynchronous validator runs are validated again; and it numbers its own messages from the start of
the second, so that those of a publisher restarted within it are taken for duplicates.
"""

from __future__ import annotations

import time
from collections import OrderedDict

from libp2p.tools.timed_cache.last_seen_cache import LastSeenCache


class SeenMessages(LastSeenCache):
    """Message ids with a time to live, bounded; the oldest leave first.

    Stands in for libp2p's cache, without its sweeper thread. An id is kept from its *first*
    sight only: were each copy to extend it, a replayer could pin memory.
    """

    def __init__(self, ttl_s: float, max_ids: int) -> None:
        self._ttl_s = ttl_s
        self._max_ids = max_ids
        self._ids: OrderedDict[bytes, float] = OrderedDict()

    def has(self, key: bytes) -> bool:
        """Say whether `key` was added within the time to live."""
        self._expire()
        return key in self._ids

    def add(self, key: bytes) -> bool:
        """Add `key`; True if it is new."""
        self._expire()
        if key in self._ids:
            return False
        if len(self._ids) >= self._max_ids:
            self._ids.popitem(last=False)
        self._ids[key] = time.monotonic()
        return True

    def stop(self) -> None:
        """Nothing runs in the background."""

    def __len__(self) -> int:
        return len(self._ids)

    def _expire(self) -> None:
        horizon = time.monotonic() - self._ttl_s
        while self._ids:
            key, added = next(iter(self._ids.items()))
            if added > horizon:
                return
            del self._ids[key]


def next_sequence(last: int) -> int:
    """Return a message number above `last` and above any that this key used before: now, in ns.

    It doubles as the message's time stamp, which is what makes replays recognisable.
    """
    return max(last + 1, time.time_ns())
