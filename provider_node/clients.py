"""Which clients a bid is made for: offers cost nothing, and bids must not be spent on who could open none."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
import trio

from protocol.chain.client import Chain
from protocol.chain.contract_wallet import signs_for
from protocol.messages import Offer, Signed
from protocol.types import Address, Amount

T = TypeVar("T")
_FRESH_S = 5.0
"""For so long a client's holdings are believed, also when it has none."""
_THREADS = 4
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


@dataclass
class Clients:
    """Asks the chain about those who send offers, at their pace and not at that of the market.

    Peer ids are free, so who signs an offer proves little; that it has the money, or is the key of a contract
    that has it, is what a stranger with a thousand keys would have to pay for. Threads are its own: a
    flood of offers delays no heartbeat.
    """

    chain: Chain
    token: int
    _read: dict[Address, tuple[float, Amount]] = field(default_factory=dict)
    _threads: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(_THREADS))

    async def means(self, offer: Signed[Offer]) -> Means:
        """Return what the client of an offer holds, read within the last seconds."""
        client = offer.message.client
        held = await self._held(client)
        if held and client != offer.signer:
            asked = partial(signs_for, self.chain.node, client, offer.digest, offer.signature)
            if not await self._run(asked):
                return Means(Amount(0), _STRANGER)
        return Means(held)

    async def _held(self, client: Address) -> Amount:
        now = trio.current_time()
        known = self._read.get(client)
        if known is not None and known[0] > now - _FRESH_S:
            return known[1]
        held = await self._run(partial(self.chain.holdings, self.token, client))
        self._read = {who: each for who, each in self._read.items() if each[0] > now - _FRESH_S}
        self._read[client] = (now, held)
        return held

    async def _run(self, read: Callable[[], T]) -> T:
        return await anyio.to_thread.run_sync(read, limiter=self._threads, abandon_on_cancel=True)
