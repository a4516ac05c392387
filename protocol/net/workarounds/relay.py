"""libp2p's circuit relay v2, as the forwarding side, with its bookkeeping mended.

Stock, circuits are booked under a peer, not under themselves: when one of two clients of a node behind
NAT leaves, the other's circuit is cut too. Whoever asks may reserve a place in another's name, places of
peers that left are kept for an hour, and whoever comes first has all places and circuits. And whoever says
to be a relay may hand over connections, which nothing counts.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, Collection

import trio
from libp2p.abc import IHost, INetStream
from libp2p.connection_types import ConnectionType
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage, Limit, Status, StopMessage
from libp2p.relay.circuit_v2.pb.circuit_pb2 import PeerId as CircuitPeer
from libp2p.relay.circuit_v2.protocol import STOP_PROTOCOL_ID, CircuitV2Protocol
from libp2p.relay.circuit_v2.protocol_buffer import StatusCode
from libp2p.relay.circuit_v2.resources import RelayLimits
from libp2p.relay.circuit_v2.utils import read_delimited_msg, write_delimited_msg
from multiaddr import Multiaddr

from protocol.net.guard import reset
from protocol.net.places import Places
from protocol.net.workarounds.hosts import site_of_conn

CIRCUIT_S = 3600
CIRCUIT_BYTES = 2 << 30
"""Both ways together: a job's artifacts and the talk around them."""
CIRCUITS = 16
"""Per node behind NAT."""
IDLE_S = 60.0
"""A circuit that carried nothing but pings for so long makes room for others."""
_PINGS = 64
"""Pieces up to this long are pings, one each 30 s of 30 bytes from either end."""
RESERVATIONS = 64
_PIECE = 64 * 1024
_STOP_S = 15.0
"""For the node behind NAT to take a circuit."""
_GOODBYE_S = 1.0
_READ_S = 0.5
"""For a refusal to be read before its stream is reset."""
_LIMIT = Limit(duration=CIRCUIT_S, data=CIRCUIT_BYTES)

logger = logging.getLogger(__name__)

Door = Callable[[RawConnection, Multiaddr], Awaitable[None]]
"""Serves a connection until it is closed."""


def relay_service(host: IHost, door: Door, relays: Collection[ID], *, forward: bool) -> CircuitV2Protocol:
    """Return the service that takes connections from `relays`; with `forward` it carries those of others."""
    return BookedRelay(host, door, relays, forward)


class _Circuit:
    """A connection that is carried; `used` is when it last carried anything."""

    def __init__(self) -> None:
        self.left = CIRCUIT_BYTES
        self.used = trio.current_time()
        self.over = trio.Event()


class _Circuits:
    """The circuits to one node behind NAT.

    INVARIANT: a site that holds few is not kept out by one that holds many, of which the newest leaves, and
    nobody by circuits that carry nothing. Keys are free and count for nothing.
    """

    def __init__(self) -> None:
        self._places: Places[_Circuit] = Places(CIRCUITS, CIRCUITS)
        self._open: list[_Circuit] = []

    def take(self, circuit: _Circuit, site: str) -> bool:
        """Give a place to a circuit, and end the one that has to leave for it; False if there is none."""
        if self._places.are_shut_to(site, site):
            idlest = min(self._open, key=lambda each: each.used)
            if circuit.used - idlest.used < IDLE_S:
                return False
            self._end(idlest)
        leaving = self._places.take(circuit, site, site)
        if leaving is not None:
            self._end(leaving)
        self._open.append(circuit)
        return True

    def leave(self, circuit: _Circuit) -> None:
        """Free the place of a circuit, if it has one."""
        self._places.leave(circuit)
        if circuit in self._open:
            self._open.remove(circuit)

    def end_all(self) -> None:
        """End every circuit."""
        while self._open:
            self._end(self._open[-1])

    def _end(self, circuit: _Circuit) -> None:
        self.leave(circuit)
        circuit.over.set()


class BookedRelay(CircuitV2Protocol):
    """A relay whose circuits end each by itself, and a node that only its own relays hand connections to.

    INVARIANT: a place ends with its peer's connection, and is taken from the newest of the site that has most
    for a newcomer of a site that has fewer. Whose place is taken is disconnected, and knows by that.
    """

    def __init__(self, host: IHost, door: Door, relays: Collection[ID], forward: bool) -> None:
        # The library's own limits let whoever comes first have all.
        limits = RelayLimits(CIRCUIT_S, CIRCUIT_BYTES, sys.maxsize, sys.maxsize)
        super().__init__(host, limits, allow_hop=forward)
        self._door = door
        self._relays = relays
        self._places: Places[ID] = Places(RESERVATIONS, RESERVATIONS)
        self._circuits: dict[ID, _Circuits] = {}
        """Those of each peer that has a place."""

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
        peer = stream.muxed_conn.peer_id
        for known in tuple(self._circuits):
            if self.resource_manager.get_reservation(known) is None:  # its time is over, or it has left
                self._end_place(known)
        leaving = None
        if peer not in self._circuits:
            site = site_of_conn(stream.muxed_conn)
            leaving = self._places.take(peer, site, site)
            if leaving == peer:
                await self._send_status(stream, StatusCode.RESOURCE_LIMIT_EXCEEDED, "no place")
                return
            self._circuits[peer] = _Circuits()
            self.resource_manager.reserve(peer)
        if leaving is not None:
            self._end_place(leaving)
            await self._send_away(leaving)
        await super()._handle_reserve(stream, msg)

    def _end_place(self, peer: ID) -> None:
        self._places.leave(peer)
        self._circuits.pop(peer).end_all()
        self.resource_manager._reservations.pop(peer, None)

    async def _send_away(self, peer: ID) -> None:
        with trio.move_on_after(_GOODBYE_S):
            try:
                await self.host.disconnect(peer)
            except Exception as error:
                logger.debug("could not close the connection of %s: %r", peer, error)

    async def _handle_connect(self, stream: INetStream, msg: HopMessage) -> None:
        target, conn = ID(msg.peer.id), stream.muxed_conn
        circuits = self._circuits.get(target)
        if circuits is None or self.resource_manager.get_reservation(target) is None:
            await self._refuse(stream, StatusCode.NO_RESERVATION)
            return
        circuit = _Circuit()
        if not circuits.take(circuit, site_of_conn(conn)):
            await self._refuse(stream, StatusCode.RESOURCE_LIMIT_EXCEEDED)
            return
        onward: INetStream | None = None
        try:
            with trio.fail_after(_STOP_S):
                onward = await self.host.new_stream(target, [STOP_PROTOCOL_ID])
                await _hand_over(onward, conn.peer_id)
            await self._send_status(stream, StatusCode.OK, "", _LIMIT)
            await _carry(circuit, stream, onward)
        except Exception as error:
            logger.debug("no circuit to %s: %r", target, error)
            await self._refuse(stream, StatusCode.CONNECTION_FAILED)
        finally:
            circuits.leave(circuit)
            if onward is not None:
                await reset(onward)

    async def _refuse(self, stream: INetStream, code: StatusCode) -> None:
        await self._send_status(stream, code, "")
        await trio.sleep(_READ_S)
        await reset(stream)


async def _hand_over(onward: INetStream, asker: ID) -> None:
    """Offer the node behind NAT a connection. Raises ConnectionError if it does not want it."""
    peer = CircuitPeer(id=asker.to_bytes())
    await write_delimited_msg(onward, StopMessage(type=StopMessage.CONNECT, peer=peer, limit=_LIMIT))
    answer = await read_delimited_msg(onward, StopMessage)
    if answer.status != Status.OK:
        raise ConnectionError(f"it says {answer.status}")


async def _carry(circuit: _Circuit, one: INetStream, other: INetStream) -> None:
    """Carry bytes both ways until either end, the circuit's time or its bytes are over, or it must leave."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_pump, circuit, one, other)
        nursery.start_soon(_pump, circuit, other, one)
        with trio.move_on_after(CIRCUIT_S):
            await circuit.over.wait()
        # Cancelling a write would leave half of it on a connection that others use. And a multiplexed,
        # encrypted connection has no use for one direction alone.
        await reset(one)
        await reset(other)


async def _pump(circuit: _Circuit, source: INetStream, target: INetStream) -> None:
    try:
        while data := await source.read(_PIECE):
            if len(data) > _PINGS:
                circuit.used = trio.current_time()
            circuit.left -= len(data)
            if circuit.left < 0:
                return
            await target.write(data)
    except Exception as error:
        logger.debug("a circuit ended: %r", error)
    finally:
        circuit.over.set()
