"""Puts an offer on the network and collects what providers answer; what strangers send costs a line."""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import trio

from client_sdk.bidders import Bidders
from client_sdk.terms import OfferTerms
from protocol.auction import auction
from protocol.auction.auction import (
    Collecting,
    GotDecline,
    GotEntry,
    GotJunk,
    Junk,
    Rejected,
    SawBacking,
)
from protocol.auction.quotes import Entry, open_answer
from protocol.messages import Domain
from protocol.net import Node, protocol_id, topic
from protocol.types import Address, GavelError, InputError, TransientError, to_hex

log = logging.getLogger(__name__)

_MAX_ANSWER = 8192
_CONNECT_S = 3.0
_TELL_S = 1.0
_NOBODY_S = 10.0
"""For so long more providers are dialled while none answers."""
_NEIGHBOURS = 6
"""Providers, with a stake if there are such, that an offer is sent to: gossip carries it to the others."""
_MORE_S = 0.5
"""After that long as many more are dialled: some accept and say nothing."""
_STRANGERS = 32
"""Answers that are looked at at once of who is in no registration that was read: peer ids are free."""
_PER_SENDER = 4
"""Answers of one peer to one offer that are read."""
_TICK_S = 1.0

Heard = Callable[[int, int, float], None]
"""Told about once a second while an auction runs: quotes and refusals so far, seconds left."""


def unheard(_quotes: int, _declined: int, _left: float) -> None:
    """Nobody looks on."""


@dataclass
class Collector:
    """The open auctions of one session, by offer."""

    node: Node
    domain: Domain
    bidders: Bidders
    _open: dict[bytes, "_Open"] = field(default_factory=dict)
    _strangers: int = 0

    def serve(self) -> None:
        """Take answers from now on."""
        name = protocol_id(self.domain.chain_id, self.domain.escrow, "answer")
        self.node.serve(name, self.answer, max_request=_MAX_ANSWER, max_response=16)

    async def collect(
        self, terms: OfferTerms, seconds: float, nursery: trio.Nursery, heard: Heard = unheard
    ) -> Collecting:
        """Gossip the offer and return what came within `seconds`; `heard` is told how it goes."""
        await self.reach()
        found = _Open(terms, Collecting(terms.wish), nursery)
        self._open[terms.offer.digest] = found
        try:
            name = topic(self.domain.chain_id, self.domain.escrow, "offers")
            await self.node.publish(name, terms.offer.encode())
            ends = trio.current_time() + seconds
            while (left := ends - trio.current_time()) > 0:
                heard(len(found.state.entries), len(found.state.declines), left)
                await trio.sleep(min(_TICK_S, left))
            return found.state
        finally:
            del self._open[terms.offer.digest]

    async def reach(self) -> None:
        """Make sure that somebody will hear an offer; waits a few seconds, and longer while nobody answers.

        Reading registrations on from the last block costs two requests, and a provider that came a moment ago
        must not be left out. If they cannot be read, whom we know has to do.
        """
        await self.bidders.refresh(0)
        await self.bidders.weigh()
        order = self.bidders.by_stake()
        # The node, too, dials who has a stake first.
        for operator in order:
            self.bidders.note(self.node, operator, self.bidders.registered[operator])
        name = topic(self.domain.chain_id, self.domain.escrow, "offers")
        ends = trio.current_time() + _CONNECT_S
        await self._meet(order, ends)
        # Whom we know is connected; they tell a moment later what they listen to.
        with trio.move_on_at(max(ends, trio.current_time() + _TELL_S)):
            while len(self.node.topic_peers(name)) < min(self._connected(order), _NEIGHBOURS // 2):
                await trio.sleep(0.02)

    async def _meet(self, order: dict[Address, int], ends: float) -> None:
        """Dial providers in this order, more as time goes by, until enough answered or the time is up."""
        began, registered = trio.current_time(), self.bidders.registered
        staked = [each for each, weight in order.items() if weight]
        to_come = [each for each in order if not self.node.is_connected(each)]
        places: set[Address] = set()
        """Whom a dial is under way to, or has reached: each that fails makes room for another."""

        async def dial(operator: Address) -> None:
            await self._connect(registered[operator][0])
            if not self.node.is_connected(operator):
                places.discard(operator)

        def enough() -> bool:
            # Who has nothing at stake may answer and forward no offer.
            met, backed = self._connected(order), self._connected(staked)
            return met >= min(_NEIGHBOURS, len(order)) and backed >= min(_NEIGHBOURS, len(staked))

        async with trio.open_nursery() as nursery:
            while not enough():
                now = trio.current_time()
                room = _NEIGHBOURS * (1 + int((now - began) / _MORE_S)) - len(places)
                # Nor does who has nothing at stake, and dialled us, make us stop looking for others.
                alone = not self._connected(staked or order) and now < began + _NOBODY_S
                while room > 0 and to_come:
                    ends = max(ends, now + _CONNECT_S) if alone else ends
                    places.add(operator := to_come.pop(0))
                    nursery.start_soon(dial, operator)
                    room -= 1
                if self._connected(places) == len(places) or (now >= ends and not (alone and to_come)):
                    break
                await trio.sleep(0.02)
            nursery.cancel_scope.cancel()

    def _connected(self, operators: Iterable[Address]) -> int:
        return sum(self.node.is_connected(each) for each in operators)

    async def _connect(self, addr: str) -> None:
        try:
            await self.node.connect(addr)
        except (InputError, TransientError) as error:
            log.info("cannot reach a provider: %s", error)

    async def answer(self, sender: Address, payload: bytes) -> bytes:
        """Take what a peer answers to an offer. `InputError` if no auction of that offer is open."""
        found = self._open.get(payload[:32])
        if found is None:
            raise InputError("no auction of that offer is open here")
        known = sender in self.bidders.registered
        if not known and self._strangers >= _STRANGERS:
            found.take(GotJunk(Junk(sender, "it is no registered provider's operator that is known here")))
            return b""
        found.heard[sender] = found.heard.get(sender, 0) + 1
        if found.heard[sender] > _PER_SENDER:
            return b""
        # It may have registered since the offer went out, or its registration could not be read.
        self._strangers += not known
        try:
            await self._take(found, sender, payload)
        finally:
            self._strangers -= not known
        return b""

    async def _take(self, found: "_Open", sender: Address, payload: bytes) -> None:
        try:
            answer = open_answer(payload, found.terms.seal_key, found.terms.offer.digest, self.domain)
            owner = answer.bid.owner if isinstance(answer, Entry) else answer.owner
            await self._require_signer(sender, answer.signer, owner)
        except InputError as error:
            found.take(GotJunk(Junk(sender, str(error))))
            return
        if not isinstance(answer, Entry):
            found.take(GotDecline(answer))
            return
        found.take(GotEntry(answer))
        found.nursery.start_soon(self._weigh, found, answer)

    async def _require_signer(self, sender: Address, signer: Address, owner: Address) -> None:
        """Raise `InputError` unless a peer speaks for itself and for an owner whose operator it is."""
        if signer != sender:
            raise InputError(f"forged: it is signed by {to_hex(signer)}, not by who sent it")
        if not await self.bidders.speaks_for(sender, owner):
            raise InputError(f"forged: it speaks for owner {to_hex(owner)}, whose operator is another")

    async def _weigh(self, found: "_Open", entry: Entry) -> None:
        """Ask the chain what stands behind a bid: it keeps its place, gains one, or loses it by that."""
        owner = entry.bid.owner
        if found.state.backing(owner) is None:
            try:
                amount = await self.bidders.backing(owner, found.terms.wish.token)
            except GavelError as error:
                log.info("the stake of 0x%s cannot be read: %s", owner.hex(), error)
                return
            found.take(SawBacking(owner, amount))
        if entry not in found.state.entries and found.is_backed(owner):
            found.take(GotEntry(entry))
        if entry in found.state.entries:
            self.bidders.told(entry.signer, entry.addrs)
            await self.bidders.warm(owner)


@dataclass
class _Open:
    """An auction whose time runs."""

    terms: OfferTerms
    state: Collecting
    nursery: trio.Nursery
    heard: dict[Address, int] = field(default_factory=dict)

    def is_backed(self, owner: Address) -> bool:
        """Tell whether the chain named a stake that may back a bid."""
        return (self.state.backing(owner) or 0) >= max(self.terms.wish.reserve, 1)

    def take(self, value: auction.Input) -> None:
        done = auction.step(self.state, value)
        for effect in done.effects:
            if isinstance(effect, Rejected):
                log.debug("an answer was not taken: %s", effect.reason)
        if isinstance(done.state, Collecting):
            self.state = done.state
