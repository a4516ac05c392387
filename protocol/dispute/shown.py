"""What a provider has shown of its trace of one item, in all games about it.

A trace is written once, so what one game opened holds for every game of the case.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from protocol.dispute.facts import LEAF_BYTES
from protocol.dispute.trees import layers_of, leaf_hashes
from protocol.types import Hash32

TRACE = -1
"""The tree over the tensor roots of all inner nodes; the other trees are named by their nodes."""
Spot = tuple[int, int, int]
"""Tree, height above its leaves, number from the left on that level."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Hashes by their spots, and whole leaves by tree and number."""

    hashes: Mapping[Spot, Hash32] = field(default_factory=dict)
    leaves: Mapping[tuple[int, int], bytes] = field(default_factory=dict)


class Gathering:
    """What is shown, move by move: in place, since shams can make a provider show thousands of nodes."""

    def __init__(self, shown: Shown) -> None:
        self._hashes, self._leaves = dict(shown.hashes), dict(shown.leaves)

    def nodes(self, tree: int, height: int, first: int, nodes: Sequence[Hash32]) -> None:
        """Also 2^k neighbours, the first of them at `first` of level `height`, and all above them up to the
        node that they hang on.
        """
        for up, layer in enumerate(layers_of(nodes)):
            for at, node in enumerate(layer):
                self._hashes[tree, height + up, (first >> up) + at] = node

    def leaves(self, tree: int, first: int, leaves: bytes) -> None:
        """Also 2^k whole leaves."""
        for at in range(len(leaves) // LEAF_BYTES):
            self._leaves[tree, first + at] = leaves[at * LEAF_BYTES : (at + 1) * LEAF_BYTES]
        self.nodes(tree, 0, first, leaf_hashes(leaves))

    def path(self, tree: int, height: int, index: int, node: Hash32, siblings: Sequence[Hash32]) -> None:
        """Also a node, proven by its siblings, and these."""
        self._hashes[tree, height, index] = node
        for up, sibling in enumerate(siblings):
            self._hashes[tree, height + up, index >> up ^ 1] = sibling

    def shown(self) -> Shown:
        """Return all of it; nothing is gathered after that."""
        return Shown(self._hashes, self._leaves)
