"""Events of Delivery as frozen records, named after the contract's events."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protocol.chain.event import Event
from protocol.dispute.delivery import Kind, Spot, Wanted
from protocol.types import Address, Amount, BlockNo, Hash32, LeaseId, Wei


@dataclass(frozen=True, slots=True)
class Demanded(Event):
    """The provider owes these bytes, at the latest at clock reading `until`."""

    demand: Hash32
    lease: LeaseId
    demander: Address
    wanted: Wanted
    spot: Spot
    until: BlockNo


@dataclass(frozen=True, slots=True)
class Delivered(Event):
    """Answered: the bytes are in this transaction's calldata."""

    demand: Hash32
    lease: LeaseId


@dataclass(frozen=True, slots=True)
class Hastened(Event):
    """The client or a delegate needs what a stranger demanded: it is owed at `until` now."""

    demand: Hash32
    lease: LeaseId
    by: Address
    until: BlockNo


@dataclass(frozen=True, slots=True)
class Withheld(Event):
    """The clock ran out, or no answer can exist: the lease is convicted of silence."""

    demand: Hash32
    lease: LeaseId


@dataclass(frozen=True, slots=True)
class Collected(Event):
    """Coin of a demand's bond, and part of the reward, went to the demander."""

    demand: Hash32
    demander: Address
    coin: Wei
    reward: Amount


CLASSES: tuple[type[Event], ...] = (Demanded, Delivered, Hastened, Withheld, Collected)


def _wanted(values: tuple[Any, ...]) -> Wanted:
    kind, node, size = values
    return Wanted(Kind(kind), Hash32(node), size)


def _spot(values: tuple[Any, ...]) -> Spot:
    return Spot(*values)


CONVERTED: dict[str, Callable[[Any], Any]] = {"wanted": _wanted, "spot": _spot}
"""Arguments that are more than their ABI type, by name."""
