"""libp2p's circuit relay v2, as the forwarding side, with its bookkeeping mended.

Stock, circuits are booked under a peer, not under themselves: when one of two clients of a node behind
NAT leaves, the other's circuit is cut too. And whoever asks may reserve a place in another's name.
"""

from __future__ import annotations

import time

import trio
from libp2p.abc import IHost, INetStream
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage
from libp2p.relay.circuit_v2.protocol import CircuitV2Protocol
from libp2p.relay.circuit_v2.resources import RelayLimits

from protocol.net.guard import reset

CIRCUIT_S = 3600
CIRCUIT_BYTES = 2 << 30
"""Both ways together: a job's artifacts and the talk around them."""
CIRCUITS = 16
"""Per node behind NAT."""
RESERVATIONS = 64
_PIECE = 64 * 1024


def relay_service(host: IHost, *, forward: bool) -> CircuitV2Protocol:
    """Return the service that accepts relayed connections and, with `forward`, carries those of others."""
    limits = RelayLimits(CIRCUIT_S, CIRCUIT_BYTES, CIRCUITS, RESERVATIONS)
    return BookedRelay(host, limits, allow_hop=forward)


class BookedRelay(CircuitV2Protocol):
    """A relay whose circuits end each by itself."""

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
