"""What the async and the blocking side have in common: calls of the session, made in its thread."""

from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from client_sdk.bridge import Bridge
from client_sdk.job import Job, load_job
from client_sdk.job_run import JobRun
from client_sdk.offering import Heard, unheard
from client_sdk.outcome import (
    Quote,
    Refusal,
    Result,
    lost,
    quotes_of,
    refusals_of,
    result_of,
    settled_for_user,
)
from client_sdk.progress import Progress
from client_sdk.session import Session
from protocol.auction.auction import Lost
from protocol.auction.money import plain_sum
from protocol.lease.client_types import Phase
from protocol.types import Blocks

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Auctioned:
    """A weighed auction, as both sides see it."""

    run: JobRun
    quotes: list[Quote]
    refusals: list[Refusal]


class Calls:
    """What the async and the blocking side have in common: calls of the session in its thread."""

    def __init__(self, bridge: Bridge[Session]) -> None:
        self.bridge = bridge

    def do(self, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Begin a call in the session's thread."""
        return self.bridge.submit(call, *args, **kwargs)

    async def auctioned(
        self,
        job: Job | str | Path,
        max_price: str | float | Decimal,
        audits: int | None = None,
        heard: Heard = unheard,
    ) -> Auctioned:
        """Offer a job and weigh the bids; `AuctionLostError` if none can be opened.

        `audits` replaces what the job says of audits; `heard` is told, in the session's thread, how it goes.
        """
        session = self.bridge.hosted
        cap = session.unit.parse(plain_sum(max_price), "max_price")
        described = job if isinstance(job, Job) else load_job(job)
        if audits is not None:
            described = replace(described, audits=audits)
        run, state = await session.auction(await session.prepare(described), cap, heard)
        if isinstance(state, Lost):
            raise lost(state)
        return Auctioned(
            run, quotes_of(state, session.unit, partial(session.audits_cost, run)), refusals_of(state)
        )

    async def take(self, run: JobRun) -> None:
        """Open the best bid that can be opened, or raise `AuctionLostError`."""
        outcome = await self.bridge.hosted.open(run)
        if isinstance(outcome, Lost):
            raise lost(outcome)

    async def resume(self, name: str) -> JobRun:
        """Go on with a job of an earlier process."""
        session = self.bridge.hosted
        return await session.resume(session.setup.home.job(name))

    async def result(self, run: JobRun) -> Result:
        """Wait until the outputs are checked, or raise `NoResultError`."""
        run.record.terms  # noqa: B018 - raises if the job never had a lease
        state = await run.loop.wait_for(run.machine, settled_for_user)
        await run.delivery.idle()
        await run.auditing.ordered()
        return result_of(state, run.folder)

    async def final(self, run: JobRun) -> dict[str, Any]:
        """Wait until the money is settled, and tell how."""
        run.record.terms  # noqa: B018
        state = await self.bridge.hosted.over(run)
        await run.delivery.idle()
        await run.auditing.finished()
        settlement = state.settlement
        unit = run.record.unit
        money = (
            {}
            if settlement is None
            else {
                "paid": unit.plain(settlement.to_owner),
                "refunded": unit.plain(settlement.to_client),
                "burnt": unit.plain(settlement.burnt),
            }
        )
        if run.record.audits:
            money |= {"audits_paid": unit.plain(run.record.audits_paid), "audit": run.record.audits_text}
        return {"job": run.folder.id, "lease": run.record.lease, "state": run.record.state, **money}

    async def event(self, run: JobRun, index: int) -> Progress | None:
        """Return an event of the job's story, waiting for it; None after the last one."""
        return await run.story.after(index)

    async def seconds_to_final(self, run: JobRun) -> float:
        """Return about how long it takes until a posted result can be made final; 0 if it is."""
        state = run.lease_state()
        if state is None or state.phase is not Phase.POSTED:
            return 0.0
        left = max(state.window_end + state.conduct.finalize_after - state.height, 0)
        return float(self.bridge.hosted.setup.network.seconds(Blocks(left)))
