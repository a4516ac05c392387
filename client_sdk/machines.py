"""The client's two machines as the journaled loop has to know them."""

from typing import Any

from protocol.auction import auction
from protocol.lease import client, client_types
from protocol.runtime.machine import Machine

AUCTION, LEASE = "auction", "client-lease"

AUCTION_MACHINE: Machine[Any, Any, Any] = Machine(
    kind=AUCTION,
    states=auction.State,
    inputs=auction.Input,
    effects=auction.Effect,
    step=auction.step,
    ended=auction.ended,
)
LEASE_MACHINE: Machine[Any, Any, Any] = Machine(
    kind=LEASE,
    states=client_types.ClientLease,
    inputs=client_types.Input,
    effects=client_types.Effect,
    step=client.step,
    ended=client.ended,
    wanted=client.wanted,
    refused=client.refused,
)
