"""Outbound gossip queues that hold a burst, yet bound the bytes that a slow peer can pin.

Stock queues hold 32 frames and drop the 33rd in silence; a plain larger count would let one peer that
never reads pin (count x frame size) of memory.
"""

from __future__ import annotations

from collections import deque
from weakref import WeakSet

from libp2p.pubsub.pb import rpc_pb2
from libp2p.pubsub.rpc_queue import PriorityQueue, RpcQueue

FLOOR = 256 * 1024
"""Bytes that may wait for a peer whatever waits for others."""


class Pool:
    """The queues of one node.

    INVARIANT: beyond `FLOOR` of each, they hold `max_bytes` together: peers that read nothing, however many,
    pin no more, and those that read keep their floor.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._queues: WeakSet[ByteBoundQueue] = WeakSet()

    def add(self, queue: ByteBoundQueue) -> None:
        """Count a queue for as long as it is."""
        self._queues.add(queue)

    def has_room(self, more: int) -> bool:
        """Say whether some queue may hold so many more bytes beyond its floor."""
        held = sum(max(0, each.waiting_bytes - FLOOR) for each in self._queues)
        return held + more <= self._max_bytes


class ByteBoundQueue(PriorityQueue):
    """Rejects a frame when `max_size` frames or `max_bytes` bytes wait, or the pool has no room for it."""

    def __init__(self, max_size: int, max_bytes: int, pool: Pool) -> None:
        super().__init__(max_size)
        self.max_bytes = max_bytes
        self.waiting_bytes = 0
        self._pool = pool
        pool.add(self)

    def push(self, rpc: rpc_pb2.RPC, priority: bool = False) -> bool:
        """Queue `rpc`; False if it does not fit."""
        size = rpc.ByteSize()
        after = self.waiting_bytes + size
        if after > self.max_bytes or (after > FLOOR and not self._pool.has_room(min(size, after - FLOOR))):
            return False
        if not super().push(rpc, priority):
            return False
        self.waiting_bytes += size
        return True

    def pop(self) -> rpc_pb2.RPC | None:
        """Take the oldest frame, control frames first; None if none waits."""
        rpc = super().pop()
        if rpc is not None:
            self.waiting_bytes -= rpc.ByteSize()
        return rpc


def widen(queue: RpcQueue, max_size: int, max_bytes: int, pool: Pool) -> None:
    """Replace the storage of a stock queue, keeping what already waits in it."""
    wide = ByteBoundQueue(max_size, max_bytes, pool)
    old: PriorityQueue = queue._queue
    for source, priority in ((deque(old._priority), True), (deque(old._non_priority), False)):
        for rpc in source:
            wide.push(rpc, priority)
    queue._queue = wide
