"""Events of Audits as frozen records, named after the contract's events."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protocol.chain.event import Event
from protocol.dispute.audits import Stage
from protocol.types import Address, Amount, BlockNo, Hash32, LeaseId


@dataclass(frozen=True, slots=True)
class Enrolled(Event):
    """An auditor joined the list."""

    auditor: Address
    place: int


@dataclass(frozen=True, slots=True)
class Left(Event):
    """An auditor left it, or was put out; the last one took its place."""

    auditor: Address
    place: int


@dataclass(frozen=True, slots=True)
class StakeTaken(Event):
    """What was left of an auditor's stake was paid."""

    auditor: Address
    to: Address
    amount: Amount


@dataclass(frozen=True, slots=True)
class Ordered(Event):
    """So many auditors were paid for, at `fee` each."""

    lease: LeaseId
    by_client: bool
    payer: Address
    tasks: int
    fee: Amount


@dataclass(frozen=True, slots=True)
class Called(Event):
    """The hash of `draw_block` draws, if it is used by clock reading `until`."""

    lease: LeaseId
    by_client: bool
    draw_block: BlockNo
    until: BlockNo


@dataclass(frozen=True, slots=True)
class Drawn(Event):
    """The item; commitments are taken until clock reading `commit_until`."""

    lease: LeaseId
    by_client: bool
    item: int
    commit_until: BlockNo


@dataclass(frozen=True, slots=True)
class Assigned(Event):
    """An auditor was drawn for a task."""

    lease: LeaseId
    by_client: bool
    auditor: Address
    task: int


@dataclass(frozen=True, slots=True)
class Committed(Event):
    """By an auditor, or for the provider by its owner's address."""

    lease: LeaseId
    by_client: bool
    by: Address


@dataclass(frozen=True, slots=True)
class Abstained(Event):
    """An auditor gave its task up: it could not get the job, or not run it in time."""

    lease: LeaseId
    by_client: bool
    auditor: Address


@dataclass(frozen=True, slots=True)
class Revealed(Event):
    """The same; what the run came to."""

    lease: LeaseId
    by_client: bool
    by: Address
    trace_root: Hash32
    item_root: Hash32


@dataclass(frozen=True, slots=True)
class Reached(Event):
    """The audit is contested, silent or over."""

    lease: LeaseId
    by_client: bool
    stage: Stage


@dataclass(frozen=True, slots=True)
class Earned(Event):
    """An auditor earned the fee of its task."""

    lease: LeaseId
    auditor: Address
    fee: Amount


@dataclass(frozen=True, slots=True)
class Returned(Event):
    """The fee of a task went back to who paid for it."""

    lease: LeaseId
    payer: Address
    fee: Amount


@dataclass(frozen=True, slots=True)
class Burnt(Event):
    """Stake of an auditor burnt."""

    auditor: Address
    amount: Amount


@dataclass(frozen=True, slots=True)
class RewardTaken(Event):
    """An auditor was paid its part of a conviction's reward."""

    lease: LeaseId
    auditor: Address
    amount: Amount


@dataclass(frozen=True, slots=True)
class Withdrawn(Event):
    """Fees and refunds were paid out."""

    account: Address
    token: int
    to: Address
    amount: Amount


CLASSES: tuple[type[Event], ...] = (
    Enrolled,
    Left,
    StakeTaken,
    Ordered,
    Called,
    Drawn,
    Assigned,
    Committed,
    Abstained,
    Revealed,
    Reached,
    Earned,
    Returned,
    Burnt,
    RewardTaken,
    Withdrawn,
)

CONVERTED: dict[str, Callable[[Any], Any]] = {"stage": Stage}
"""Arguments that are more than their ABI type, by name."""
