"""Counters of one node: plain integers that the runtime exports."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass
class NetMetrics:
    """Monotonic counters, except the two gauges at the end. Bytes are payload, not wire."""

    gossip_published: int = 0
    gossip_received: int = 0
    gossip_accepted: int = 0
    gossip_rejected: int = 0
    gossip_ignored: int = 0
    gossip_duplicates: int = 0
    gossip_rate_limited: int = 0
    gossip_dropped_slow_reader: int = 0
    gossip_malformed: int = 0
    requests_sent: int = 0
    requests_served: int = 0
    requests_refused: int = 0
    requests_timed_out: int = 0
    streams_refused: int = 0
    connections_refused: int = 0
    stream_faults: int = 0
    dials: int = 0
    dials_failed: int = 0
    peers_banned: int = 0
    artifact_bytes_sent: int = 0
    artifact_bytes_received: int = 0
    artifact_chunks_bad: int = 0
    peers_connected: int = 0
    peers_known: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return name -> value, names as they are exported."""
        return {field.name: int(getattr(self, field.name)) for field in fields(self)}
