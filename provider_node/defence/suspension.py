"""Whether this machine is trusted with new jobs: after it contradicted itself only by its operator's word.

Kept in the journal: a daemon that its supervisor starts again is still the same machine.
"""

import logging
from dataclasses import dataclass

import trio

from protocol.store.journal import Journal
from provider_node.market import Market

log = logging.getLogger(__name__)

NOTE = "provider.suspended"


@dataclass(frozen=True)
class Suspension:
    """Keeps `market.suspended`, which keeps the market from bidding, on disk."""

    journal: Journal
    market: Market

    def restore(self) -> None:
        """Take up what an earlier life left. Blocking."""
        self.market.suspended = (self.journal.recall(NOTE) or b"").decode()
        if self.market.suspended:
            log.warning("no new jobs are taken: %s; then: gavel provider resume", self.market.suspended)

    async def begin(self, reason: str) -> None:
        """Take no new jobs, whatever becomes of this process."""
        self.market.suspended = reason
        await trio.to_thread.run_sync(self.journal.remember, NOTE, reason.encode())

    async def lift(self) -> str:
        """Take new jobs again; return the reason why none were taken, empty if they were."""
        reason = self.market.suspended
        await trio.to_thread.run_sync(self.journal.remember, NOTE, b"")
        self.market.suspended = ""
        return reason
