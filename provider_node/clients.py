"""Which clients a bid is made for: offers cost nothing, and bids must not be spent on who could open none."""

from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import islice

import anyio
import anyio.to_thread
import trio

from protocol.chain.batched import Batched
from protocol.chain.client import Chain
from protocol.chain.contract_wallet import signs_for
from protocol.messages import Offer, Signed
from protocol.types import Address, Amount

_FRESH_S = 5.0
"""For so long a client's holdings are believed, also when it has none."""
_THREADS = 4
_PER_READ = 45
"""Clients that one request asks for, two sums of each."""
_ASKING = 16
"""Contract wallets that wait to be asked about at a time, one request for each."""
_REMEMBERED_S = 300.0
_SIGNERS = 4_096
_TOO_MANY = "too many clients that are contract wallets are asked about at once, try again"
_STRANGER = "the offer is signed by another key than its client's, which is no contract wallet of that key's"


def places_of(per_client: int, taken: int, places: int) -> int:
    """Return how many bids may be open for one client while `taken` of all `places` are.

    The fuller it gets, the fewer: so that one client, under however few names, leaves room for others.
    """
    return max(per_client * (places - taken) // places, 1)


@dataclass(frozen=True)
class Means:
    """What a client could open a lease with; `flaw` says why its offer counts for nothing, if so."""

    held: Amount
    flaw: str = ""
    asked: bool = True
    """False: so many were asked about that this one was not, which says nothing about it."""


class Seen(Enum):
    """What is remembered of who signs offers."""

    NEW = 0
    POOR = 1
    """Of late its client held nothing that counts."""
    FUNDED = 2
    """Of late its client held what costs something to hold: the reserve of the token, at least."""


@dataclass
class Clients:
    """Asks the chain about those who send offers, at their pace and not at that of the market.

    Peer ids are free, so who signs an offer proves little; that it has the money, or is the key of a contract
    that has it, is what a stranger with a thousand keys would have to pay for. Threads are its own: a
    flood of offers delays no heartbeat. What offers of a moment ask about goes in one request, contract
    wallets apart: who names one makes nobody wait who signs for itself.
    """

    chain: Chain
    token: int
    reserve: Amount
    """Of the token, as listed: who holds less may have a job done, but has no places kept for it."""
    _read: OrderedDict[Address, tuple[float, Amount]] = field(default_factory=OrderedDict)
    _seen: OrderedDict[Address, tuple[float, Seen]] = field(default_factory=OrderedDict)
    _asking: int = 0

    def __post_init__(self) -> None:
        threads, wallets = anyio.CapacityLimiter(_THREADS), anyio.CapacityLimiter(_THREADS)

        async def read(clients: tuple[Address, ...]) -> list[Amount]:
            asked = partial(self.chain.holdings, self.token, clients)
            return await anyio.to_thread.run_sync(asked, limiter=threads, abandon_on_cancel=True)

        self._holdings: Batched[Address, Amount] = Batched(read, _PER_READ, _THREADS)
        self._wallets = wallets

    def seen(self, signer: Address) -> Seen:
        """Return what is remembered of who signed an offer."""
        found = self._seen.get(signer)
        return found[1] if found is not None and found[0] > trio.current_time() else Seen.NEW

    async def means(self, offer: Signed[Offer]) -> Means:
        """Return what the client of an offer holds, read within the last seconds."""
        found = await self._means(offer)
        if not found.asked:
            return found
        if not found.held:
            self._remember(offer.signer, Seen.POOR)
        elif found.held >= self.reserve:
            self._remember(offer.signer, Seen.FUNDED)
        else:
            self._seen.pop(offer.signer, None)
        return found

    def _remember(self, signer: Address, what: Seen) -> None:
        self._seen[signer] = (trio.current_time() + _REMEMBERED_S, what)
        self._seen.move_to_end(signer)
        if len(self._seen) > _SIGNERS:
            # A flood of made-up keys must not make us forget whom it costs something to be.
            poor = (key for key in islice(self._seen, _SIGNERS // 4) if self._seen[key][1] is Seen.POOR)
            del self._seen[next(poor, next(iter(self._seen)))]

    async def _means(self, offer: Signed[Offer]) -> Means:
        client = offer.message.client
        held = await self._held(client)
        if held and client != offer.signer:
            if self._asking >= _ASKING and self.seen(offer.signer) is not Seen.FUNDED:
                return Means(Amount(0), _TOO_MANY, asked=False)
            self._asking += 1
            try:
                asked = partial(signs_for, self.chain.node, client, offer.digest, offer.signature)
                if not await anyio.to_thread.run_sync(asked, limiter=self._wallets, abandon_on_cancel=True):
                    return Means(Amount(0), _STRANGER)
            finally:
                self._asking -= 1
        return Means(held)

    async def _held(self, client: Address) -> Amount:
        now = trio.current_time()
        while self._read and next(iter(self._read.values()))[0] <= now - _FRESH_S:
            self._read.popitem(last=False)
        known = self._read.get(client)
        if known is not None:
            return known[1]
        held = await self._holdings.get(client)
        self._read[client] = (trio.current_time(), held)
        self._read.move_to_end(client)
        return held
