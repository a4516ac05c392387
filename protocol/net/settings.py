"""Every knob of the network, with the value that was measured to work."""

from __future__ import annotations

from dataclasses import dataclass, field

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class GossipSettings:
    """Limits of gossip. Rates are per second; each bucket holds `burst` seconds' worth."""

    max_message: int = 32 * KIB
    """Longest payload of one message, bytes."""
    max_rpc: int = 256 * KIB
    """Longest frame on a gossip stream, bytes."""
    max_age_s: int = 300
    """A message older than this by its author's clock is ignored; so is one as far in the future."""
    peer_frames: float = 300.0
    """Frames, and messages beyond the first of each."""
    peer_bytes: float = 2.0 * MIB
    author_messages: float = 20.0
    """Messages of one author on one topic."""
    burst_s: float = 5.0
    pending_per_peer: int = 64
    """Messages of one peer whose asynchronous validators may run at a time."""
    validate_timeout_s: float = 5.0
    queue: int = 4096
    """Messages waiting for a subscriber, and frames waiting for a peer."""
    queue_bytes: int = 8 * MIB
    """Bytes waiting for one peer."""
    all_queues_bytes: int = 64 * MIB
    """Bytes waiting for all peers, beyond 256 KiB for each."""
    degree: int = 4
    degree_low: int = 3
    degree_high: int = 8
    heartbeat_s: float = 1.0


@dataclass(frozen=True)
class StreamSettings:
    """Limits of streams that peers open to this node."""

    per_peer: int = 32
    total: int = 1024
    request_s: float = 10.0
    """A request must have arrived whole within this time of its first byte being awaited."""
    idle_s: float = 30.0
    """An artifact stream on which nothing was asked for this long is closed."""


@dataclass(frozen=True)
class NetSettings:
    """How one node takes part.

    `listen` are multiaddrs without a peer id (port 0: the system chooses). `announce` replaces them
    in what the node tells others (behind a port-forwarding router). `bootstrap` and `relays` carry
    /p2p/<peer id>. With `relay_for_others` the node forwards traffic of peers behind NAT.
    """

    listen: tuple[str, ...] = ("/ip4/127.0.0.1/tcp/0",)
    announce: tuple[str, ...] = ()
    bootstrap: tuple[str, ...] = ()
    relays: tuple[str, ...] = ()
    relay_for_others: bool = False
    max_peers: int = 200
    """Accepted connections that have shaken hands: those of the busiest site make room for others."""
    max_per_host: int = 64
    """Of these from one IPv4 address or IPv6 /64: many nodes may share a NAT."""
    handshakes: int = 256
    """Accepted connections that have not shaken hands yet: those of the busiest site make room for others."""
    dialled: int = 64
    """Connections that this node can dial however many are accepted."""
    dial_timeout_s: float = 10.0
    redial_first_s: float = 0.5
    redial_last_s: float = 60.0
    ban_s: float = 600.0
    gossip: GossipSettings = field(default_factory=GossipSettings)
    streams: StreamSettings = field(default_factory=StreamSettings)
