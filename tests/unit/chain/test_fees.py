"""What a unit of gas may cost: a limit, and more for whoever would be convicted by silence."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.chain.calls import Due
from protocol.chain.fees import ceiling
from protocol.chain.networks import Fees
from protocol.types import BlockNo, Wei

GWEI = 10**9
POLICY = Fees(2, Wei(GWEI), Wei(500 * GWEI))
COIN = Wei(10**18)


def test_a_call_that_costs_nothing_when_late_keeps_the_limit() -> None:
    assert ceiling(POLICY, None, 10**9, 100_000) == POLICY.maximum


def test_the_first_half_of_a_clock_is_waited_out() -> None:
    due = Due.between(100, 120, COIN)
    assert due.presses == 110
    assert ceiling(POLICY, due, 109, 100_000) == POLICY.maximum
    assert ceiling(POLICY, due, 110, 100_000) == 5_000 * GWEI


def test_where_nobody_knows_a_price_the_limit_counts_four_times() -> None:
    assert ceiling(POLICY, Due(BlockNo(0), None), 1, 100_000) == 4 * POLICY.maximum


@given(st.integers(0, 10**24), st.integers(1, 3 * 10**7), st.integers(0, 40))
def test_a_call_costs_at_most_half_of_what_it_saves_or_the_limit(worth: int, gas: int, now: int) -> None:
    most = ceiling(POLICY, Due.between(10, 30, Wei(worth)), now, gas)
    assert most >= POLICY.maximum
    assert most == POLICY.maximum or (now >= 20 and 2 * most * gas <= worth)
