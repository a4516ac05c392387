"""Token buckets: how much a peer may ask of us. Time is passed in, in seconds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class TokenBucket:
    """Refills at `rate` tokens per second up to `capacity`; starts full."""

    __slots__ = ("_at", "_capacity", "_rate", "_tokens")

    def __init__(self, rate: float, capacity: float, now: float) -> None:
        self._rate = rate
        self._capacity = capacity
        self._tokens = capacity
        self._at = now

    def take(self, amount: float, now: float) -> bool:
        """Take `amount` tokens if they are there; all or nothing."""
        self._tokens = min(self._capacity, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens < amount:
            return False
        self._tokens -= amount
        return True


class Buckets(Generic[Key]):
    """One bucket per key for at most `max_keys` keys; the one longest unused is forgotten first."""

    def __init__(self, rate: float, capacity: float, max_keys: int = 10_000) -> None:
        self._rate = rate
        self._capacity = capacity
        self._max_keys = max_keys
        self._buckets: OrderedDict[Key, TokenBucket] = OrderedDict()

    def take(self, key: Key, amount: float, now: float) -> bool:
        """Take `amount` tokens of `key`'s bucket; False if it is short."""
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._max_keys:
                self._buckets.popitem(last=False)
            bucket = self._buckets[key] = TokenBucket(self._rate, self._capacity, now)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(amount, now)

    def forget(self, key: Key) -> None:
        """Drop `key`'s bucket."""
        self._buckets.pop(key, None)
