"""Where games landed, by the tags of their words: all nodes of a trace at once.

What a game's word tells of a landing is a part of the position's hash, and that hangs on the node, on the
time of the landing and on the key that answers for the provider. So one table per time and key finds every
game that landed then: shams that land in secret cost one hash per node, and each further one a look-up.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

from protocol.crypto import keccak256
from protocol.dispute.facts import facts_of
from protocol.dispute.names import TAG_BITS, Program, hash2, word
from protocol.tape.late_numpy import Array, np
from protocol.tape.merkle import Hasher, Tree
from protocol.types import ZERO_HASH, Address, Hash32

KEPT = 4
"""Tables that are kept: eight bytes per node each."""
_TIME_BYTES = 4
"""At the end of a node's facts stands when it was landed on."""


class Sites:
    """What landing on each node of a job's tape says of it, but for the time: the same for all items."""

    def __init__(self, program: Program, headers: Sequence[bytes], hasher: Hasher) -> None:
        self._program, self._headers, self._hasher = program, headers, hasher
        self._last: tuple[int, Array] | None = None

    @property
    def inner(self) -> int:
        """How many nodes are no outputs."""
        return self._program.inner

    def at(self, landed_at: int) -> Array:
        """The site hashes of all nodes, a row of 32 bytes each."""
        if self._last is None or self._last[0] != landed_at:
            pairs = self._pairs.copy()
            pairs[:, -_TIME_BYTES:] = np.frombuffer(landed_at.to_bytes(_TIME_BYTES), np.uint8)
            self._last = landed_at, _rows(self._hasher.parents(pairs.tobytes(), ZERO_HASH), 32)
        return self._last[1]

    @cached_property
    def _pairs(self) -> Array:
        first, inner = self._program.first, self._program.inner
        return _rows(
            b"".join(
                keccak256(header) + word(facts_of(header, 0, node, first, inner).pack())
                for node, header in enumerate(self._headers)
            ),
            64,
        )


class Landings:
    """All positions that a landing can lead to in one item's trace."""

    def __init__(self, sites: Sites, trace: Tree, outputs: Sequence[Hash32], hasher: Hasher) -> None:
        self._sites, self._trace, self._outputs, self._hasher = sites, trace, outputs, hasher
        self._tables: OrderedDict[tuple[int, Address], Array] = OrderedDict()

    def nodes(self, tag: int, landed_at: int, operator: Address) -> list[int]:
        """The nodes that have a tag when landed on at that time: one, but for chance."""
        key = (landed_at, operator)
        if key not in self._tables:
            while len(self._tables) >= KEPT:
                self._tables.popitem(last=False)
            self._tables[key] = self._tags(landed_at, operator)
        self._tables.move_to_end(key)
        return [int(node) for node in np.flatnonzero(self._tables[key] == np.uint64(tag))]

    def _tags(self, landed_at: int, operator: Address) -> Array:
        sites = self._sites.at(landed_at)
        positions = np.zeros((len(sites), 128), np.uint8)
        positions[:, :32], positions[:, 64:96] = self._roots, self._lefts
        positions[:, 32:64] = sites
        positions[:, 108:] = np.frombuffer(operator, np.uint8)
        whole = _rows(self._hasher.whole(positions.tobytes()), 32)
        return whole[:, 24:].copy().view(">u8")[:, 0].astype(np.uint64) & np.uint64((1 << TAG_BITS) - 1)

    @cached_property
    def _roots(self) -> Array:
        """Every node's tensor root."""
        inner = self._trace.layers[0] if self._sites.inner else b""
        return _rows(inner + b"".join(self._outputs), 32)

    @cached_property
    def _lefts(self) -> Array:
        """What stands left of every node on the way down, chained: level by level for all at once."""
        lefts = np.zeros((1, 32), np.uint8)
        for layer in reversed(self._trace.layers[:-1]):
            count = len(layer) // 32
            evens = _rows(layer, 32)[0 : count // 2 * 2 : 2]
            pairs = np.concatenate([lefts[: count // 2], evens], axis=1)
            below = np.repeat(lefts, 2, axis=0)[:count]
            below[1::2] = _rows(self._hasher.parents(pairs.tobytes(), ZERO_HASH), 32)
            lefts = below
        before = list(accumulate(self._outputs, hash2, initial=ZERO_HASH))[: len(self._outputs)]
        return np.concatenate([lefts[: self._sites.inner], _rows(b"".join(before), 32)])


def _rows(data: bytes, width: int) -> Array:
    return np.frombuffer(data, np.uint8).reshape(-1, width)
