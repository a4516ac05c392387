"""Events of Escrow and Staking as frozen records, named after the contracts' events; and decoding of all."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protocol.chain import audit_events, delivery_events, dispute_events
from protocol.chain.calls import Log
from protocol.chain.codec import Abi
from protocol.chain.event import At, Event
from protocol.chain.views import LeaseState
from protocol.messages import Bid
from protocol.types import Address, Amount, BlockNo, Blocks, BrokenInvariant, Hash32, InputError, LeaseId


@dataclass(frozen=True, slots=True)
class LeaseOpened(Event):
    """The award: the bid became a lease."""

    lease: LeaseId
    owner: Address
    client: Address
    bid: Bid


@dataclass(frozen=True, slots=True)
class Started(Event):
    """The provider runs; the stream begins at clock reading `reading`."""

    lease: LeaseId
    reading: BlockNo


@dataclass(frozen=True, slots=True)
class Beat(Event):
    """The leases of one provider whose heartbeat counted."""

    owner: Address
    leases: tuple[LeaseId, ...]


@dataclass(frozen=True, slots=True)
class ToppedUp(Event):
    """`payer` funded `blocks` more blocks."""

    lease: LeaseId
    payer: Address
    blocks: Blocks
    amount: Amount


@dataclass(frozen=True, slots=True)
class Withdrawn(Event):
    """The owner was paid; `withdrawn_blocks` in all so far."""

    lease: LeaseId
    owner: Address
    withdrawn_blocks: Blocks
    amount: Amount


@dataclass(frozen=True, slots=True)
class Closing(Event):
    """The client closed a running job: a result must be posted at `deadline` at the latest."""

    lease: LeaseId
    deadline: BlockNo


@dataclass(frozen=True, slots=True)
class ResultPosted(Event):
    """The result, written once at clock reading `reading`."""

    lease: LeaseId
    output_root: Hash32
    reading: BlockNo


@dataclass(frozen=True, slots=True)
class Ended(Event):
    """The lease ended; `seized` of the bond went into what owner and client were credited."""

    lease: LeaseId
    outcome: LeaseState
    to_owner: Amount
    to_client: Amount
    seized: Amount
    burnt: Amount


@dataclass(frozen=True, slots=True)
class Convicted(Event):
    """A judge convicted the result."""

    lease: LeaseId
    judge: Address
    reward: Amount


@dataclass(frozen=True, slots=True)
class Seated(Event):
    """At deployment: `judge` decides leases of `kind` for ever."""

    judge: Address
    kind: int


@dataclass(frozen=True, slots=True)
class Frozen(Event):
    """A judge holds the lease; `freezes` games and demands are open now."""

    lease: LeaseId
    freezes: int


@dataclass(frozen=True, slots=True)
class FeeBurnt(Event):
    """The client burnt `fee` of its credits, and with it the completion fee of the same size."""

    lease: LeaseId
    fee: Amount


@dataclass(frozen=True, slots=True)
class Released(Event):
    """A judge let go of the lease once."""

    lease: LeaseId
    freezes: int


@dataclass(frozen=True, slots=True)
class NonceCancelled(Event):
    """No bid with this capacity nonce can be opened."""

    owner: Address
    nonce: int


@dataclass(frozen=True, slots=True)
class OperatorSet(Event):
    """The key that acts for `owner` from now on; zero: none."""

    owner: Address
    operator: Address


@dataclass(frozen=True, slots=True)
class ProviderRegistered(Event):
    """What a provider says about itself (the contract's `Registered`)."""

    owner: Address
    operator: Address
    registration: bytes


@dataclass(frozen=True, slots=True)
class Deposited(Event):
    """Credits bought by `payer` for `account`."""

    token: int
    account: Address
    payer: Address
    amount: Amount


@dataclass(frozen=True, slots=True)
class CreditsWithdrawn(Event):
    """Credits of `account` paid out to `to`."""

    token: int
    account: Address
    to: Address
    amount: Amount


@dataclass(frozen=True, slots=True)
class Staked(Event):
    """Stake added."""

    owner: Address
    token: int
    amount: Amount


@dataclass(frozen=True, slots=True)
class CapsSet(Event):
    """The most that one lease, and all together, may lock of an owner's stake."""

    owner: Address
    token: int
    max_per_lease: Amount
    max_locked: Amount


@dataclass(frozen=True, slots=True)
class Unbonding(Event):
    """`amount` in all waits; it is free once the clock has passed `release_at`."""

    owner: Address
    token: int
    amount: Amount
    release_at: BlockNo


@dataclass(frozen=True, slots=True)
class Unbonded(Event):
    """Stake paid out."""

    owner: Address
    token: int
    to: Address
    amount: Amount


@dataclass(frozen=True, slots=True)
class Slashed(Event):
    """Stake lost."""

    owner: Address
    token: int
    seized: Amount
    burnt: Amount


_CLASSES: dict[tuple[str, str], type[Event]] = {
    ("Escrow", "Registered"): ProviderRegistered,
    **{
        ("Escrow", cls.__name__): cls
        for cls in (
            LeaseOpened,
            Started,
            Beat,
            ToppedUp,
            Withdrawn,
            Closing,
            ResultPosted,
            Ended,
            Convicted,
            Seated,
            Frozen,
            FeeBurnt,
            Released,
            NonceCancelled,
            OperatorSet,
            Deposited,
            CreditsWithdrawn,
        )
    },
    **{("Staking", cls.__name__): cls for cls in (Staked, CapsSet, Unbonding, Unbonded, Slashed)},
    **{("Disputes", cls.__name__): cls for cls in dispute_events.CLASSES},
    **{("Delivery", cls.__name__): cls for cls in delivery_events.CLASSES},
    **{("Audits", cls.__name__): cls for cls in audit_events.CLASSES},
}
_CONVERTED: dict[str, dict[str, Callable[[Any], Any]]] = {
    "Escrow": {"bid": lambda words: Bid.from_packed(b"".join(words)), "outcome": LeaseState},
    "Disputes": dispute_events.CONVERTED,
    "Delivery": delivery_events.CONVERTED,
    "Audits": audit_events.CONVERTED,
}
"""By contract: an auditor's `place` in the list is no `place` in a trace."""
_RENAMED = {"leaseId": "lease", "leaseIds": "leases"}


def decode_event(abi: Abi, log: Log) -> Event | None:
    """Return the typed event of a log that a contract with `abi` made, or None for one we do not know."""
    found = abi.event(log.topics, log.data)
    if found is None or (cls := _CLASSES.get((abi.name, found[0].name))) is None:
        return None
    at = At(log.block, log.block_hash, log.index, log.tx, log.address)
    try:
        known = _CONVERTED.get(abi.name, {})
        return cls(at, **{_field(name): _value(known, name, value) for name, value in found[1].items()})
    except (TypeError, ValueError, InputError) as error:
        raise BrokenInvariant(f"{abi.name}.{found[0].name} does not decode: {error}") from error


def topic_of(abi: Abi, name: str) -> bytes:
    """Return the first topic of the event called `name` in the contract."""
    return next(topic for topic, entry in abi.events.items() if entry.name == name)


def _field(name: str) -> str:
    return _RENAMED.get(name) or "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def _value(known: dict[str, Callable[[Any], Any]], name: str, value: Any) -> Any:
    convert = known.get(name)
    return convert(value) if convert else value
