"""The daemon's rooms. To add one, write it as a `Room` and name it here."""

from functools import partial

from provider_node.auditing.room import auditing
from provider_node.defence.room import defending
from provider_node.delivery.room import delivering
from provider_node.introduced import Introduced
from provider_node.leasing import leasing
from provider_node.parts import Parts
from provider_node.peers import follow_registrations
from provider_node.room import Room


def rooms(parts: Parts) -> tuple[Room, ...]:
    """Return every room, wired to the parts."""
    introduced = Introduced(
        parts.chain, parts.node, parts.identity.owner, parts.identity.owner_key is not None
    )
    registrations = Room(
        tasks=(partial(follow_registrations, parts.chain, parts.node), introduced.follow),
        status=introduced.status,
    )
    return (leasing(parts), defending(parts), delivering(parts), auditing(parts), registrations)
