"""Effects that are transactions: each looks at the chain first, so that doing it twice does nothing twice."""

import logging
from collections.abc import Callable

import trio

from client_sdk.funding import opening_calls
from client_sdk.wallet import Wallet
from protocol.auction.auction import FailedOpen, OpenFailure, OpenLease, SawOpened
from protocol.auction.money import Unit
from protocol.chain.async_chain import AsyncChain
from protocol.chain.calls import Call, TxReceipt
from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.chain.views import LeaseState, LeaseView
from protocol.messages import Bid
from protocol.types import Address, BlockNo, InputError

log = logging.getLogger(__name__)

# Whatever the contract says against one bid must not end the auction: rivals would send such bids.
_FAILURES = {
    "Escrow_NonceSpent": OpenFailure.NONCE_SPENT,
    "Escrow_Expired": OpenFailure.EXPIRED,
    "Escrow_BadBid": OpenFailure.BID_VOID,
    "Escrow_NoJudge": OpenFailure.BID_VOID,
    "Escrow_NotSigned": OpenFailure.BID_VOID,
    "Escrow_BondTooLow": OpenFailure.BID_VOID,
    "Staking_OverLeaseCap": OpenFailure.BID_VOID,
    "Staking_OverTotalCap": OpenFailure.BID_VOID,
    "Staking_OverStake": OpenFailure.BID_VOID,
    "Escrow_TooFewCredits": OpenFailure.CANNOT_PAY,
}
_TERMS = frozenset({"Escrow_BadBid", "Escrow_NoJudge", "Escrow_BondTooLow"})
"""Refusals of what the bid says; the others of the kind say that its provider has changed."""
_WORDS = {
    OpenFailure.NONCE_SPENT: "its capacity was sold or cancelled meanwhile",
    OpenFailure.EXPIRED: "it expired meanwhile",
    OpenFailure.BID_VOID: "the provider's stake or key changed meanwhile",
}


def failure_of(revert: Revert) -> tuple[OpenFailure, str]:
    """Return what a refused opening means for the auction, and the words for it."""
    failure = _FAILURES.get(revert.name, OpenFailure.REFUSED)
    if revert.name in _TERMS:
        return failure, f"the contract does not take its terms: {revert.message}"
    return failure, _WORDS.get(failure, revert.message)


class Purse:
    """Sends what one wallet has to send about leases."""

    def __init__(self, chain: AsyncChain, wallet: Wallet, unit: Unit) -> None:
        self.chain, self.wallet, self.unit = chain, wallet, unit

    async def open(self, effect: OpenLease, name: str) -> SawOpened | FailedOpen:
        """Open the lease of a bid, unless it stands already; says why if the chain refuses."""
        bid = effect.entry.bid
        lease = bid.lease_id()
        while (view := await self.chain.run(Chain.lease, lease)).state == LeaseState.NONE:
            failed = await self._try(bid, effect.entry.bid_signature, name)
            if failed is not None and await self._absent(bid):
                return failed
        await self._confirmed(view, bid)
        return SawOpened(lease)

    async def _try(self, bid: Bid, signature: bytes, name: str) -> FailedOpen | None:
        height = BlockNo(0)
        try:
            height = await self.chain.run(Chain.clock)
            if height > bid.expiry:
                raise InputError(_WORDS[OpenFailure.EXPIRED])
            calls = await self.chain.run(opening_calls, self.wallet, self.unit, bid, signature)
            for place, call in enumerate(calls):
                await self.send(call, f"{name}:{place}:{len(calls)}")
        except Revert as revert:
            return FailedOpen(bid.lease_id(), *failure_of(revert), height)
        except InputError as error:
            expired = height > bid.expiry
            failure = OpenFailure.EXPIRED if expired else OpenFailure.CANNOT_PAY
            return FailedOpen(bid.lease_id(), failure, str(error), height)
        return None

    async def _absent(self, bid: Bid) -> bool:
        view = await self.chain.run(Chain.lease, bid.lease_id())
        return view.state == LeaseState.NONE

    async def _confirmed(self, view: LeaseView, bid: Bid) -> None:
        """Wait until as many blocks stand on the opening as the network asks for."""
        wanted = self.chain.blocking.network.confirmations
        first = await self.chain.run(Chain.block_number)
        while view.state != LeaseState.NONE and wanted > 1:
            if await self.chain.run(Chain.block_number) >= first + wanted - 1:
                return
            await trio.sleep(self.chain.blocking.sender.poll_seconds)
            view = await self.chain.run(Chain.lease, bid.lease_id())

    async def close(self, bid: Bid, name: str) -> None:
        """Close a lease as its client, unless it is closing or over."""
        await self._until(
            bid,
            LeaseState.OPENED,
            lambda state: state in (LeaseState.OPENED, LeaseState.RUNNING, LeaseState.SERVING),
            self.chain.blocking.escrow.close_by_client(bid),
            name,
        )

    async def expire(self, bid: Bid, name: str) -> None:
        """End a lease whose deadline has passed, unless somebody did."""
        call = self.chain.blocking.escrow.expire(bid)
        await self._until(bid, LeaseState.OPENED, lambda at: at.live and at != LeaseState.POSTED, call, name)

    async def finalize(self, bid: Bid, name: str) -> None:
        """Make a posted result final, unless somebody did."""
        call = self.chain.blocking.escrow.finalize(bid)
        await self._until(bid, LeaseState.POSTED, lambda at: at == LeaseState.POSTED, call, name)

    async def _until(
        self, bid: Bid, since: LeaseState, needed: Callable[[LeaseState], bool], call: Call, name: str
    ) -> None:
        """Send `call` if it is needed; `since` is where the lease stood when this was wanted."""

        async def is_needed() -> bool:
            return needed((await self.chain.run(Chain.lease, bid.lease_id())).since(since))

        if not await is_needed():
            return
        try:
            await self.send(call, name)
        except Revert:
            if await is_needed():
                raise
            log.info("%s came too late: somebody else did it", call.what)

    @property
    def address(self) -> Address:
        """Who pays, and is the client of leases."""
        return self.wallet.client

    async def send(self, call: Call, name: str) -> TxReceipt:
        """Send a call as the client, once for a name, and wait until it is in a block."""
        return await self.chain.send(self.wallet.through(call), name)
