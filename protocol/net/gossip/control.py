"""What of a peer's control messages reaches the router, which trusts its input. Pure.

The router answers each GRAFT, and remembers each PRUNE for as long as its sender likes, whatever the topic: a
frame holds thousands of them, of topics that nobody knows.
"""

from collections.abc import Collection, Iterable

from libp2p.pubsub.pb import rpc_pb2

MAX_IDS = 64
"""Ids of messages that are looked at in one frame: what it leaves out, a later heartbeat offers again."""
MAX_BACK_OFF_S = 60
_IDS_PER_ENTRY = 16
"""Looking an id up costs little beside an entry."""
_COUNTED = 1_000
"""Above this nobody's rate allows the frame, and its ids are not even counted."""


def cost(control: rpc_pb2.ControlMessage) -> int:
    """Return how many frames control messages count as. What a node sends by itself counts as few."""
    naming = (control.ihave, control.iwant, control.idontwant)
    entries = len(control.graft) + len(control.prune) + sum(len(kind) for kind in naming)
    if entries > _COUNTED:
        return entries
    return entries + sum(len(each.messageIDs) for kind in naming for each in kind) // _IDS_PER_ENTRY


def tame(control: rpc_pb2.ControlMessage, joined: Collection[str]) -> rpc_pb2.ControlMessage:
    """Return what concerns topics that this node has joined: one entry of a kind for each, of bounded length.

    Nobody introduces others (`PRUNE.peers`), and what our protocol version does not know is left out.
    """
    found = rpc_pb2.ControlMessage()
    for topic in joined:
        if any(each.topicID == topic for each in control.graft):
            found.graft.add(topicID=topic)
        waits = [each.backoff for each in control.prune if each.topicID == topic]
        if waits:
            found.prune.add(topicID=topic, backoff=min(max(waits), MAX_BACK_OFF_S))
        if offered := _ids(each for each in control.ihave if each.topicID == topic):
            found.ihave.add(topicID=topic, messageIDs=offered)
    if wanted := _ids(control.iwant):
        found.iwant.add(messageIDs=wanted)
    return found


def _ids(entries: Iterable[rpc_pb2.ControlIHave | rpc_pb2.ControlIWant]) -> list[bytes]:
    """Different ids, the first `MAX_IDS` of them."""
    found: dict[bytes, None] = {}
    for entry in entries:
        for each in entry.messageIDs:
            found[each] = None
            if len(found) >= MAX_IDS:
                return list(found)
    return list(found)
