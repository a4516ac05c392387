"""What audits are made of. Records have the fields of `AuditTypes.sol`; hashes and sums are its."""

from dataclasses import dataclass
from enum import IntEnum

from protocol.crypto import keccak256
from protocol.dispute.delivery import PostedItem
from protocol.messages import Bid
from protocol.types import ZERO_HASH, Address, Amount, BlockNo, Blocks, Hash32, LeaseId

MOST_TASKS = 8
"""Auditors of one audit."""


class Stage(IntEnum):
    """Where an audit stands."""

    NONE = 0
    CALLED = 1
    DRAWN = 2
    CONTESTED = 3
    SILENT = 4
    OVER = 5


class Answer(IntEnum):
    """What the provider has done in an audit."""

    NONE = 0
    COMMITTED = 1
    REVEALED = 2


class Part(IntEnum):
    """Where one auditor's part of an audit stands."""

    NONE = 0
    ORDERED = 1
    ASSIGNED = 2
    COMMITTED = 3
    REVEALED = 4
    ACCUSING = 5
    REWARDED = 6
    DONE = 7


@dataclass(frozen=True, slots=True)
class Roots:
    """What a run of one item came to: its trace's root (zero without inner nodes), and the item's own."""

    trace: Hash32
    item: Hash32

    @property
    def found(self) -> Hash32:
        """What the contract compares."""
        return keccak256(self.trace + self.item)

    @property
    def stated(self) -> Hash32:
        """The item's root as it is stated with a commitment; zero where there is nothing else to seal."""
        return ZERO_HASH if self.trace == ZERO_HASH else self.item


@dataclass(frozen=True, slots=True)
class Audit:
    """An audit as the contract stores it."""

    stage: Stage
    answer: Answer
    tasks: int
    assigned: int
    committed: int
    opened: int
    inner: int
    outputs: int
    items: int
    item: int
    called_at: BlockNo
    commit_until: BlockNo
    draw_block: BlockNo
    seed: Hash32
    """Of the draw; zero before it. It names the draw, so every answer names it."""
    found: Hash32

    @property
    def cause(self) -> str:
        """What moves in this audit answer, for effects' names: a move in another draw is another effect."""
        return f"{self.draw_block} {self.seed.hex()}"


@dataclass(frozen=True, slots=True)
class Opening:
    """What the provider opens its commitment with: all that a game about the item takes of the outputs.

    `end`: the trace's last inner node and its siblings upwards; empty without inner nodes.
    """

    trace: Hash32
    posted: PostedItem
    end: tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """One auditor's part of an audit."""

    payer: Address
    part: Part
    auditor: Address
    found: Hash32
    """What it revealed, as in `Audit`; before that, `bound`."""
    late: bool = False
    """Whether what the item comes to was public when it committed: agreeing with it is not paid."""


@dataclass(frozen=True, slots=True)
class AuditClocks:
    """Spans that a deployment fixed, in units of its clock."""

    draw: Blocks
    commit: Blocks
    reveal: Blocks
    contest: Blocks
    game_span: Blocks
    """Longest that a game can last, beside what its lease's length adds."""


def commitment(roots: Roots, account: Address, lease: LeaseId, seed: Hash32, salt: Hash32) -> Hash32:
    """Bind `account` (an auditor, or the owner of the lease's provider) to what its run came to."""
    return keccak256(roots.trace + roots.item + account.rjust(32, b"\0") + lease + seed + salt)


def bound(sealed: Hash32, roots: Roots) -> Hash32:
    """Return what the contract keeps of an auditor's commitment: the stated item root is bound, too."""
    return keccak256(sealed + roots.stated)


def fee_of(bid: Bid, items: int, percent: int, fixed: Amount) -> Amount:
    """The price of one auditor, rounded up: a percentage of an item's price, and a fixed sum."""
    return Amount(-(-bid.deposit() * percent // (100 * items)) + fixed)


def dearest_deposit(cap: Amount, tasks: int, items: int, percent: int, fixed: Amount) -> Amount:
    """Return the dearest deposit that leaves enough of `cap` for so many auditors; below zero: none does."""
    left = cap - tasks * (fixed + 1)  # each fee is rounded up
    return Amount(left * 100 * items // (100 * items + tasks * percent))


def span_of(clocks: AuditClocks, allowance: Blocks, by_client: bool, redrawn: bool = False) -> Blocks:
    """How much of a window an audit needs, with the opening of a game; `redrawn`: once more (RULES 14)."""
    draws = clocks.draw * (2 if redrawn else 1)
    commits = clocks.commit + allowance * (1 if by_client else 2)
    return Blocks(draws + commits + clocks.reveal + clocks.contest)


def list_reading(bid: Bid, started_at: BlockNo) -> BlockNo:
    """Return the reading whose list an audit draws from: before the lease can have been opened (RULES 25)."""
    return BlockNo(started_at - bid.start_deadline - 1)


def may_draw(since: BlockNo, left_at: BlockNo, bid: Bid, started_at: BlockNo, called_at: BlockNo) -> bool:
    """Say whether an audit can draw who enrolled at `since` (0: never) and left at `left_at` (0: not)."""
    return 0 < since <= list_reading(bid, started_at) and (left_at == 0 or left_at >= called_at)
