"""Outbound gossip queues that hold a burst, yet bound the bytes that a slow peer can pin.

Stock queues hold 32 frames and drop the 33rd in silence; a plain larger count would let one peer that
never reads pin (count x frame size) of memory.
"""

from __future__ import annotations

from collections import deque

from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.rpc_queue import PriorityQueue, RpcQueue


class ByteBoundQueue(PriorityQueue):
    """Rejects a frame when either `max_size` frames or `max_bytes` bytes wait."""

    def __init__(self, max_size: int, max_bytes: int) -> None:
        super().__init__(max_size)
        self.max_bytes = max_bytes
        self.waiting_bytes = 0

    def push(self, rpc: rpc_pb2.RPC, priority: bool = False) -> bool:
        """Queue `rpc`; False if it does not fit."""
        size = rpc.ByteSize()
        if self.waiting_bytes + size > self.max_bytes or not super().push(rpc, priority):
            return False
        self.waiting_bytes += size
        return True

    def pop(self) -> rpc_pb2.RPC | None:
        """Take the oldest frame, control frames first; None if none waits."""
        rpc = super().pop()
        if rpc is not None:
            self.waiting_bytes -= rpc.ByteSize()
        return rpc


def widen(queue: RpcQueue, max_size: int, max_bytes: int) -> None:
    """Replace the storage of a stock queue, keeping what already waits in it."""
    wide = ByteBoundQueue(max_size, max_bytes)
    old: PriorityQueue = queue._queue
    for source, priority in ((deque(old._priority), True), (deque(old._non_priority), False)):
        for rpc in source:
            wide.push(rpc, priority)
    queue._queue = wide
