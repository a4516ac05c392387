"""Auctions and leases as users hold them: the same to await and to block on."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from client_sdk.bridge import stream, wait_for
from client_sdk.calls import Auctioned, Calls
from client_sdk.job_run import JobRun
from client_sdk.outcome import Quote, Refusal, Result
from client_sdk.progress import Progress


class _Lease:
    """What both kinds of lease show without asking anybody."""

    def __init__(self, calls: Calls, run: JobRun) -> None:
        self._calls, self._run = calls, run

    @property
    def job(self) -> str:
        """The job's id in this client's home, e.g. for `gavel job status`."""
        return self._run.folder.id

    @property
    def id(self) -> str:
        """The lease's id on chain, in hex; empty if no lease came of the job."""
        return self._run.record.lease

    @property
    def status(self) -> dict[str, Any]:
        """The job's state, cost so far in whole tokens, where its files lie, and how its audit stands."""
        record = self._run.record
        return {
            "job": self.job,
            "lease": record.lease,
            "state": record.state,
            "text": record.text,
            "cost": record.unit.plain(record.cost),
            "items_done": self._run.items[0],
            "items_total": self._run.items[1],
            "result": record.result,
            "audit": record.audits_text or self._run.auditing.last,
        }


class AsyncLease(_Lease):
    """A lease to be awaited."""

    async def result(self) -> Result:
        """Wait for outputs that were fetched and checked; `NoResultError` if there will be none."""
        return await wait_for(self._calls.do(self._calls.result, self._run))

    async def final(self) -> dict[str, Any]:
        """Wait until the money is settled; return how."""
        return await wait_for(self._calls.do(self._calls.final, self._run))

    async def cancel(self) -> None:
        """Ask for the end: before the start it costs the show-up sum, later it takes a grace."""
        await wait_for(self._calls.do(self._calls.bridge.hosted.cancel, self._run))

    def events(self) -> AsyncIterator[Progress]:
        """Yield what happens to the job, from its first event to its last."""
        return stream(lambda index: self._calls.do(self._calls.event, self._run, index))


class SyncLease(_Lease):
    """A lease to block on."""

    def result(self, timeout: float | None = None) -> Result:
        """Wait for outputs that were fetched and checked; `NoResultError` if there will be none."""
        return self._calls.do(self._calls.result, self._run).result(timeout)

    def final(self, timeout: float | None = None) -> dict[str, Any]:
        """Wait until the money is settled; return how."""
        return self._calls.do(self._calls.final, self._run).result(timeout)

    def cancel(self) -> None:
        """Ask for the end: before the start it costs the show-up sum, later it takes a grace."""
        self._calls.do(self._calls.bridge.hosted.cancel, self._run).result()

    def events(self) -> Iterator[Progress]:
        """Yield what happens to the job, from its first event to its last."""
        index = 0
        while (event := self._calls.do(self._calls.event, self._run, index).result()) is not None:
            yield event
            index += 1


class _Auction:
    """Weighed bids, best first."""

    def __init__(self, calls: Calls, auctioned: Auctioned) -> None:
        self._calls, self._auctioned = calls, auctioned

    @property
    def job(self) -> str:
        """The job's id."""
        return self._auctioned.run.folder.id

    @property
    def quotes(self) -> list[Quote]:
        """The usable bids, the winner first."""
        return self._auctioned.quotes

    @property
    def refusals(self) -> list[Refusal]:
        """Who does not serve this job, and why."""
        return self._auctioned.refusals


class AsyncAuction(_Auction):
    """An auction to be awaited."""

    async def open(self) -> AsyncLease:
        """Open the best bid, or the next within the cap if it is gone; `AuctionLostError` if none opens."""
        await wait_for(self._calls.do(self._calls.take, self._auctioned.run))
        return AsyncLease(self._calls, self._auctioned.run)

    async def decline(self) -> None:
        """Take none of the bids; nothing is paid."""
        await wait_for(self._calls.do(self._calls.bridge.hosted.decline, self._auctioned.run))


class SyncAuction(_Auction):
    """An auction to block on."""

    def open(self) -> SyncLease:
        """Open the best bid, or the next within the cap if it is gone; `AuctionLostError` if none opens."""
        self._calls.do(self._calls.take, self._auctioned.run).result()
        return SyncLease(self._calls, self._auctioned.run)

    def decline(self) -> None:
        """Take none of the bids; nothing is paid."""
        self._calls.do(self._calls.bridge.hosted.decline, self._auctioned.run).result()
