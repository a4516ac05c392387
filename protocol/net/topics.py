"""Names of gossip topics and stream protocols: one set per chain and escrow contract."""

from __future__ import annotations

from typing import Literal

from protocol.types import Address
from protocol.types.errors import InputError

TopicKind = Literal["offers", "bids", "beats"]


def topic(chain_id: int, escrow: Address, kind: TopicKind) -> str:
    """Return the gossip topic `gavel/1/<chain id>/<escrow, lower-case hex>/<kind>`."""
    return f"gavel/1/{_market(chain_id, escrow)}/{kind}"


def protocol_id(chain_id: int, escrow: Address, name: str) -> str:
    """Return the stream protocol id `/gavel/1/<chain id>/<escrow, lower-case hex>/<name>`.

    A node that serves two deployments thus keeps their requests apart.
    """
    return f"/gavel/1/{_market(chain_id, escrow)}/{name}"


def _market(chain_id: int, escrow: Address) -> str:
    if chain_id <= 0:
        raise InputError(f"chain id {chain_id} is not positive")
    if len(escrow) != 20:
        raise InputError(f"an escrow address has 20 bytes, not {len(escrow)}")
    return f"{chain_id}/0x{bytes(escrow).hex()}"
