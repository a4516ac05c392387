"""libp2p's circuit relay v2, as the forwarding side, with its bookkeeping mended.

Stock, circuits are booked under a peer, not under themselves: when one of two clients of a node behind
NAT leaves, the other's circuit is cut too. Whoever asks may reserve a place in another's name. And whoever
says to be a relay may hand over connections, which nothing counts.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection

import trio
from libp2p.abc import IHost, INetStream
from libp2p.connection_types import ConnectionType
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage
from libp2p.relay.circuit_v2.protocol import CircuitV2Protocol
from libp2p.relay.circuit_v2.resources import RelayLimits
from multiaddr import Multiaddr

from protocol.net.guard import reset

CIRCUIT_S = 3600
CIRCUIT_BYTES = 2 << 30
"""Both ways together: a job's artifacts and the talk around them."""
CIRCUITS = 16
"""Per node behind NAT."""
RESERVATIONS = 64
_PIECE = 64 * 1024


Door = Callable[[RawConnection, Multiaddr], Awaitable[None]]
"""Serves a connection until it is closed."""


def relay_service(host: IHost, door: Door, relays: Collection[ID], *, forward: bool) -> CircuitV2Protocol:
    """Return the service that takes connections from `relays`; with `forward` it carries those of others."""
    return BookedRelay(host, door, relays, forward)


class BookedRelay(CircuitV2Protocol):
    """A relay whose circuits end each by itself, and a node that only its own relays hand connections to."""

    def __init__(self, host: IHost, door: Door, relays: Collection[ID], forward: bool) -> None:
        limits = RelayLimits(CIRCUIT_S, CIRCUIT_BYTES, CIRCUITS, RESERVATIONS)
        super().__init__(host, limits, allow_hop=forward)
        self._door = door
        self._relays = relays

    async def _handle_stop_stream(self, stream: INetStream) -> None:
        if stream.muxed_conn.peer_id not in self._relays:
            await reset(stream)
            return
        await super()._handle_stop_stream(stream)

    async def handle_incoming_connection(self, stream: INetStream, remote_peer_id: bytes) -> None:
        """Serve a connection that a relay hands over until it is closed."""
        where = Multiaddr(f"/p2p/{stream.muxed_conn.peer_id}/p2p-circuit/p2p/{ID(remote_peer_id)}")
        await self._door(RawConnection(stream, False, ConnectionType.RELAYED, [where]), where)

    async def _handle_reserve(self, stream: INetStream, msg: HopMessage) -> None:
        msg.ClearField("peer")  # the connection says whose reservation it is
        await super()._handle_reserve(stream, msg)

    async def _relay_data(
        self,
        src_stream: INetStream,
        dst_stream: INetStream,
        peer_id: ID,
        deadline: float | None = None,
        circuit_data_limit: list[int] | None = None,
    ) -> None:
        left = circuit_data_limit if circuit_data_limit is not None else [CIRCUIT_BYTES]
        seconds = CIRCUIT_S if deadline is None else deadline - time.monotonic()
        self._active_relays.pop(peer_id, None)
        try:
            with trio.move_on_after(max(0.0, seconds)):
                while data := await src_stream.read(_PIECE):
                    left[0] -= len(data)
                    if left[0] < 0:
                        return
                    await dst_stream.write(data)
        except Exception:
            return
        finally:
            # A multiplexed, encrypted connection has no use for one direction alone.
            await reset(src_stream)
            await reset(dst_stream)
