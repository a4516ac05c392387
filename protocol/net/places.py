"""Places that many want: shared out by site, where connections come from, and in a site by peer. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)
Key = TypeVar("Key", bound=Hashable)


class Places(Generic[Item]):
    """At most `total` items have a place, at most `per_peer` of them one peer's.

    INVARIANT: a newcomer is kept out only by its own peer's share, or if no site holds more than its own and
    no peer of that site more than its own. Keys are free, addresses less so: however many of either somebody
    has, who holds few places is not kept out by who holds many.
    """

    def __init__(self, total: int, per_peer: int) -> None:
        self._total = total
        self._per_peer = per_peer
        self._held: dict[Item, tuple[str, Hashable]] = {}
        """Site and peer of each, oldest first."""
        self._sites: Counter[str] = Counter()
        self._peers: Counter[tuple[str, Hashable]] = Counter()
        self._keys: Counter[Hashable] = Counter()

    def take(self, item: Item, site: str, peer: Hashable) -> Item | None:
        """Give a place to `item`; return who has none any more: nobody, another item, or `item` itself."""
        if self.are_shut_to(site, peer):
            return item
        leaving = self._one_too_many(site, peer) if len(self._held) >= self._total else None
        if leaving is not None:
            self.leave(leaving)
        self._held[item] = (site, peer)
        self._sites[site] += 1
        self._peers[site, peer] += 1
        self._keys[peer] += 1
        return leaving

    def are_shut_to(self, site: str, peer: Hashable) -> bool:
        """Say whether a newcomer would be kept out now."""
        if self._keys[peer] >= self._per_peer:
            return True
        return len(self._held) >= self._total and self._one_too_many(site, peer) is None

    def leave(self, item: Item) -> None:
        """Free the place of `item`, if it has one."""
        found = self._held.pop(item, None)
        if found is None:
            return
        _less(self._sites, found[0])
        _less(self._peers, found)
        _less(self._keys, found[1])

    def held(self, peer: Hashable) -> int:
        """Return how many places a peer has."""
        return self._keys[peer]

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, item: object) -> bool:
        return item in self._held

    def _one_too_many(self, site: str, peer: Hashable) -> Item | None:
        """The newest of the peer that has most, of the site that has most; None if that is the newcomer."""
        busiest = _busiest(self._sites, site)
        of_site = {each: count for (at, each), count in self._peers.items() if at == busiest}
        who = _busiest(of_site, peer) if busiest == site else max(of_site, key=lambda each: of_site[each])
        if (busiest, who) == (site, peer):
            return None
        return next(item for item, held in reversed(self._held.items()) if held == (busiest, who))


def _busiest(counts: Mapping[Key, int], newcomer: Key) -> Key:
    """Who has most once the newcomer has one more; among equals the newcomer."""
    most = max(counts.values(), default=0)
    if counts.get(newcomer, 0) + 1 >= most:
        return newcomer
    return next(each for each, count in counts.items() if count == most)


def _less(counter: Counter[Key], key: Key) -> None:
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
