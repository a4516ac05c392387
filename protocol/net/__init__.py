"""The network adapter: one libp2p node per process, bound to an Ethereum key.

    async with open_node(key, NetSettings(bootstrap=(...,))) as node:
        node.learn(provider, addrs_from_registration)
        async with await node.subscribe(topic(chain_id, escrow, "offers"), validator) as offers:
            async for sender, payload in offers:
                ...
        node.serve(protocol_id(chain_id, escrow, "bid"), handler, max_request=..., max_response=...)
        answer = await node.request(provider, protocol_id(...), payload, timeout_s=5)
        node.serve_artifacts(store, lambda peer, artifact: True)
        await node.fetch_artifact(store, artifact, [provider], max_size=1 << 30)

Every peer is named by its 20-byte Ethereum address, which its connection proves.
"""

from protocol.net.errors import (
    PeerBusyError,
    PeerProtocolError,
    PeerTimeoutError,
    PeerUnreachableError,
    RequestRefusedError,
)
from protocol.net.gossip import Message, Subscription
from protocol.net.metrics import NetMetrics
from protocol.net.node import Node, open_node
from protocol.net.peers import Peer
from protocol.net.requests import RequestHandler
from protocol.net.resolve import needs_look_up
from protocol.net.settings import GossipSettings, NetSettings, StreamSettings
from protocol.net.topics import TopicKind, protocol_id, topic
from protocol.net.transfer import (
    ArtifactSource,
    ArtifactStore,
    ArtifactTooLargeError,
    ArtifactUnavailableError,
    Patience,
    Progress,
    TooSlowError,
    WrongBytesError,
    patiently,
)
from protocol.net.verdict import Accept, Ignore, Reject, Validator, Verdict

__all__ = [
    "Accept",
    "ArtifactSource",
    "ArtifactStore",
    "ArtifactTooLargeError",
    "ArtifactUnavailableError",
    "GossipSettings",
    "Ignore",
    "Message",
    "NetMetrics",
    "NetSettings",
    "Node",
    "Patience",
    "Peer",
    "PeerBusyError",
    "PeerProtocolError",
    "PeerTimeoutError",
    "PeerUnreachableError",
    "Progress",
    "Reject",
    "RequestHandler",
    "RequestRefusedError",
    "StreamSettings",
    "Subscription",
    "TooSlowError",
    "TopicKind",
    "Validator",
    "Verdict",
    "WrongBytesError",
    "needs_look_up",
    "open_node",
    "patiently",
    "protocol_id",
    "topic",
]
