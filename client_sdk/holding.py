"""A client against results that are held for ever: it calls clocks that ran out, and settles convictions."""

from collections.abc import Callable
from dataclasses import dataclass, field

from client_sdk.record import Record
from client_sdk.sending import Purse
from protocol.chain.client import Chain
from protocol.games.keeping import Keeper
from protocol.lease.client_types import SawHolds
from protocol.types import BlockNo

_EVERY_S = 60
"""A game may end, and another begin, long before the clocks that were seen: it looks as often as that."""


@dataclass
class Holding:
    """Looks after one lease. Its client's money waits on it, so no budget bounds what that costs."""

    purse: Purse
    record: Callable[[], Record]
    tell: Callable[[str], None]
    _told: set[str] = field(default_factory=set)

    async def look(self, *, right: bool) -> SawHolds:
        """Look, and end what is over; say when to look again. `TransientError` without a chain."""
        chain = self.purse.chain
        every = chain.blocking.network.span(_EVERY_S)
        if chain.blocking.deployment.disputes is None:
            return SawHolds(BlockNo(await chain.run(Chain.clock) + every))
        record = self.record()
        # As with a result that is to be made final: whose business it is may do it first, at its own cost.
        keeper = Keeper(chain, record.terms, self.purse, record.conduct.finalize_after)
        found = await keeper.look(right=right)
        for line in found.said:
            if line not in self._told:
                self._told.add(line)
                self.tell(line)
        latest = found.now + every
        return SawHolds(BlockNo(min(found.again_at or latest, latest)))
