"""The chain for trio and asyncio programs: blocking calls run in worker threads of their own limit."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from protocol.chain.calls import Call, TxReceipt
from protocol.chain.client import Chain
from protocol.chain.sender import NotMinedYetError

P = ParamSpec("P")
T = TypeVar("T")


class AsyncChain:
    """`await chain.run(Chain.lease, lease_id)` calls `Chain.lease` in a thread; types are kept.

    Threads are limited apart from trio's other ones, so that a slow node delays only chain calls.
    """

    def __init__(self, chain: Chain, threads: int = 8) -> None:
        self.blocking = chain
        self._limit = anyio.CapacityLimiter(threads)

    async def run(self, method: Callable[Concatenate[Chain, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return `method(chain, *args, **kwargs)`. Cancelling leaves the thread to end by itself."""
        return await anyio.to_thread.run_sync(
            lambda: method(self.blocking, *args, **kwargs), limiter=self._limit, abandon_on_cancel=True
        )

    async def send(self, call: Call, effect: str = "", patience: float | None = None) -> TxReceipt:
        """Send a call and wait until it is in a block, however long that takes; see `Sender.submit`, `poll`.

        Waiting holds no thread. Cancelling stops the waiting, not the transaction. So does the end of
        `patience`, in seconds, with a `TransientError`: whoever sends the effect again goes on waiting.
        """
        sender, began = self.blocking.sender, anyio.current_time()
        ticket = await anyio.to_thread.run_sync(sender.submit, call, effect, limiter=self._limit)
        while True:
            receipt = await anyio.to_thread.run_sync(sender.poll, ticket, limiter=self._limit)
            if receipt is not None:
                return receipt
            if patience is not None and anyio.current_time() - began >= patience:
                raise NotMinedYetError(ticket)
            await anyio.sleep(sender.poll_seconds)
