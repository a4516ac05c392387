"""Answers offers: with a journaled, signed bid or with the reason for none, sealed to the client."""

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import trio

from protocol.auction.bidding import House, MarketView, Refusal, Slot, Terms, TokenTerms, answer, in_turn
from protocol.auction.money import Unit
from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.views import Limits, Listing, StakeView
from protocol.crypto import seal
from protocol.dispute.windows import Judging
from protocol.lease.provider_types import Conduct, DidBid, Phase, ProviderLease, SendQuote
from protocol.messages import Decline, Offer, Quote, SealedAnswer, Signed, open_signed, seal_context, sign
from protocol.net import Accept, Ignore, Node, Reject, Verdict, needs_look_up, protocol_id, topic
from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Context
from protocol.store import Artifacts
from protocol.types import Address, Amount, BlockNo, Hash32, InputError, LeaseId, TransientError, to_hex
from provider_node.addresses import told
from provider_node.capacity import promised
from provider_node.clients import Clients, Means, Seen, places_of
from provider_node.identity import Identity
from provider_node.promises import possible
from provider_node.slots import Slots
from provider_node.stowage import bid_room
from provider_node.watcher import KIND, Watcher

log = logging.getLogger(__name__)

_QUOTE_TRIES = 3
_ANSWER_S = 10.0
_AT_ONCE = 64
"""Declines that are sent at a time; of a flood the rest is not told."""
_PLACES = {Seen.POOR: 8, Seen.NEW: 192, Seen.FUNDED: 64}
"""Offers that are looked at at a time, by what is remembered of who signs. Keys are free: those that showed
money have places that made-up ones cannot take, and those that showed none leave places to new ones. They
wait for the chain, which is asked about many at once."""
_AT_ONCE_PER_SENDER = 8
_FARTHEST = 100_000
"""An offer that expires later than this many clock units from now is taken for a mistake."""


def _able() -> str:
    return ""


@dataclass(frozen=True)
class Rules:
    """What does not change while the daemon runs."""

    identity: Identity
    house: House
    conduct: Conduct
    block_ms: int
    units: tuple[Unit, ...]
    listings: tuple[Listing, ...]
    limits: Limits
    judging: Judging
    grid_zone: str
    energy_grade: int
    open_bids: int
    open_bids_per_client: int


@dataclass
class Market:
    """Listens to offers of one deployment. `draining` stops bidding, not the leases that are open."""

    chain: AsyncChain
    node: Node
    loop: Loop
    watcher: Watcher
    rules: Rules
    slots: Slots
    store: Artifacts
    draining: bool = False
    suspended: str = ""
    """Why this machine is not trusted with new jobs, or empty."""
    unable: Callable[[], str] = _able
    """Why results could not be defended now, or empty."""
    counts: dict[str, int] = field(default_factory=lambda: {"offers": 0, "bids": 0, "declines": 0})
    last_decline: str = ""
    _stake: tuple[BlockNo, StakeView] | None = None
    _turn: trio.Lock = field(default_factory=trio.Lock)
    _taking: Counter[Address] = field(default_factory=Counter)
    _places: Counter[Seen] = field(default_factory=Counter)
    _known: deque[Hash32] = field(default_factory=lambda: deque(maxlen=4096))

    def __post_init__(self) -> None:
        token = self.rules.house.policy.token
        self._clients = Clients(self.chain.blocking, token, self.rules.listings[token].reserve)

    async def run(self) -> None:
        """Answer offers until cancelled."""
        await self.slots.settle()
        domain = self.chain.blocking.domain
        name = topic(domain.chain_id, domain.escrow, "offers")
        async with (
            await self.node.subscribe(name, self.validate) as offers,
            trio.open_nursery() as looking,
            # Apart: who takes no answer must not keep others' offers from being looked at.
            trio.open_nursery() as declining,
        ):
            async for sender, payload in offers:
                seen = self._place(sender)
                if self._places[seen] < _PLACES[seen] and self._taking[sender] < _AT_ONCE_PER_SENDER:
                    self._taking[sender] += 1
                    self._places[seen] += 1
                    looking.start_soon(self._take, sender, payload, declining, seen)
                else:
                    log.debug("too many offers at once, one is passed over")

    def validate(self, sender: Address, payload: bytes) -> Verdict:
        """Say whether an offer may be delivered and forwarded."""
        offer = open_signed(payload, Offer, self.chain.blocking.domain)
        if offer.signer != sender:
            return Reject("the offer is not signed by its sender")
        height = self.watcher.height
        if height and not height <= offer.message.expiry <= height + _FARTHEST:
            return Ignore(f"the offer expires at {offer.message.expiry}, now is {height}")
        return Accept()

    def _place(self, sender: Address) -> Seen:
        seen = self._clients.seen(sender)
        # Who has shown money is never worse off than who is new.
        return Seen.NEW if seen is Seen.FUNDED and self._places[seen] >= _PLACES[seen] else seen

    async def _take(self, sender: Address, payload: bytes, declining: trio.Nursery, seen: Seen) -> None:
        try:
            offer = open_signed(payload, Offer, self.chain.blocking.domain)
            if offer.digest in self._known:
                return
            self._known.append(offer.digest)
            self.counts["offers"] += 1
            if (reason := await self._reply(offer)) and len(declining.child_tasks) < _AT_ONCE:
                declining.start_soon(self._decline, offer, reason)
        except (InputError, TransientError) as error:
            log.warning("an offer went unanswered: %s", error)
        except Exception:
            # Offers are free, and anybody's: whatever is amiss with one, it ends no daemon that has leases.
            log.exception("an offer could not be looked at")
        finally:
            self._places[seen] -= 1
            self._taking[sender] -= 1
            if not self._taking[sender]:
                del self._taking[sender]

    async def _reply(self, offer: Signed[Offer]) -> str:
        """Bid, or return why not."""
        means = await self._clients.means(offer)  # before it is its turn: strangers' chain reads are slow
        async with self._turn:
            found = await self._decide(offer, means)
            if isinstance(found, Terms):
                if await self._bid(offer, found):
                    return ""
                found = Refusal("this very bid was made already, for an offer of the same job in this block")
        self.counts["declines"] += 1
        self.last_decline = found.reason
        log.info("declined offer %s: %s", to_hex(offer.digest)[:10], found.reason)
        return found.reason

    async def _decline(self, offer: Signed[Offer], reason: str) -> None:
        decline = Decline(offer.digest, self.rules.identity.owner, reason)
        envelope = sign(decline, self.chain.blocking.domain, self.rules.identity.operator_key).encode()
        message = offer.message
        if self._clients.seen(offer.signer) is not Seen.FUNDED:
            # Offers are free: who showed no money has no names looked up.
            message = replace(message, addrs=tuple(each for each in message.addrs if not needs_look_up(each)))
        try:
            await self._send(message, offer.digest, offer.signer, envelope)
        except (InputError, TransientError) as error:
            log.info("client %s could not be told why there is no bid: %s", to_hex(offer.signer), error)

    async def _decide(self, offer: Signed[Offer], means: Means) -> Terms | Refusal:
        """Look at the chain and what is open here, then ask the pure rules."""
        await self.watcher.ready()
        states = {LeaseId(id): each for id, each in self.loop.states(KIND).items()}
        bids = [each for each in states.values() if each.phase == Phase.BID]
        if self.draining:
            return Refusal("this provider is draining: it takes no new jobs")
        if self.suspended:
            return Refusal(f"this provider takes no new jobs: {self.suspended}")
        if self.loop.trouble:
            return Refusal("this provider takes no new jobs: its journal cannot be written now")
        if unable := self.unable():
            return Refusal(f"this provider takes no new jobs: {unable}")
        if len(bids) >= self.rules.open_bids:
            return Refusal(f"{len(bids)} bids are open here, no more are made until some expire")
        places = places_of(self.rules.open_bids_per_client, len(bids), self.rules.open_bids)
        if sum(offer.message.client == each.offer.client for each in bids) >= places:
            return Refusal("too many open bids for this client")
        if offer.message.challenge_window > self.rules.limits.max_challenge_window:
            return Refusal(
                f"this deployment allows challenge windows up to {self.rules.limits.max_challenge_window}"
            )
        slots = in_turn(await self.slots.free(self.watcher.height))
        found = await self._answer(offer.message, slots[:1], states)
        for slot in slots[1:]:
            if isinstance(found, Refusal) and found.crowded:
                found = await self._answer(offer.message, (slot,), states)
        if not isinstance(found, Terms) or means.held >= found.bid.deposit():
            return found
        unit = self.rules.units[found.bid.token]
        lacks = (
            f"the client holds {unit.show(means.held)}, the bid would take {unit.show(found.bid.deposit())}"
        )
        return Refusal(means.flaw or lacks)

    async def _answer(
        self, offer: Offer, slots: tuple[Slot, ...], states: Mapping[LeaseId, ProviderLease]
    ) -> Terms | Refusal:
        """Return terms of a bid for this slot, if there is one free, beside all that other slots promise."""
        house = self.rules.house
        market = await self._view(promised(slots, states.values(), house.policy.token))
        for slot in slots:
            room = await trio.to_thread.run_sync(self._room, states, slot.nonce)
            market = replace(market, store_bytes=room)
            if house.means is not None:
                known = possible(states, house.means.audit_clock is not None, slot.nonce)
                market = replace(market, promises=known)
        return answer(offer, house, market, slots)

    def _room(self, leases: Mapping[LeaseId, ProviderLease], nonce: int) -> int:
        """Return the bytes that the artifacts of a bid with this nonce may take. Blocking."""

        def held(lease: LeaseId) -> int:
            return self.store.held(lease.hex())

        return bid_room(leases, held, self.store.room, nonce, self.slots.count)

    async def _bid(self, offer: Signed[Offer], terms: Terms) -> bool:
        """Make a bid; False if the same stands already, and was sent to whoever asked for it."""
        domain, key = self.chain.blocking.domain, self.rules.identity.operator_key
        quote = Quote(
            offer=offer.digest,
            bid=terms.bid.packed(),
            bid_signature=sign(terms.bid, domain, key).signature,
            expected_ms=terms.expected_ms,
            energy_milliwatt_hours=terms.energy_milliwatt_hours,
            energy_grade=self.rules.energy_grade,
            grid_zone=self.rules.grid_zone,
            carbon_milligrams=terms.carbon_milligrams,
            addrs=told(self.node.addrs),
        )
        envelope = sign(quote, domain, key).encode()
        state = ProviderLease(
            bid=terms.bid,
            offer=offer.message,
            offer_id=offer.digest,
            peer=offer.signer,
            conduct=self.rules.conduct,
            device=terms.device,
            item_ms=terms.item_ms,
            trace_ms=terms.trace_ms,
            value_bytes=terms.value_bytes,
        )
        # Journaled before it is sent: a bid that can be opened must be known after a crash.
        lease = terms.bid.lease_id()
        if not await self.loop.open(MachineId(KIND, lease), state, DidBid(self.watcher.height, envelope)):
            return False
        self.counts["bids"] += 1
        log.info(
            "bid %d a block for offer %s (lease %s)",
            terms.bid.rate_per_block,
            to_hex(offer.digest)[:10],
            to_hex(lease)[:10],
        )
        return True

    async def send_quote(self, effect: SendQuote, context: Context) -> None:
        """Perform `SendQuote`: a few tries, then the client has no quote of ours."""
        state: ProviderLease = self.loop.state(context.machine)
        for left in reversed(range(_QUOTE_TRIES)):
            try:
                await self._send(state.offer, state.offer_id, state.peer, effect.quote)
                return
            except TransientError as error:
                if not left:
                    log.info("client %s could not be sent a quote: %s", to_hex(state.peer), error)
                    return
                await trio.sleep(0.2)

    async def _send(self, offer: Offer, offer_id: Hash32, peer: Address, envelope: bytes) -> None:
        box = seal(offer.seal_key, os.urandom(32), envelope, seal_context(offer_id))
        domain = self.chain.blocking.domain
        if not self.node.is_connected(peer):
            self.node.learn(peer, offer.addrs)
        name = protocol_id(domain.chain_id, domain.escrow, "answer")
        await self.node.request(peer, name, SealedAnswer(offer_id, box).encode(), timeout_s=_ANSWER_S)

    async def _view(self, promised_sum: Amount) -> MarketView:
        policy = self.rules.house.policy
        if self._stake is None or self._stake[0] != self.watcher.height:
            stake = await self.chain.run(Chain.stake, self.rules.identity.owner, policy.token)
            self._stake = (self.watcher.height, stake)
        stake = self._stake[1]
        # Not `stake.free`: that is cut to what one lease may lock, other slots' bids are beside it.
        free = max(min(stake.staked, stake.max_locked) - stake.locked - promised_sum, 0)
        tokens = tuple(
            TokenTerms(
                unit=unit,
                reserve=listing.reserve,
                free=Amount(free if index == policy.token else 0),
                lease_cap=stake.max_per_lease if index == policy.token else Amount(0),
                is_capped=stake.max_locked < stake.staked,
            )
            for index, (unit, listing) in enumerate(zip(self.rules.units, self.rules.listings, strict=True))
        )
        rules = self.rules
        return MarketView(self.watcher.height, rules.block_ms, tokens, rules.limits.min_grace, rules.judging)
