"""The wish that bids are held to fits what honest providers of this software state."""

import pytest

from client_sdk.terms import fitting_window, longest_result
from protocol.auction.bidding import PricePolicy
from protocol.chain.networks_file import shipped_network
from protocol.types import Blocks


@pytest.mark.parametrize("funded", [1, 19, 20, 80, 600, 2_000_000])
def test_result_deadline_leaves_room_for_a_provider_at_its_defaults_and_no_more(funded: int) -> None:
    policy = PricePolicy(per_hour={})
    # The longest that bidding states: an estimate that takes all that is funded, stretched, and the posting.
    honest = -(-funded * policy.safety_percent // 100) + policy.result_blocks
    assert honest <= longest_result(Blocks(funded)) <= 4 * max(funded, 60)


@pytest.mark.parametrize("name", ["local", "sepolia", "base-sepolia"])
@pytest.mark.parametrize("run", [0.1, 5.0, 3600.0])
def test_a_fitted_window_outlasts_the_lease_and_a_stalled_chain(name: str, run: float) -> None:
    """Rule 14."""
    network, policy = shipped_network(name), PricePolicy(per_hour={})
    lease = -(-network.span(run) * policy.safety_percent // 100) + policy.result_blocks
    assert fitting_window(network, run, judged=False) >= lease
    assert fitting_window(network, run, judged=True) >= lease + network.forced_inclusion_blocks
