"""Transactions on their way: each is followed until it is in a block, whoever still waits for it.

A lease may stop wanting an effect while its transaction is pending. The transaction then still holds its
nonce, and all later ones wait behind it: so it is watched, and replaced when stuck, like any other.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.calls import Call, TxReceipt
from protocol.chain.client import Chain
from protocol.chain.sender import NonceTakenError, Ticket
from protocol.runtime.retry import backoff
from protocol.types import BrokenInvariant, GavelError, TransientError

log = logging.getLogger(__name__)


@dataclass
class _Followed:
    """A ticket and what became of it."""

    ticket: Ticket
    done: trio.Event = field(default_factory=trio.Event)
    receipt: TxReceipt | None = None
    error: GavelError | None = None


class Sending:
    """Sends for one key while `run` runs. `counts` is of transactions in blocks, by function."""

    def __init__(self, chain: AsyncChain, on_mined: Callable[[], object]) -> None:
        self._chain, self._on_mined = chain, on_mined
        self._nursery: trio.Nursery | None = None
        self._followed: dict[int, _Followed] = {}
        self.counts: dict[str, int] = {}

    async def run(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Follow what an earlier process sent, and whatever is sent now, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            for ticket in self._chain.blocking.sender.unmined():
                log.info("following %s of an earlier run, nonce %d", ticket.what, ticket.nonce)
                self._follow(ticket)
            task_status.started()
            await trio.sleep_forever()

    async def send(self, call: Call, effect: str = "") -> TxReceipt:
        """Send a call and wait until it is in a block. One effect is one transaction, also after a restart.

        Raises what the chain says against it. Cancelling stops the waiting, not the transaction.
        """
        ticket = await self._chain.run(lambda chain: chain.sender.submit(call, effect))
        followed = self._follow(ticket)
        await followed.done.wait()
        if followed.error is not None:
            raise followed.error
        if followed.receipt is None:
            raise BrokenInvariant(f"{call.what} was followed to no end")
        return followed.receipt

    def _follow(self, ticket: Ticket) -> _Followed:
        known = self._followed.get(ticket.nonce)
        if known is not None and known.ticket == ticket:
            return known
        if self._nursery is None:
            raise BrokenInvariant("transactions are sent before anybody follows them")
        followed = self._followed[ticket.nonce] = _Followed(ticket)
        self._nursery.start_soon(self._watch, followed)
        return followed

    async def _watch(self, followed: _Followed) -> None:
        ticket, failures = followed.ticket, 0
        sender = self._chain.blocking.sender
        try:
            while followed.receipt is None:
                try:
                    followed.receipt = await self._chain.run(_poll, ticket)
                    failures = 0
                except NonceTakenError as error:
                    followed.error = error  # nothing was done: it may be sent again
                    return
                except TransientError:
                    failures += 1
                if followed.receipt is None:
                    await trio.sleep(
                        backoff(failures, sender.poll_seconds, 30.0) if failures else sender.poll_seconds
                    )
            self.counts[ticket.what] = self.counts.get(ticket.what, 0) + 1
            log.info(
                "%s is in block %d, fee %d wei", ticket.what, followed.receipt.block, followed.receipt.fee
            )
        except GavelError as error:
            log.info("%s failed: %s", ticket.what, error)
            followed.error = error
        finally:
            del self._followed[ticket.nonce]
            followed.done.set()
            self._on_mined()


def _poll(chain: Chain, ticket: Ticket) -> TxReceipt | None:
    return chain.sender.poll(ticket)
