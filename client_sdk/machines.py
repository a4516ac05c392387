"""The client's two machines as the journaled loop has to know them."""

from typing import Any

from protocol.auction import auction
from protocol.lease import client, client_types
from protocol.runtime.machine import Machine


def with_unread(body: Any) -> Any:
    """From version 1 to 2: whether an owner's history was read is told. Before, a ranking waited for it."""
    if isinstance(body, dict):
        return {name: with_unread(each) for name, each in body.items()}
    if not isinstance(body, (list, tuple)):
        return body
    found = [with_unread(each) for each in body]
    if len(found) == 2 and found[0] == "Standing" and isinstance(found[1], dict):
        found[1] = {"unread": False} | found[1]
    return found


AUCTION, LEASE = "auction", "client-lease"

AUCTION_MACHINE: Machine[Any, Any, Any] = Machine(
    kind=AUCTION,
    states=auction.State,
    inputs=auction.Input,
    effects=auction.Effect,
    step=auction.step,
    ended=auction.ended,
    version=2,
    migrations=((1, with_unread),),
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
