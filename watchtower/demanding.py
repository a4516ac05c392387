"""Outputs that a provider serves to nobody, demanded on chain and followed until every bond is back."""

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.calls import Call, TxReceipt
from protocol.dispute.delivery import PostedRoots, posted_roots
from protocol.dispute.purse import COIN
from protocol.games.demanding import Demander, DemandTerms
from protocol.games.pace import rest
from protocol.games.pledges import Pledges, total
from protocol.tape.merkle import Nodes
from protocol.types import Address, InputError, TransientError, Verification, Wei
from watchtower.judge import PostedResult
from watchtower.obtaining import Rig, keep_shown

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeySends:
    """Sends from the watchtower's key, and pays no bond out of what is pledged to audits."""

    chain: AsyncChain
    pledges: Pledges = field(default_factory=Pledges)

    @property
    def address(self) -> Address:
        """Who demands."""
        return self.chain.blocking.address

    async def send(self, call: Call, effect: str) -> TxReceipt:
        """Send a call, once for an effect, and wait until it is in a block.

        `InputError` if audits may need the coin that goes with it.
        """
        async with AsyncExitStack() as stack:
            if call.value:
                async with self.pledges.lock:
                    await self._require_free(call, effect)
                    stack.enter_context(self.pledges.paying(effect, Wei(0), call.value))
            return await self.chain.send(call, effect)

    async def _require_free(self, call: Call, effect: str) -> None:
        outgoing = total(await self.chain.run(self.pledges.outgoing, effect))
        pledged = sum(each.coin for each in await self.chain.run(self.pledges.read))
        coin = await self.chain.run(lambda chain: chain.balance(chain.address))
        if pledged and call.value + pledged > coin - outgoing:
            raise InputError(
                f"{call.what} takes {COIN.about(call.value)}, games of audits that are committed to may take "
                f"{COIN.about(Wei(pledged))}, the wallet holds {COIN.about(coin)}",
                "send it some",
            )


def can_demand(rig: Rig, result: PostedResult, budget: Wei) -> bool:
    """Whether outputs of a lease can be demanded at all."""
    has_judge = rig.chain.blocking.deployment.delivery is not None
    return has_judge and budget > 0 and result.bid.verification == Verification.TAPE


async def demanded(
    rig: Rig, result: PostedResult, terms: DemandTerms, budget: Wei, own: Nodes | None = None
) -> PostedRoots:
    """Return a result's roots as the chain shows them, and remember them. `own`: only the first difference's.

    `InputError` with the reason if they are not to be had: the provider was silent and is convicted, or they
    are too large, or cost more than the budget. Either way no bond is left behind.
    """
    demander = Demander(
        rig.chain,
        result.bid,
        result.output_root,
        terms,
        KeySends(rig.chain, rig.pledges),
        budget,
        log.warning,
        own=own,
    )
    found, failures = None, 0
    while True:
        try:
            turn = await demander.turn()
            if found is None and turn.known is not None:
                # Not the outputs' bytes: there are results that no outputs hash to.
                found = posted_roots(terms.shape, result.output_root, turn.known)
                keep_shown(rig, result, found)
            if turn.over:
                break
            failures = 0
        except TransientError as error:
            log.info("demands cannot be followed now: %s", error)
            failures += 1
        await trio.sleep(rest(rig.chain.blocking.network, failures))
    if found is None:
        raise InputError(turn.over)
    return found
