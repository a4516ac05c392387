"""Puts an offer on the network and collects what providers answer; what strangers send costs a line."""

import logging
from contextlib import suppress
from dataclasses import dataclass, field

import trio

from client_sdk.bidders import RECENT_S, Bidders
from client_sdk.terms import OfferTerms
from protocol.auction import auction
from protocol.auction.auction import Collecting, GotDecline, GotEntry, GotJunk, Junk, Rejected
from protocol.auction.quotes import Entry, open_answer
from protocol.messages import Domain
from protocol.net import Node, protocol_id, topic
from protocol.types import Address, InputError, TransientError

log = logging.getLogger(__name__)

_MAX_ANSWER = 8192
_CONNECT_S = 3.0
_NEIGHBOURS = 6
"""Providers that are dialled before an offer: gossip carries it to the others."""
_PER_SENDER = 4
"""Answers of one peer to one offer that are read."""


@dataclass
class Collector:
    """The open auctions of one session, by offer."""

    node: Node
    domain: Domain
    bidders: Bidders
    _open: dict[bytes, "_Open"] = field(default_factory=dict)

    def serve(self) -> None:
        """Take answers from now on."""
        name = protocol_id(self.domain.chain_id, self.domain.escrow, "answer")
        self.node.serve(name, self._answer, max_request=_MAX_ANSWER, max_response=16)

    async def collect(self, terms: OfferTerms, seconds: float, nursery: trio.Nursery) -> Collecting:
        """Gossip the offer and return what came within `seconds`."""
        await self.reach()
        found = _Open(terms, Collecting(terms.wish))
        self._open[terms.offer.digest] = found
        try:
            found.nursery = nursery
            name = topic(self.domain.chain_id, self.domain.escrow, "offers")
            await self.node.publish(name, terms.offer.encode())
            await trio.sleep(seconds)
            return found.state
        finally:
            del self._open[terms.offer.digest]

    async def reach(self) -> None:
        """Make sure that somebody will hear an offer; does not wait longer than a few seconds.

        Registrations are followed, not remembered: reading on from the last block costs two requests, and a
        provider that came a moment ago must not be left out.
        """
        await self.bidders.refresh(RECENT_S)
        for operator, known in self.bidders.registered.items():
            if known.registration is not None and operator != self.node.address:
                try:
                    self.node.learn(operator, known.registration.addrs)
                except InputError as error:
                    log.info("registration of 0x%s: %s", operator.hex(), error)
        name = topic(self.domain.chain_id, self.domain.escrow, "offers")
        with trio.move_on_after(_CONNECT_S):
            async with trio.open_nursery() as nursery:
                for addr in self._some_addrs():
                    nursery.start_soon(self._connect, addr)
            # Whom we know is connected; they tell a moment later what they listen to.
            while len(self.node.topic_peers(name)) < min(self._connected(), _NEIGHBOURS // 2):
                await trio.sleep(0.02)

    def _connected(self) -> int:
        return sum(self.node.is_connected(each) for each in self.bidders.registered)

    def _some_addrs(self) -> list[str]:
        known = [
            each.registration.addrs[0]
            for operator, each in self.bidders.registered.items()
            if each.registration is not None
            and each.registration.addrs
            and not self.node.is_connected(operator)
        ]
        return known[: max(_NEIGHBOURS - self._connected(), 0)]

    async def _connect(self, addr: str) -> None:
        try:
            await self.node.connect(addr)
        except (InputError, TransientError) as error:
            log.info("cannot reach a provider: %s", error)

    async def _answer(self, sender: Address, payload: bytes) -> bytes:
        found = self._open.get(payload[:32])
        if found is None:
            raise InputError("no auction of that offer is open here")
        found.heard[sender] = found.heard.get(sender, 0) + 1
        if found.heard[sender] <= _PER_SENDER:
            found.take(await self._read(found.terms, sender, payload))
            last = found.state.entries[-1:]
            if last and found.nursery is not None:
                found.nursery.start_soon(self.bidders.warm, last[0].bid.owner)
        return b""

    async def _read(self, terms: OfferTerms, sender: Address, payload: bytes) -> auction.Input:
        try:
            answer = open_answer(payload, terms.seal_key, terms.offer.digest, self.domain)
        except InputError as error:
            return GotJunk(Junk(sender, str(error)))
        known = self.bidders.registered.get(answer.signer)
        if known is None:
            # It may have registered since the offer went out.
            with suppress(TransientError):
                await self.bidders.catch_up()
            known = self.bidders.registered.get(answer.signer)
        if known is None:
            return GotJunk(Junk(sender, "its signer is no registered provider's operator"))
        if isinstance(answer, Entry):
            return GotEntry(answer)
        if answer.owner != known.owner:
            return GotJunk(Junk(sender, "it speaks for another owner"))
        return GotDecline(answer)


@dataclass
class _Open:
    """An auction whose time runs."""

    terms: OfferTerms
    state: Collecting
    heard: dict[Address, int] = field(default_factory=dict)
    nursery: trio.Nursery | None = None

    def take(self, value: auction.Input) -> None:
        done = auction.step(self.state, value)
        for effect in done.effects:
            if isinstance(effect, Rejected):
                log.info("an answer was not taken: %s", effect.reason)
        if isinstance(done.state, Collecting):
            self.state = done.state
