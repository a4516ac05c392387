"""What client and providers say to each other before a lease exists."""

from dataclasses import dataclass
from typing import ClassVar

from protocol.messages.bid import PACKED_BYTES, Bid
from protocol.messages.fields import (
    U8,
    U32,
    U64,
    Addr,
    ArtifactRef,
    Blob,
    Block48,
    Blocks32,
    Bytes32,
    Text,
    Texts,
)
from protocol.messages.message import Message
from protocol.types import Hash32, InputError, LeaseClass, Verification


@dataclass(frozen=True, slots=True)
class Offer(Message):
    """A client asks for bids. Signed by the network key that the client's peer id is, gossiped to all.

    Its EIP-712 digest is the offer's id; the sealing key is fresh per offer, so ids never repeat.
    """

    TAG: ClassVar[int] = 3

    client: Addr
    """Who will open the lease; may be a contract wallet with another network key."""
    seal_key: Bytes32
    """X25519 public key to which quotes are sealed."""
    job_hash: Bytes32
    spec: ArtifactRef
    token: U8
    lease_class: U8
    verification: U8
    flags: U8
    delegates: Bytes32
    item_count: U32
    item_fma: U64
    """Multiply-adds in one item."""
    item_elements: U64
    """Other tensor elements that one item writes."""
    memory_bytes: U64
    transfer_bytes: U64
    """Program and inputs together."""
    max_blocks: Blocks32
    """Longest lease the client will fund."""
    challenge_window: Blocks32
    min_bond_blocks: Blocks32
    """The bond must cover at least this many blocks at the bid's rate, beyond the token's reserve."""
    auction_ms: U32
    """How long the client collects quotes after sending this."""
    expiry: Block48
    """Clock reading after which nobody should bid or forward this."""
    device: Text
    """"any", "cpu" or "cuda"."""
    addrs: Texts
    """The client's multiaddrs."""

    def check(self) -> None:
        """Refuse enumerations that do not exist and an empty job."""
        if self.lease_class not in set(LeaseClass) or self.verification not in set(Verification):
            raise InputError("offer names a lease class or verification kind that does not exist")
        if self.item_count == 0 or self.max_blocks == 0:
            raise InputError("offer is for nothing")
        if self.device not in ("any", "cpu", "cuda"):
            raise InputError(f"offer asks for an unknown device {self.device[:20]!r}")


@dataclass(frozen=True, slots=True)
class Quote(Message):
    """A provider's answer to an offer: a signed bid and what it does not say. Signed by the operator."""

    TAG: ClassVar[int] = 4

    offer: Bytes32
    bid: Blob
    """The packed bid, 192 bytes."""
    bid_signature: Blob
    expected_ms: U64
    """Execution time that the provider expects."""
    energy_milliwatt_hours: U64
    energy_grade: U8
    grid_zone: Text
    carbon_milligrams: U64
    addrs: Texts

    def check(self) -> None:
        """Refuse bids and signatures of impossible length."""
        if len(self.bid) != PACKED_BYTES or len(self.bid_signature) != 65:
            raise InputError("quote carries a malformed bid")

    def terms(self) -> Bid:
        """Return the bid."""
        return Bid.from_packed(self.bid)


@dataclass(frozen=True, slots=True)
class Decline(Message):
    """A provider will not bid, and says why. Signed by the operator."""

    TAG: ClassVar[int] = 5

    offer: Bytes32
    owner: Addr
    reason: Text


@dataclass(frozen=True, slots=True)
class SealedAnswer(Message):
    """The envelope of a quote or decline, sealed to the offer's key so that rivals cannot read it."""

    TAG: ClassVar[int] = 6
    MAX_BYTES: ClassVar[int] = 8192

    offer: Bytes32
    box: Blob


def seal_context(offer: Hash32) -> bytes:
    """Return the context under which answers to `offer` are sealed."""
    return b"gavel answer" + offer
