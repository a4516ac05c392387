"""Whether the chain tells clients where this provider is: else none can dial it, and it alone can tell."""

import logging
from dataclasses import dataclass

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.views import Registered
from protocol.net import Node
from protocol.types import Address, TransientError
from provider_node.addresses import told

log = logging.getLogger(__name__)

_EVERY_S = 60.0
ADVICE = (
    "gavel provider introduce prints what the owner registers: gavel provider register --introduction FILE"
)
RESTART = (
    "restart this daemon, which has the owner's wallet and registers where it is; and see that no other one "
    "runs with this operator's key"
)


def flaw_of(known: Registered | None, operator: Address, addrs: tuple[str, ...]) -> str:
    """Return why what an owner registered leads no client to this operator at `addrs`; empty if it does."""
    if known is None:
        return "the owner has registered no addresses"
    if known.operator != operator:
        return "the owner has registered another operator"
    if known.registration is None:
        return "what the owner has registered is not signed by this operator"
    if not known.addrs:
        return "the owner has registered no addresses"
    if addrs and not set(known.addrs) & set(addrs):
        return f"the owner has registered old addresses: {known.addrs[0]}, now {addrs[0]}"
    return ""


@dataclass
class Introduced:
    """Compares now and then what is registered with where this node is."""

    chain: AsyncChain
    node: Node
    owner: Address
    has_hand: bool = False
    """Whether this daemon has the owner's wallet: it registers when it starts."""
    flaw: str = ""

    async def follow(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                known = await self.chain.run(Chain.registration_of, self.owner)
                self._note(flaw_of(known, self.node.address, told(self.node.addrs)))
            except TransientError as error:
                log.debug("registrations cannot be read: %s", error)
            await trio.sleep(_EVERY_S)

    def _note(self, flaw: str) -> None:
        if flaw and flaw != self.flaw:
            advice = RESTART if self.has_hand else ADVICE
            log.warning("clients may not find this provider: %s; %s", flaw, advice)
        self.flaw = flaw

    def status(self) -> dict[str, str]:
        """Return what `gavel provider status` says of it."""
        return {"registration": self.flaw or "ok"}
