"""Outputs that a provider serves to nobody, demanded on chain and followed until every bond is back."""

import logging
from dataclasses import dataclass

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.calls import Call, TxReceipt
from protocol.dispute.delivery import PostedRoots, posted_roots
from protocol.games.demanding import Demander, DemandTerms
from protocol.games.pace import rest
from protocol.tape.merkle import Tree
from protocol.types import Address, InputError, TransientError, Verification, Wei
from watchtower.judge import PostedResult
from watchtower.obtaining import Rig, keep_shown

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class KeySends:
    """Sends from the watchtower's key."""

    chain: AsyncChain

    @property
    def address(self) -> Address:
        """Who demands."""
        return self.chain.blocking.address

    async def send(self, call: Call, effect: str) -> TxReceipt:
        """Send a call, once for an effect, and wait until it is in a block."""
        return await self.chain.send(call, effect)


def can_demand(rig: Rig, result: PostedResult, budget: Wei) -> bool:
    """Whether outputs of a lease can be demanded at all."""
    has_judge = rig.chain.blocking.deployment.delivery is not None
    return has_judge and budget > 0 and result.bid.verification == Verification.TAPE


async def demanded(
    rig: Rig, result: PostedResult, terms: DemandTerms, budget: Wei, own: Tree | None = None
) -> PostedRoots:
    """Return a result's roots as the chain shows them, and remember them. `own`: only the first difference's.

    `InputError` with the reason if they are not to be had: the provider was silent and is convicted, or they
    are too large, or cost more than the budget. Either way no bond is left behind.
    """
    demander = Demander(
        rig.chain, result.bid, result.output_root, terms, KeySends(rig.chain), budget, log.warning, own=own
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
