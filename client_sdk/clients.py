"""A connected client: the same calls to await (asyncio, trio) and to block on."""

from decimal import Decimal
from pathlib import Path

from client_sdk.bridge import wait_for
from client_sdk.calls import Calls
from client_sdk.job import Job
from client_sdk.leases import AsyncAuction, AsyncLease, SyncAuction, SyncLease
from client_sdk.offering import Heard, unheard
from protocol.auction.money import Unit


class _Money:
    """How this client's token is written."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    @property
    def unit(self) -> Unit:
        """How the token that is paid with is written."""
        return self._calls.bridge.hosted.unit

    @property
    def symbol(self) -> str:
        """The symbol of the token that is paid with."""
        return self.unit.symbol

    def plain(self, amount: int) -> str:
        """Return a sum in the smallest unit as whole tokens."""
        return self.unit.plain(amount)


class AsyncClient(_Money):
    """A connected client to be awaited, from asyncio or trio."""

    async def auction(
        self,
        job: Job | str | Path,
        max_price: str | float | Decimal,
        audits: int | None = None,
        heard: Heard = unheard,
    ) -> AsyncAuction:
        """Offer a job and weigh the bids; `max_price` is in whole tokens for all, fees and audits included.

        `audits` auditors are paid to run one item again, instead of as many as the job says. `heard` is
        called about once a second, in another thread, while bids are taken.
        """
        return AsyncAuction(
            self._calls, await wait_for(self._calls.do(self._calls.auctioned, job, max_price, audits, heard))
        )

    async def submit(
        self, job: Job | str | Path, max_price: str | float | Decimal, audits: int | None = None
    ) -> AsyncLease:
        """Offer a job and open the best bid within the cap; arguments as in `auction`."""
        return await (await self.auction(job, max_price, audits)).open()

    async def resume(self, job: str) -> AsyncLease:
        """Go on with a job of an earlier process, by its id or lease."""
        return AsyncLease(self._calls, await wait_for(self._calls.do(self._calls.resume, job)))


class SyncClient(_Money):
    """A connected client to block on."""

    def auction(
        self,
        job: Job | str | Path,
        max_price: str | float | Decimal,
        audits: int | None = None,
        heard: Heard = unheard,
    ) -> SyncAuction:
        """Offer a job and weigh the bids; `max_price` is in whole tokens for all, fees and audits included.

        `audits` auditors are paid to run one item again, instead of as many as the job says. `heard` is
        called about once a second, in another thread, while bids are taken.
        """
        return SyncAuction(
            self._calls, self._calls.do(self._calls.auctioned, job, max_price, audits, heard).result()
        )

    def submit(
        self, job: Job | str | Path, max_price: str | float | Decimal, audits: int | None = None
    ) -> SyncLease:
        """Offer a job and open the best bid within the cap; arguments as in `auction`."""
        return self.auction(job, max_price, audits).open()

    def resume(self, job: str) -> SyncLease:
        """Go on with a job of an earlier process, by its id or lease."""
        return SyncLease(self._calls, self._calls.do(self._calls.resume, job).result())

    def seconds_to_final(self, lease: SyncLease) -> float:
        """Return about how long it takes until a posted result can be made final; 0 if it is."""
        return self._calls.do(self._calls.seconds_to_final, lease._run).result()
