"""What a refused opening means: a flaw of one bid never ends the auction for the others."""

import pytest

from client_sdk.sending import failure_of
from protocol.auction.auction import NEXT_MAY_DO, OpenFailure
from protocol.chain.errors import Revert, known_errors, revert_of

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
    assert failure in NEXT_MAY_DO
    assert OF_ONE_BID[name] in reason


@pytest.mark.parametrize("name", ["Escrow_TooFewCredits", "Escrow_UnlistedToken", "Escrow_NotClient"])
def test_refusal_of_every_bid_alike_ends_the_auction(name: str) -> None:
    assert failure_of(reverted(name))[0] not in NEXT_MAY_DO
    assert failure_of(Revert("", {}))[0] is OpenFailure.REFUSED
