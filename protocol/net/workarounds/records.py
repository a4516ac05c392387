"""Signed peer records: verify a peer's only when it changed, and send our own only when it changed.

Stock pubsub attaches the record to every frame, rebuilds the address list for each, and verifies the
signature of each one received: more work than the message itself.
"""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

from libp2p.abc import IHost
from libp2p.peer.id import ID
from libp2p.peer.peerstore import env_to_send_in_RPC
from libp2p.pubsub import gossipsub, pubsub
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


_FRESH_S = 5.0
_own: WeakKeyDictionary[IHost, tuple[float, bytes]] = WeakKeyDictionary()


def own_record(host: IHost) -> tuple[bytes, bool]:
    """Return what `env_to_send_in_RPC` returns, looking for changed addresses every 5 s only."""
    now = time.monotonic()
    made, record = _own.get(host, (0.0, b""))
    if record and now - made < _FRESH_S:
        return record, False
    record, fresh = env_to_send_in_RPC(host)
    _own[host] = (now, record)
    return record, fresh


def reuse_own_record() -> None:
    """Have libp2p's pubsub and router use `own_record`; for the whole process, and idempotent."""
    for module in (gossipsub, pubsub):
        setattr(module, env_to_send_in_RPC.__name__, own_record)
