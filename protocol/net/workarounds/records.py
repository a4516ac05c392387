"""Signed peer records: verify a peer's only when it changed, and send our own only when it changed.

Stock pubsub attaches the record to every frame, rebuilds the address list for each, and verifies the
signature of each one received: more work than the message itself.
"""

from __future__ import annotations

from libp2p.abc import IHost
from libp2p.peer.id import ID
from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.utils import maybe_consume_signed_record


class RecordCache:
    """Remembers the last good record of each connected peer; one entry a peer."""

    def __init__(self, host: IHost) -> None:
        self._host = host
        self._last: dict[ID, bytes] = {}

    def admit(self, rpc: rpc_pb2.RPC, peer: ID) -> bool:
        """Check and strip the record of a frame; False if it is invalid."""
        if not rpc.HasField("senderRecord"):
            return True
        raw = bytes(rpc.senderRecord)
        if self._last.get(peer) != raw:
            if not maybe_consume_signed_record(rpc, self._host, peer):
                return False
            self._last[peer] = raw
        rpc.ClearField("senderRecord")  # the router would verify it again
        return True

    def forget(self, peer: ID) -> None:
        """Drop what is remembered about a peer that left."""
        self._last.pop(peer, None)
