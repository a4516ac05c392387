"""Events of Disputes as frozen records, named after the contract's events."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protocol.chain.event import Event
from protocol.dispute.records import Game, Place
from protocol.types import Address, Amount, Hash32, LeaseId, Wei


@dataclass(frozen=True, slots=True)
class Challenged(Event):
    """A game about one item of a posted result began."""

    game: Hash32
    lease: LeaseId
    challenger: Address
    item: int
    item_root: Hash32
    seal: Hash32


@dataclass(frozen=True, slots=True)
class Moved(Event):
    """A move of either side, or the game's end; `state` is the game after it."""

    game: Hash32
    state: Game


@dataclass(frozen=True, slots=True)
class Judged(Event):
    """The lease is convicted by this game, at this place; None: by silence."""

    game: Hash32
    lease: LeaseId
    place: Place | None


@dataclass(frozen=True, slots=True)
class Silenced(Event):
    """The lease is convicted of silence towards another judge: its `parts` demands have `shares` claims."""

    lease: LeaseId
    judge: Address
    shares: int
    parts: int


@dataclass(frozen=True, slots=True)
class GameLost(Event):
    """The challenger lost; `forfeit` became coin of the provider's owner."""

    game: Hash32
    lease: LeaseId
    forfeit: Wei


@dataclass(frozen=True, slots=True)
class SealOpened(Event):
    """A share of the reward is this game's."""

    game: Hash32
    lease: LeaseId


@dataclass(frozen=True, slots=True)
class Settled(Event):
    """The lease ended as convicted; `claims` games share `reward` of its token."""

    lease: LeaseId
    reward: Amount
    claims: int


@dataclass(frozen=True, slots=True)
class Collected(Event):
    """A game's money left: what there was of its bond, and its share of the reward."""

    game: Hash32
    challenger: Address
    coin: Wei
    reward: Amount


@dataclass(frozen=True, slots=True)
class Adopted(Event):
    """The provider's new key answers from now on."""

    game: Hash32
    operator: Address


CLASSES: tuple[type[Event], ...] = (
    Challenged,
    Moved,
    Judged,
    Silenced,
    GameLost,
    SealOpened,
    Settled,
    Collected,
    Adopted,
)


def _place(values: tuple[Hash32, Hash32, int]) -> Place | None:
    return Place.unpack(*values) if any(values[0]) else None


CONVERTED: dict[str, Callable[[Any], Any]] = {"state": Game.unpack, "place": _place}
"""Arguments that are more than their ABI type, by name."""
