"""What the model knows: the contract's games, traces, sentences and coin, and what it needs of the Escrow."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from protocol.dispute.records import Conviction, Game, Place
from protocol.dispute.trace import Plan
from protocol.messages import Bid
from protocol.types import ZERO_HASH, Address, Hash32, LeaseId

GWEI = 10**9


@dataclass(frozen=True, slots=True)
class Terms:
    """What a deployment of the game fixes, and the reserves of the Escrow's tokens."""

    move_clock: int
    increment: int
    claim_period: int
    tip: int
    data_fee: int
    coin_prices: tuple[int, int, int, int]
    reserves: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lease:
    """A posted lease: `ran` clock units from start to posting, `advance` was withdrawn before it."""

    bid: Bid
    plan: Plan
    output_root: Hash32
    posted_at: int
    ran: int
    advance: int = 0
    freezes: int = 0
    convicted: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """What the contract stores of a game."""

    game: Game
    position: Hash32 = ZERO_HASH


@dataclass(frozen=True, slots=True)
class Sentence:
    """A lease's conviction. `fixed`: of the place's hash, until it is settled; then the reward."""

    how: Conviction = Conviction.NONE
    settled: bool = False
    won: bool = False
    since: int = 0
    claims: int = 0
    fixed: int = 0


NO_SENTENCE = Sentence()


@dataclass(frozen=True, slots=True)
class Guest:
    """The judge that found a lease silent: so many `shares` in `parts`, of which it has `taken` some."""

    judge: Address
    shares: int
    parts: int
    taken: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """Everything. `paid` is coin that left the contract, `shares` reward that did, both by receiver."""

    terms: Terms
    leases: Mapping[LeaseId, Lease]
    operators: Mapping[Address, Address]
    games: Mapping[Hash32, Stored] = field(default_factory=dict)
    traces: Mapping[Hash32, Hash32] = field(default_factory=dict)
    """Roots by case."""
    first_traced: Mapping[LeaseId, Hash32] = field(default_factory=dict)
    """The case whose trace is gone once its lease is convicted."""
    sentences: Mapping[LeaseId, Sentence] = field(default_factory=dict)
    seats: Mapping[Address, int] = field(default_factory=dict)
    """The Escrow's other judges, by the kind that they are seated for."""
    guests: Mapping[LeaseId, Guest] = field(default_factory=dict)
    places: Mapping[LeaseId, Place] = field(default_factory=dict)
    """Where leases were convicted, as `Judged` says."""
    coins: Mapping[Address, int] = field(default_factory=dict)
    held: int = 0
    """Coin in the contract."""
    credits: int = 0
    """Reward in the contract's name, not yet paid out."""
    paid: Mapping[Address, int] = field(default_factory=dict)
    shares: Mapping[Address, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """A call's sender and value, and the block it is in. Sums in wei.

    `balance`: what the sender holds while the call runs, beside the gas that it set aside.
    """

    sender: Address
    now: int
    value: int = 0
    base_fee: int = 0
    gas_price: int = 0
    balance: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """The contract reverts, with this error of its own, of the Escrow or of the Referee.

    Errors of the Referee are all named `Referee`.
    """

    error: str


class RefusedError(Exception):
    """Carries a `Refused` to `apply`; never leaves it."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.refused = Refused(error)


def refuse(error: str) -> NoReturn:
    """Revert with `Disputes_<error>`."""
    raise RefusedError(f"Disputes_{error}")


def require(holds: bool, error: str) -> None:
    """Revert with `Disputes_<error>` unless it holds."""
    if not holds:
        refuse(error)
