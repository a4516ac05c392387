"""What a client may spend on demands."""

from dataclasses import replace

from client_sdk.demanding import DEMAND_BUDGET, budget_of
from protocol.types import BidFlags, Wei
from tests.strategies.provider import BID


def test_a_private_jobs_outputs_are_made_public_only_if_the_user_says_so() -> None:
    private = replace(BID, flags=BidFlags.PRIVATE)
    assert budget_of(None, BID) == DEMAND_BUDGET
    assert budget_of(None, private) == 0
    assert budget_of(Wei(5), private) == budget_of(Wei(5), BID) == 5
    assert budget_of(Wei(0), BID) == 0
