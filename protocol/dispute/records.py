"""The game's own records: phases, the packed game, places, verdicts. Twins of `IDisputes` and `GameLib`."""

import enum
from dataclasses import dataclass

from protocol.crypto import keccak256
from protocol.dispute.names import word
from protocol.types import Hash32


class Phase(enum.IntEnum):
    """Whose move it is, and what is owed. The interface has the table."""

    NONE = 0
    TRACE = 1
    PICK = 2
    REVEAL = 3
    CHAIN = 4
    SPAN = 5
    RUNNING = 6
    PROVE = 7
    WON = 8
    LOST = 9
    CLAIMED = 10

    @property
    def live(self) -> bool:
        """Whether somebody is to move."""
        return Phase.NONE < self < Phase.WON

    @property
    def provider_moves(self) -> bool:
        """Whether the provider is to move."""
        return self in (Phase.TRACE, Phase.REVEAL, Phase.CHAIN, Phase.RUNNING)


class Conviction(enum.IntEnum):
    """How a lease came to be convicted."""

    NONE = 0
    PROVEN = 1
    SILENT = 2


_FIELDS = (  # name, lowest bit, bits
    ("opened_at", 224, 32),
    ("moved_at", 192, 32),
    ("provider_left", 168, 24),
    ("challenger_left", 144, 24),
    ("path", 112, 32),
    ("bond", 70, 42),
    ("phase", 66, 4),
    ("levels", 60, 6),
    ("shown", 56, 4),
    ("chosen", 48, 8),
    ("tag", 0, 48),
)


@dataclass(frozen=True, slots=True)
class Game:
    """A game in the clear, but for its position.

    `provider_left`, `challenger_left`: what is left on a side's clock at its next move; `bond`: what is left
    of it, in gwei; `path`: the anchor's place (nodes left of it on its level; an element from CHAIN on);
    `levels`: levels of the tree below the anchor; `shown`: levels that the last answer showed; `chosen`:
    the descendant picked, or the span; `tag`: lowest bits of the position's hash.
    """

    phase: Phase
    opened_at: int = 0
    moved_at: int = 0
    provider_left: int = 0
    challenger_left: int = 0
    bond: int = 0
    path: int = 0
    levels: int = 0
    shown: int = 0
    chosen: int = 0
    tag: int = 0

    def pack(self) -> int:
        """The word that the contract stores and `Moved` carries."""
        return sum(int(getattr(self, name)) << bit for name, bit, _ in _FIELDS)

    @classmethod
    def unpack(cls, packed: int) -> "Game":
        """The game in a word."""
        values = {name: packed >> bit & ((1 << bits) - 1) for name, bit, bits in _FIELDS}
        return cls(phase=Phase(values.pop("phase")), **values)

    @property
    def mover_left(self) -> int:
        """What is on the mover's clock, counted from `moved_at`."""
        return self.provider_left if self.phase.provider_moves else self.challenger_left


_PLACE = (  # name, lowest bit, bits
    ("node", 160, 32),
    ("output", 152, 8),
    ("leaf", 120, 32),
    ("offset", 112, 8),
    ("width", 104, 8),
    ("claimed", 72, 32),
    ("right", 40, 32),
    ("exact", 32, 8),
    ("landed_at", 0, 32),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conviction stands: what a claim must reproduce from its own, sealed trace. See `IDisputes`."""

    case_id: Hash32
    node: int
    output: int
    leaf: int
    offset: int
    width: int
    left: Hash32
    claimed: int
    right: int
    exact: bool
    landed_at: int

    def pack(self) -> int:
        """All but case and left in one word, as `Judged` has it. The twin of `PlaceLib`."""
        return sum(int(getattr(self, name)) << bit for name, bit, _ in _PLACE)

    @classmethod
    def unpack(cls, case_id: Hash32, left: Hash32, packed: int) -> "Place":
        """The place in the three words of `Judged`."""
        values = {name: packed >> bit & ((1 << bits) - 1) for name, bit, bits in _PLACE}
        return cls(case_id=case_id, left=left, exact=bool(values.pop("exact")), **values)

    @property
    def cut_hash(self) -> int:
        """The 168 bits of its hash that the contract keeps."""
        data = self.case_id + self.left + word(self.pack())
        return int.from_bytes(keccak256(data), "big") & ((1 << 168) - 1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a lease's conviction stands: `won` says whether the convicting game is among the claims; `reward`
    is what they share, known once settled.
    """

    how: Conviction = Conviction.NONE
    settled: bool = False
    since: int = 0
    claims: int = 0
    won: bool = False
    reward: int = 0
