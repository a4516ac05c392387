"""A node: one key, one host, and everything that the roles do over the network."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager

import trio
from libp2p.abc import IHost, INetStream
from libp2p.custom_types import TProtocol
from libp2p.peer.id import ID
from libp2p.protocol_muxer.exceptions import MultiselectClientError
from libp2p.tools.anyio_service import background_trio_service

from protocol.net.book import AddressBook
from protocol.net.dialer import Dialer
from protocol.net.errors import PeerUnreachableError
from protocol.net.framing import deadline
from protocol.net.gossip import GuardedPubsub, Subscription, new_router
from protocol.net.guard import StreamGuard, reset
from protocol.net.host import build_host, parse_addr, quiet_library_logs, swarm_of
from protocol.net.identity import address_of, key_pair, parse_peer_id
from protocol.net.limits import Buckets
from protocol.net.metrics import NetMetrics
from protocol.net.peers import Peer, PeerTable
from protocol.net.relay import Reservations
from protocol.net.requests import RequestHandler, RequestServer, Served, ask
from protocol.net.resolve import concrete
from protocol.net.score import Fault, Scores
from protocol.net.settings import MIB, NetSettings
from protocol.net.transfer import PROTOCOL as ARTIFACTS
from protocol.net.transfer import Allow, ArtifactServer, ArtifactSource, ArtifactStore, Progress, fetch
from protocol.net.verdict import Validator
from protocol.net.workarounds.inbound import InboundDoor
from protocol.net.workarounds.relay import relay_service
from protocol.store.manifest import Manifest
from protocol.types import Address, ArtifactId
from protocol.types.errors import InputError

logger = logging.getLogger(__name__)

_HANG_UP_S = 2.0


class Node:
    """Made by `open_node`. All methods are for the trio thread that opened it."""

    def __init__(self, host: IHost, settings: NetSettings) -> None:
        self._host = host
        self._settings = settings
        self.metrics = NetMetrics()
        self._scores = Scores(settings.ban_s)
        self._peers = PeerTable(host.get_network(), self._scores, self.metrics)
        self._peers.on_ban = self._on_ban
        self._book = AddressBook(settings.redial_first_s, settings.redial_last_s)
        self._dialer = Dialer(host, self._book, self._peers, self.metrics, settings.dial_timeout_s)
        self._router = new_router(settings.gossip)
        self._pubsub = GuardedPubsub(host, self._router, settings.gossip, self.metrics, self._peers.blame)
        self._guard = StreamGuard(
            host._swarm_stream_handler,  # type: ignore[attr-defined]  # no public name for it
            settings.streams,
            self.metrics,
            self._peers.banned,
        )
        host.get_network().set_stream_handler(self._guard)
        swarm = swarm_of(host)
        self._door = InboundDoor(
            swarm, settings.max_per_host, settings.max_peers, settings.handshakes, self.metrics
        )
        swarm._handle_inbound_connection = self._door.handle  # type: ignore[method-assign]
        host.get_network().register_notifee(self._peers)
        self._reservations = Reservations(host, self._reach_addr, self._peers.wait_changed)
        self._nursery: trio.Nursery | None = None

    # ------------------------------------------------------------------ who and where

    @property
    def address(self) -> Address:
        """This node's Ethereum address, 20 bytes."""
        return address_of(self._host.get_id())

    @property
    def peer_id(self) -> str:
        """This node's libp2p peer id, base58."""
        return self._host.get_id().to_base58()

    @property
    def addrs(self) -> tuple[str, ...]:
        """Where others reach this node: multiaddrs, each ending in /p2p/<peer id>.

        A wildcard stands for the address on the default route. Those through a relay come and go with
        the place reserved there.
        """
        suffix = f"/p2p/{self.peer_id}"
        texts = (concrete(str(addr)) for addr in self._host.get_addrs())
        direct = tuple(text if text.endswith(suffix) else text + suffix for text in texts)
        return direct + tuple(self._reservations.addrs.values())

    def peers(self) -> tuple[Peer, ...]:
        """Return the peers connected now."""
        return self._peers.list()

    def is_connected(self, address: Address) -> bool:
        """Say whether the peer of this address is connected now."""
        return self._peers.id_of(address) is not None

    # ------------------------------------------------------------------ address book

    async def connect(self, addr: str) -> Address:
        """Dial a multiaddr that ends in /p2p/<peer id>; return the address its key proves.

        Raises InputError (not such an address, or our own) and PeerUnreachableError.
        """
        peer_id, where = split_addr(addr)
        address = address_of(parse_peer_id(peer_id))
        if address == self.address:
            raise InputError(f"{addr} is this node's own address")
        old = self._book.get(address)
        known = old.addrs if old is not None and old.peer_id == peer_id else ()
        entry = self._book.learn(address, peer_id, (where, *known), keep=False)
        self.metrics.peers_known = len(self._book)
        await self._dialer.reach(entry)
        return address

    async def disconnect(self, address: Address) -> None:
        """Close the connection to a peer and forget where it is."""
        self._book.forget(address)
        peer = self._peers.id_of(address)
        if peer is not None:
            await self._host.disconnect(peer)

    def learn(self, address: Address, addrs: Iterable[str], *, keep: bool = False) -> None:
        """Note where a peer can be reached, as its on-chain registration says.

        It is dialled when somebody asks for it, or when this node has few peers; with `keep` it is
        kept connected. Replaces what was learnt before; addresses of another key than `address`
        raise InputError (the registration is wrong), and then nothing is noted.
        """
        if address == self.address:
            return
        peer_ids, wheres = set(), []
        for addr in addrs:
            peer_id, where = split_addr(addr)
            if address_of(parse_peer_id(peer_id)) != address:
                raise InputError(f"{addr} is not of the key of 0x{address.hex()}")
            peer_ids.add(peer_id)
            wheres.append(where)
        if not wheres:
            self._book.forget(address)
            return
        self._book.learn(address, peer_ids.pop(), wheres, keep)
        self.metrics.peers_known = len(self._book)
        self._dialer.nudge()

    # ------------------------------------------------------------------ gossip

    async def subscribe(self, topic: str, validator: Validator) -> Subscription:
        """Join a topic; returns an async iterator of (sender, payload).

        `validator(sender, payload)` runs before a message is delivered or forwarded, here and at
        every hop. Own messages are not delivered back. A topic can be joined once at a time.
        """
        return await self._pubsub.join(topic, validator)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Sign `payload` and send it to the topic; it need not be joined. Raises InputError if too long."""
        await self._pubsub.send(topic, payload)

    def topic_peers(self, topic: str) -> tuple[Address, ...]:
        """Return the peers that have joined a topic and that a message can be sent to at once."""
        joined = self._pubsub.peer_topics.get(topic, ())
        return tuple(address_of(peer) for peer in joined if peer in self._pubsub.peers)

    # ------------------------------------------------------------------ request and answer

    def serve(
        self,
        protocol_id: str,
        handler: RequestHandler,
        *,
        max_request: int = 64 * 1024,
        max_response: int = 1 * MIB,
        timeout_s: float = 30.0,
        per_peer_rate: float = 20.0,
    ) -> None:
        """Answer requests of a protocol: `answer = await handler(sender, request)`.

        Longer requests are refused unread and blamed; a peer may ask `per_peer_rate` times a second,
        with a burst of five seconds' worth.
        """
        buckets: Buckets[ID] = Buckets(per_peer_rate, 5 * per_peer_rate)
        served = Served(handler, max_request, max_response, timeout_s, buckets)
        server = RequestServer(served, self._settings.streams, self.metrics, self._peers.blame)
        self._host.set_stream_handler(TProtocol(protocol_id), server)

    async def request(
        self,
        peer: Address,
        protocol_id: str,
        payload: bytes,
        *,
        timeout_s: float = 30.0,
        max_response: int = 1 * MIB,
    ) -> bytes:
        """Ask a peer, dialling it if need be, and return its answer.

        Raises PeerUnreachableError (also if it does not serve the protocol), PeerTimeoutError,
        PeerBusyError, RequestRefusedError, PeerProtocolError.
        """
        self.metrics.requests_sent += 1
        async with deadline(timeout_s, f"the answer of peer 0x{peer.hex()}"):
            stream = await self.open_stream(peer, protocol_id)
            try:
                answer = await ask(stream, payload, max_response)
                await stream.close()
            except BaseException:
                await reset(stream)
                raise
        return answer

    async def open_stream(self, peer: Address, protocol_id: str) -> INetStream:
        """Open a raw stream, dialling the peer if need be. Raises PeerUnreachableError."""
        peer_id = await self._reach(peer)
        try:
            return await self._host.new_stream(peer_id, [TProtocol(protocol_id)])
        except Exception as error:
            if isinstance(error.__cause__, MultiselectClientError):
                raise PeerUnreachableError(
                    f"peer 0x{peer.hex()} does not serve {protocol_id}, or refuses this node"
                ) from error
            raise PeerUnreachableError(f"no stream to peer 0x{peer.hex()}: {error}") from error

    async def _reach(self, address: Address) -> ID:
        peer = self._peers.id_of(address)
        if peer is not None:
            return peer
        entry = self._book.get(address)
        if entry is None:
            raise PeerUnreachableError(
                f"peer 0x{address.hex()} is not connected and its addresses are unknown"
            )
        return await self._dialer.reach(entry)

    # ------------------------------------------------------------------ artifacts

    def serve_artifacts(self, store: ArtifactSource, allow: Allow) -> None:
        """Serve what `store` has to every peer for which `allow(peer, artifact)` is true."""
        server = ArtifactServer(store, allow, self._settings.streams, self.metrics, self._peers.blame)
        self._host.set_stream_handler(TProtocol(ARTIFACTS), server)

    async def fetch_artifact(
        self,
        store: ArtifactStore,
        artifact: ArtifactId,
        peers: Sequence[Address],
        *,
        max_size: int,
        progress: Progress | None = None,
    ) -> Manifest:
        """Fetch an artifact of at most `max_size` bytes from any of `peers`; return its manifest.

        Every chunk is checked before it is written; peers serve in the order given, up to four at a time that
        keep up; a broken connection is dialled again, and what came survives this process. Returns at once
        if the store has it. Raises ArtifactUnavailableError (transient), WrongBytesError,
        ArtifactTooLargeError, and what the store raises (no room).
        """
        return await fetch(
            store,
            artifact,
            peers,
            max_size=max_size,
            open_stream=lambda peer: self.open_stream(peer, ARTIFACTS),
            metrics=self.metrics,
            blame=self._blame_server,
            progress=progress,
        )

    def _blame_server(self, address: Address, fault: Fault) -> None:
        peer = self._peers.id_of(address)
        if peer is not None:
            self._peers.blame(peer, fault)

    async def _reach_addr(self, addr: str) -> ID:
        return await self._reach(await self.connect(addr))

    # ------------------------------------------------------------------ life

    def _on_ban(self, peer: ID) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(self._close_peer, peer)

    async def _hang_up(self) -> None:
        """Close every connection: else, in a process that lives on, peers take a later node for this one."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _HANG_UP_S):
            async with trio.open_nursery() as nursery:
                for peer in self._host.get_connected_peers():
                    nursery.start_soon(self._close_peer, peer)

    async def _close_peer(self, peer: ID) -> None:
        try:
            await self._host.disconnect(peer)
        except Exception as error:
            logger.debug("could not close the connection of %s: %r", peer, error)


def split_addr(addr: str) -> tuple[str, str]:
    """Split a multiaddr into its last peer id and what comes before; InputError if it has none."""
    parsed = str(parse_addr(addr))
    where, found, peer_id = parsed.rpartition("/p2p/")
    if not found or not where or "/" in peer_id:
        raise InputError(f"{addr!r} does not end in /p2p/<peer id>")
    return peer_id, where


@asynccontextmanager
async def _relaying(node: Node, settings: NetSettings) -> AsyncIterator[None]:
    """Run the relay protocol if this node forwards for others or is reached through others."""
    if not settings.relays and not settings.relay_for_others:
        yield
        return
    relays = {parse_peer_id(split_addr(addr)[0]) for addr in settings.relays}
    service = relay_service(node._host, node._door.keep, relays, forward=settings.relay_for_others)
    async with background_trio_service(service):
        await service.event_started.wait()
        yield


@asynccontextmanager
async def open_node(key: bytes, settings: NetSettings | None = None) -> AsyncIterator[Node]:
    """Run a node with a 32-byte secp256k1 private key while the body runs.

    Raises InputError for a bad key or address, or if a listen address cannot be bound. An exception
    of the body leaves as it is, not wrapped in groups.
    """
    settings = settings or NetSettings()
    quiet_library_logs()
    host = build_host(key_pair(key), settings)
    node = Node(host, settings)
    for addr in (*settings.bootstrap, *settings.relays):
        node.learn(address_of(parse_peer_id(split_addr(addr)[0])), [addr], keep=True)
    failure: Exception | None = None
    try:
        async with (
            host.run(listen_addrs=[parse_addr(text) for text in settings.listen]),
            background_trio_service(node._pubsub),
            background_trio_service(node._router),
            _relaying(node, settings),
            trio.open_nursery() as nursery,
        ):
            await node._pubsub.wait_until_ready()
            nursery.start_soon(node._dialer.run)
            for relay in settings.relays:
                nursery.start_soon(node._reservations.keep, relay)
            node._nursery = nursery
            try:
                # Stock, a listen address that cannot be bound is only logged.
                if len(swarm_of(host).listeners) < len(set(settings.listen)):
                    raise InputError(
                        f"cannot listen on {', '.join(settings.listen)}",
                        "is the port taken, or the address not this machine's?",
                    )
                yield node
            except Exception as error:
                failure = error
            finally:
                node._nursery = None
                await node._hang_up()
                nursery.cancel_scope.cancel()
    finally:
        await host.close()
    if failure is not None:
        raise failure
