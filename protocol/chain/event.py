"""What all events of our contracts have."""

from dataclasses import dataclass

from protocol.types import Address, BlockNo, Hash32


@dataclass(frozen=True, slots=True)
class At:
    """Where in the chain an event stands."""

    block: BlockNo
    """The chain's block number (not the Escrow's clock where that counts seconds)."""
    block_hash: Hash32
    index: int
    """Of the log in its block."""
    tx: Hash32
    contract: Address


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""

    at: At
