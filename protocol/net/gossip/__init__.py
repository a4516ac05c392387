"""Gossip: what a node says to everybody, validated at each hop before it is forwarded."""

from protocol.net.gossip.pubsub import GuardedPubsub
from protocol.net.gossip.router import new_router
from protocol.net.gossip.subscription import Message, Subscription

__all__ = ["GuardedPubsub", "Message", "Subscription", "new_router"]
