"""Hands over, of all that was shown, what the next move of one game needs.

Shams can make a provider show more than any frame holds, and a move looks at little of it: at the nodes on
its own way down. So who makes moves notes what it looked for in vain, and is asked again with that, until
nothing it misses was shown. The last move is then the one that would be made knowing everything.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from protocol.dispute.shown import Shown, Spot

K = TypeVar("K")
V = TypeVar("V")

_LEVELS = 6
_MOST = 1_024
"""Nodes handed over at once beside those that were missed: fewer questions, and a bound on each."""


class Noting:
    """What was handed over, for making a move: `missed` are the spots looked at that are not in it."""

    def __init__(self, handed: Shown) -> None:
        self._hashes, self._leaves = _Noting(handed.hashes), _Noting(handed.leaves)
        self.shown = Shown(self._hashes, self._leaves)

    @property
    def missed(self) -> tuple[Spot, ...]:
        """Where something was looked for; a leaf is at its hash's spot."""
        leaves = ((tree, 0, index) for tree, index in self._leaves.missed)
        return tuple(dict.fromkeys((*self._hashes.missed, *leaves)))


class Handing:
    """What of `shown` is handed over; `most`: how much around a node that was missed comes with it."""

    def __init__(self, shown: Shown, most: int = _MOST) -> None:
        self._shown, self._most = shown, most
        self._spots: dict[Spot, None] = {}

    def part(self) -> Shown:
        """Return what is handed over so far."""
        leaves = ((tree, index) for tree, height, index in self._spots if height == 0)
        return Shown(
            {spot: self._shown.hashes[spot] for spot in self._spots},
            {at: self._shown.leaves[at] for at in leaves if at in self._shown.leaves},
        )

    def give(self, missed: Iterable[Spot]) -> bool:
        """Hand over those that were shown, and some around them; False if there is nothing to add."""
        fresh = [each for each in missed if each in self._shown.hashes and each not in self._spots]
        self._spots |= dict.fromkeys(fresh)
        left = self._most
        for spot in (each for tree, height, index in fresh for each in _below(tree, height + 1, index >> 1)):
            if left == 0:
                break
            if spot in self._shown.hashes and spot not in self._spots:
                self._spots[spot] = None
                left -= 1
        return bool(fresh)


class _Noting(Mapping[K, V]):
    def __init__(self, held: Mapping[K, V]) -> None:
        self._held = held
        self.missed: list[K] = []

    def __getitem__(self, key: K) -> V:
        try:
            return self._held[key]
        except KeyError:
            self.missed.append(key)
            raise

    def __iter__(self) -> Iterator[K]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


def _below(tree: int, height: int, index: int) -> Iterator[Spot]:
    """The spots under a node, level by level."""
    for down in range(1, min(_LEVELS, height) + 1):
        for at in range(index << down, index + 1 << down):
            yield tree, height - down, at
