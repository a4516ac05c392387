"""Places that many want: shared out by host, and within a host by peer. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)
Key = TypeVar("Key", bound=Hashable)


class Places(Generic[Item]):
    """At most `total` items have a place, at most `per_peer` of them one peer's.

    INVARIANT: a newcomer is kept out only by its own peer's share, or if no host holds more than its own and
    no peer of that host more than its own. Keys are free, addresses less so: however many of either somebody
    has, who holds few places is not kept out by who holds many.
    """

    def __init__(self, total: int, per_peer: int) -> None:
        self._total = total
        self._per_peer = per_peer
        self._held: dict[Item, tuple[str, Hashable]] = {}
        """Host and peer of each, oldest first."""
        self._hosts: Counter[str] = Counter()
        self._peers: Counter[tuple[str, Hashable]] = Counter()
        self._keys: Counter[Hashable] = Counter()

    def take(self, item: Item, host: str, peer: Hashable) -> Item | None:
        """Give a place to `item`; return who has none any more: nobody, another item, or `item` itself."""
        if self._keys[peer] >= self._per_peer:
            return item
        self._held[item] = (host, peer)
        self._hosts[host] += 1
        self._peers[host, peer] += 1
        self._keys[peer] += 1
        if len(self._held) <= self._total:
            return None
        leaving = self._one_too_many(host, peer)
        self.leave(leaving)
        return leaving

    def leave(self, item: Item) -> None:
        """Free the place of `item`, if it has one."""
        found = self._held.pop(item, None)
        if found is None:
            return
        _less(self._hosts, found[0])
        _less(self._peers, found)
        _less(self._keys, found[1])

    def held(self, peer: Hashable) -> int:
        """Return how many places a peer has."""
        return self._keys[peer]

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, item: object) -> bool:
        return item in self._held

    def _one_too_many(self, host: str, peer: Hashable) -> Item:
        """The newest of the peer that has most, of the host that has most; among equals the newcomer."""
        most = max(self._hosts.values())
        if self._hosts[host] < most:
            host = next(each for each, count in self._hosts.items() if count == most)
        of_host = {each: count for (at, each), count in self._peers.items() if at == host}
        most = max(of_host.values())
        if of_host.get(peer, 0) < most:
            peer = next(each for each, count in of_host.items() if count == most)
        return next(item for item, held in reversed(self._held.items()) if held == (host, peer))


def _less(counter: Counter[Key], key: Key) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
