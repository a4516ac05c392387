"""Keeps this node connected: bootstrap peers always, learnt ones until there are enough."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio
import trio
from libp2p.abc import IHost
from libp2p.peer.id import ID
from libp2p.peer.peerinfo import PeerInfo

from protocol.net.book import AddressBook, Entry
from protocol.net.errors import PeerUnreachableError
from protocol.net.host import swarm_of
from protocol.net.metrics import NetMetrics
from protocol.net.peers import PeerTable
from protocol.net.relay import CIRCUIT, dial_circuit, is_circuit
from protocol.net.resolve import resolve
from protocol.types import Address

logger = logging.getLogger(__name__)

ENOUGH = 12
"""Peers beyond which learnt addresses are dialled only when somebody asks for that peer."""
_TOGETHER = 8
"""Learnt peers that are dialled at a time while nobody asks for them."""
_LOOK_UPS = 16
"""Names that are looked up at a time, of each class of peers; a thread each."""


class Dialer:
    """Dials one address at a time per peer.

    Stock, a swarm tries at most one TCP address of a peer and then refuses to dial it for a minute:
    here each address is its own dial, and the block is lifted before it.
    """

    def __init__(
        self, host: IHost, book: AddressBook, peers: PeerTable, metrics: NetMetrics, timeout_s: float
    ) -> None:
        self._host = host
        self._book = book
        self._peers = peers
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._dialling: dict[Address, trio.Event] = {}
        self._nudge = trio.Event()
        self._unasked: set[Address] = set()
        """Learnt peers that `run` dials now."""
        # INVARIANT: a name that nobody answers for keeps threads from other look-ups of its own class only:
        # of peers that the settings name, of those that somebody asks for, of all others.
        self._for_kept, self._for_asked, self._for_unasked = (
            anyio.CapacityLimiter(_LOOK_UPS) for _ in range(3)
        )

    def nudge(self) -> None:
        """Look at the book again now."""
        self._nudge.set()

    async def reach(self, entry: Entry) -> ID:
        """Return the id of the peer once it is connected; PeerUnreachableError if no address answers."""
        while (event := self._dialling.get(entry.address)) is not None:
            await event.wait()
        peer = ID.from_base58(entry.peer_id)
        if self._peers.id_of(entry.address) == peer:
            return peer
        if self._peers.banned(peer):
            raise PeerUnreachableError(f"peer 0x{entry.address.hex()} is banned for what it sent")
        event = self._dialling[entry.address] = trio.Event()
        try:
            await self._dial(entry, peer)
        finally:
            del self._dialling[entry.address]
            event.set()
        return peer

    async def _dial(self, entry: Entry, peer: ID) -> None:
        errors, threads = [], self._threads(entry)
        for addr in entry.addrs:
            self._metrics.dials += 1
            try:
                with trio.fail_after(self._timeout_s):
                    await self._dial_one(peer, addr, threads)
            except trio.TooSlowError:
                errors.append(f"{addr}: no answer in {self._timeout_s:g} s")
            except Exception as error:
                errors.append(f"{addr}: {_root(error)}")
            else:
                self._book.connected(entry)
                return
            self._metrics.dials_failed += 1
        reason = "; ".join(errors) or "no address is known"
        self._book.failed(entry, trio.current_time(), reason)
        raise PeerUnreachableError(f"cannot reach peer 0x{entry.address.hex()}: {reason}")

    def _threads(self, entry: Entry) -> anyio.CapacityLimiter:
        if entry.keep:
            return self._for_kept
        return self._for_unasked if entry.address in self._unasked else self._for_asked

    async def _dial_one(self, peer: ID, addr: str, threads: anyio.CapacityLimiter) -> None:
        network = swarm_of(self._host)
        if is_circuit(addr):
            relay_addr, _, _ = addr.partition(CIRCUIT)
            where, _, relay_id = relay_addr.rpartition("/p2p/")
            relay = ID.from_base58(relay_id)
            if not network.get_connections(relay):
                await self._dial_one(relay, where, threads)
            await dial_circuit(self._host, relay, peer)
            return
        error: Exception = PeerUnreachableError(f"{addr} stands for no address")
        for concrete in await resolve(addr, threads):
            network.peerstore.clear_addrs(peer)
            network.unblock_peer(peer)
            try:
                await self._host.connect(PeerInfo(peer, [concrete]))
            except Exception as failure:
                error = failure
            else:
                return
        raise error

    async def run(self) -> None:
        """Dial what is due, for ever."""
        async with trio.open_nursery() as nursery:
            while True:
                now = trio.current_time()
                room = min(ENOUGH - len(self._peers.list()), _TOGETHER) - len(self._unasked)
                for entry in self._book.due(now):
                    if self._peers.id_of(entry.address) or entry.address in self._dialling:
                        continue
                    if not entry.keep:
                        if room <= 0:
                            continue
                        room -= 1
                        self._unasked.add(entry.address)
                    nursery.start_soon(self._try, entry)
                await self._pause()

    async def _try(self, entry: Entry) -> None:
        try:
            await self.reach(entry)
        except PeerUnreachableError as error:
            logger.debug("%s", error)
        finally:
            self._unasked.discard(entry.address)
        self.nudge()

    async def _pause(self) -> None:
        """Wait for a nudge, a peer that comes or goes, or the next dial that is due."""
        upcoming = [e.next_dial for e in self._book.waiting(trio.current_time())]
        timeout = max(0.0, min(upcoming, default=float("inf")) - trio.current_time())
        with trio.move_on_after(timeout):
            await self._first(self._nudge.wait, self._peers.wait_changed)
        self._nudge = trio.Event()

    @staticmethod
    async def _first(*waits: Callable[[], Awaitable[None]]) -> None:
        async with trio.open_nursery() as nursery:

            async def one(wait: Callable[[], Awaitable[None]]) -> None:
                await wait()
                nursery.cancel_scope.cancel()

            for wait in waits:
                nursery.start_soon(one, wait)


def _root(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    cause = error.__cause__
    if isinstance(cause, BaseException):
        return _root(cause)
    return str(error) or type(error).__name__
