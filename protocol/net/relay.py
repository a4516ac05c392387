"""Nodes behind NAT: a place reserved at a relay, and dialling through one (circuit relay v2).

A relay forwards bytes of a connection that the two ends encrypt and authenticate between themselves
with Noise: it can cut it, but not read or change it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio
from libp2p.abc import IHost, INetStream
from libp2p.connection_types import ConnectionType
from libp2p.custom_types import TProtocol
from libp2p.network.connection.raw_connection import RawConnection
from libp2p.peer.id import ID
from libp2p.relay.circuit_v2.pb.circuit_pb2 import HopMessage, Status
from libp2p.relay.circuit_v2.pb.circuit_pb2 import PeerId as CircuitPeer
from libp2p.relay.circuit_v2.utils import read_delimited_msg, write_delimited_msg
from multiaddr import Multiaddr

from protocol.net.errors import PeerUnreachableError
from protocol.net.framing import deadline
from protocol.net.guard import reset

logger = logging.getLogger(__name__)

CIRCUIT = "/p2p-circuit"
_HOP = TProtocol("/libp2p/circuit/relay/0.2.0/hop")
_ANSWER_S = 10.0
_RETRY_FIRST_S = 0.2
_RETRY_LAST_S = 30.0
_RENEW_S = (30.0, 1800.0)
"""Least and most between two renewals, however wrong a relay's clock is."""


def is_circuit(addr: str) -> bool:
    """Say whether a multiaddr leads through a relay."""
    return CIRCUIT in addr


async def dial_circuit(host: IHost, relay: ID, peer: ID) -> None:
    """Connect to `peer` through `relay`, which is connected. Raises PeerUnreachableError."""
    stream = await host.new_stream(relay, [_HOP])
    try:
        answer = await _ask(stream, HopMessage(type=HopMessage.CONNECT, peer=CircuitPeer(id=peer.to_bytes())))
        if answer.status != Status.OK:
            raise PeerUnreachableError(f"relay {relay} says {Status.Name(answer.status)}")
        where = Multiaddr(f"/p2p/{relay}{CIRCUIT}/p2p/{peer}")
        raw = RawConnection(stream, True, ConnectionType.RELAYED, [where])
        await host.upgrade_outbound_connection(raw, peer)
    except BaseException:
        await reset(stream)
        raise


async def reserve(host: IHost, relay: ID) -> float:
    """Ask a connected relay for a place; return for how many seconds. Raises PeerUnreachableError."""
    stream = await host.new_stream(relay, [_HOP])
    try:
        answer = await _ask(stream, HopMessage(type=HopMessage.RESERVE))
    finally:
        await reset(stream)
    if answer.status != Status.OK:
        raise PeerUnreachableError(f"relay {relay} says {Status.Name(answer.status)}")
    return max(0.0, answer.reservation.expire - time.time())


async def _ask(stream: INetStream, question: HopMessage) -> HopMessage:
    async with deadline(_ANSWER_S, "the relay's answer"):
        await write_delimited_msg(stream, question)
        return await read_delimited_msg(stream, HopMessage)


@dataclass
class Reservations:
    """Keeps a place at each relay that the settings name; `addrs` are those that hold."""

    host: IHost
    reach: Callable[[str], Awaitable[ID]]
    wait_changed: Callable[[], Awaitable[None]]

    def __post_init__(self) -> None:
        self.addrs: dict[str, str] = {}

    async def keep(self, relay: str) -> None:
        """Reserve at `relay` (a multiaddr), renew in time, and again after each loss; for ever."""
        wait = _RETRY_FIRST_S
        while True:
            try:
                peer = await self.reach(relay)
                seconds = await reserve(self.host, peer)
            except Exception as error:
                logger.info("no place at relay %s: %s", relay, error)
                self.addrs.pop(relay, None)
                await trio.sleep(wait)
                wait = min(2 * wait, _RETRY_LAST_S)
                continue
            wait = _RETRY_FIRST_S
            self.addrs[relay] = f"{relay}{CIRCUIT}/p2p/{self.host.get_id()}"
            least, most = _RENEW_S
            with trio.move_on_after(min(max(seconds / 2, least), most)):
                while self.host.get_network().get_connections(peer):
                    await self.wait_changed()
                self.addrs.pop(relay, None)
