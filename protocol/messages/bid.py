"""The bid: a provider's signed terms, which `Escrow.openLease` turns into a lease."""

from dataclasses import dataclass
from typing import ClassVar

from protocol.crypto import keccak256
from protocol.messages.fields import (
    U8,
    U64,
    Addr,
    Amount96,
    Block48,
    Blocks16,
    Blocks32,
    Bytes32,
)
from protocol.messages.message import Message
from protocol.types import Address, Amount, BidFlags, Hash32, InputError, LeaseClass, LeaseId, Verification

PACKED_BYTES = 192
_RESERVED = 8


@dataclass(frozen=True, slots=True)
class Bid(Message):
    """Terms of one lease. Spans are in units of the Escrow's clock, sums in the token's smallest unit."""

    TAG: ClassVar[int] = 1

    client: Addr
    rate_per_block: Amount96
    owner: Addr
    completion_fee: Amount96
    job_hash: Bytes32
    delegates: Bytes32
    """Zero, or `delegates_hash` of the addresses that may watch a private lease."""
    bond: Amount96
    capacity_nonce: U64
    """Bids that share one exclude each other: opening any spends it."""
    expiry: Block48
    """Last clock reading at which the bid can be opened."""
    start_deadline: Blocks32
    """From opening to `start`."""
    grace: Blocks16
    """Longest gap between heartbeats that is still paid."""
    max_blocks: Blocks32
    """Paid blocks that the deposit funds."""
    top_up_cap: Blocks32
    """Most paid blocks that top-ups can reach; at least `max_blocks`."""
    result_deadline: Blocks32
    """From start to `postResult`; job leases only."""
    challenge_window: Blocks32
    trace_allowance: Blocks32
    token: U8
    """Index in the token list that the deployment fixed."""
    lease_class: U8
    verification: U8
    flags: U8

    def check(self) -> None:
        """Refuse classes, kinds and flags that do not exist, and a cap below the funded blocks."""
        if self.lease_class not in set(LeaseClass):
            raise InputError(f"lease class {self.lease_class} does not exist")
        if self.verification not in set(Verification):
            raise InputError(f"verification kind {self.verification} does not exist")
        if self.flags & ~int(BidFlags.PRIVATE):
            raise InputError(f"bid flags {self.flags:#x} are unknown")
        if self.top_up_cap < self.max_blocks:
            raise InputError("top-up cap is below the funded blocks")

    def packed(self) -> bytes:
        """Return the six words that the contracts take."""
        return self.encode() + bytes(_RESERVED)

    @classmethod
    def from_packed(cls, words: bytes) -> "Bid":
        """Return the bid in six words, as `LeaseOpened` carries it."""
        if len(words) != PACKED_BYTES or any(words[-_RESERVED:]):
            raise InputError("packed bid is not six words with a zero tail")
        return cls.decode(words[:-_RESERVED])

    def lease_id(self) -> LeaseId:
        """Return keccak256(owner, bidHash)."""
        return LeaseId(keccak256(self.owner + self.struct_hash()))

    def deposit(self) -> Amount:
        """Return what opening costs: the whole stream and the completion fee."""
        return Amount(self.rate_per_block * self.max_blocks + self.completion_fee)


def job_hash(program_root: Hash32, input_root: Hash32, item_count: int) -> Hash32:
    """Return what a bid names the job by: keccak256(abi.encode(programRoot, inputRoot, itemCount))."""
    return keccak256(program_root + input_root + item_count.to_bytes(32, "big"))


def delegates_hash(delegates: frozenset[Address]) -> Hash32:
    """Return the hash of a delegate set: keccak of the sorted addresses, or zero if there are none."""
    return keccak256(b"".join(sorted(delegates))) if delegates else Hash32(bytes(32))
