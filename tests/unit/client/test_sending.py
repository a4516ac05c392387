"""What a refused opening means: a flaw of one bid never ends the auction for the others."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from client_sdk.sending import Purse, failure_of
from protocol.auction.auction import OpenFailure
from protocol.auction.money import Unit
from protocol.chain.errors import Revert, known_errors, revert_of
from protocol.chain.views import LeaseState, LeaseView
from protocol.types import TransientError
from tests.lease_views import lease_view

OF_ONE_BID = {
    "Escrow_BadBid": "terms",
    "Escrow_NoJudge": "terms",
    "Escrow_BondTooLow": "terms",
    "Escrow_NotSigned": "changed meanwhile",
    "Escrow_NonceSpent": "sold or cancelled",
    "Escrow_Expired": "expired",
    "Staking_OverLeaseCap": "changed meanwhile",
    "Staking_OverTotalCap": "changed meanwhile",
    "Staking_OverStake": "changed meanwhile",
}


def reverted(name: str) -> Revert:
    """Return the contract's error of this name, with zeros for its arguments, as a node would answer it."""
    (selector,) = [each for each, entry in known_errors().items() if entry.name == name]
    return revert_of(selector + bytes(32 * 4))


@pytest.mark.parametrize("name", OF_ONE_BID)
def test_refusal_of_one_bid_lets_the_next_be_opened(name: str) -> None:
    found = reverted(name)
    assert found.name == name
    failure, reason = failure_of(found)
    assert failure in (OpenFailure.BID_VOID, OpenFailure.NONCE_SPENT, OpenFailure.EXPIRED)
    assert OF_ONE_BID[name] in reason


@pytest.mark.parametrize("name", ["Escrow_UnlistedToken", "Escrow_NotClient"])
def test_refusal_of_every_bid_alike_ends_the_auction(name: str) -> None:
    assert failure_of(reverted(name))[0] is OpenFailure.REFUSED
    assert failure_of(Revert("", {}))[0] is OpenFailure.REFUSED


def test_credits_that_do_not_reach_leave_cheaper_bids_to_try() -> None:
    assert failure_of(reverted("Escrow_TooFewCredits"))[0] is OpenFailure.CANNOT_PAY


@pytest.mark.trio
async def test_a_node_that_is_behind_ends_no_wish_of_the_client() -> None:
    """It says that there is no lease to close, or no result to make final."""
    sent: list[str] = []

    class Slow:
        """A node that has not seen the newest blocks."""

        blocking = SimpleNamespace(
            escrow=SimpleNamespace(
                close_by_client=lambda _: None, expire=lambda _: None, finalize=lambda _: None
            )
        )
        state = LeaseState.NONE

        async def run(self, *_: Any) -> LeaseView:
            return lease_view(self.state)

        async def send(self, _: Any, name: str) -> None:
            sent.append(name)

    node = Slow()
    purse = Purse(cast(Any, node), cast(Any, SimpleNamespace(through=lambda call: call)), Unit("LOC", 18))
    bid = cast(Any, SimpleNamespace(lease_id=lambda: bytes(32)))
    for state, wishes in (
        (LeaseState.NONE, (purse.close, purse.expire, purse.finalize)),
        (LeaseState.RUNNING, (purse.finalize,)),
    ):
        node.state = state
        for wish in wishes:
            with pytest.raises(TransientError, match="a node that is behind"):
                await wish(bid, "too early")
    await purse.close(bid, "close")
    node.state = LeaseState.POSTED
    await purse.finalize(bid, "finalize")
    await purse.close(bid, "too late")
    await purse.expire(bid, "too late")
    assert sent == ["close", "finalize"]
