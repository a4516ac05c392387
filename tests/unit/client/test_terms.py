"""The wish that bids are held to fits what honest providers of this software state."""

from dataclasses import replace

import pytest
from msgspec import structs

from client_sdk.terms import expected_lease, fitting_window, longest_result, offered_elements
from protocol.auction.bidding import PricePolicy, Refusal, Terms, answer
from protocol.chain.deploy_terms import TokenTerms, default_audit_terms, default_dispute_terms
from protocol.chain.networks import Network
from protocol.chain.networks_file import shipped_network
from protocol.dispute.windows import Judging
from protocol.engines.worker.interface import ProgramInfo
from protocol.types import Address, Amount, Blocks
from tests.unit.auction.test_bidding import HOUSE, MARKET, OFFER, SLOTS


@pytest.mark.parametrize("funded", [1, 19, 20, 80, 600, 2_000_000])
def test_result_deadline_leaves_room_for_a_provider_at_its_defaults_and_no_more(funded: int) -> None:
    policy = PricePolicy(per_hour={})
    # The longest that bidding states: an estimate that takes all that is funded, stretched, and the posting.
    honest = -(-funded * policy.safety_percent // 100) + policy.result_blocks
    assert honest <= longest_result(Blocks(funded)) <= 4 * max(funded, 60)


def judging_of(network: Network) -> Judging:
    """The clocks that a deployment on this network gets."""
    games = default_dispute_terms(network)
    audits = default_audit_terms(network, games, [TokenTerms(Address(bytes(20)), Amount(1))])
    return Judging(games.move_clock, audits.clocks)


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("name", ["local", "sepolia", "base-sepolia"])
@pytest.mark.parametrize(("run", "items"), [(0.1, 1), (5.0, 1), (55.0, 1_119), (5.0, 500), (3600.0, 40)])
def test_rule_14_providers_bid_in_a_fitted_window_and_in_none_much_shorter(
    name: str, run: float, items: int, private: bool
) -> None:
    """It holds the lease, demands, a redrawn audit, and a while in which the chain takes nothing."""
    network = shipped_network(name)
    judging, forced = judging_of(network), network.forced_inclusion_blocks
    lease, item_seconds = expected_lease(network, run), run / items
    window = fitting_window(network, judging, lease, item_seconds=item_seconds, items=items, private=private)
    fmas = round(10**9 * item_seconds)
    offer = replace(OFFER, item_fma=fmas, item_count=items, max_blocks=1 << 30, flags=int(private))
    market = replace(MARKET, block_ms=1_000 * network.seconds_per_block, judging=judging)
    found = answer(replace(offer, challenge_window=window - forced), HOUSE, market, SLOTS)
    assert isinstance(found, Terms), found
    short = answer(replace(offer, challenge_window=window // 2), HOUSE, market, SLOTS)
    assert isinstance(short, Refusal)


def test_a_window_that_nobody_judges_in_outlasts_the_lease_alone() -> None:
    network = shipped_network("local")
    plain = fitting_window(network, Judging(), Blocks(70), item_seconds=1.0, items=5, private=False)
    assert plain == 70 + network.forced_inclusion_blocks


def test_a_fitted_window_serves_a_provider_three_times_as_slow_that_promises_a_third() -> None:
    """A window for this machine's own speed was refused by every provider, for a job of a minute."""
    network, run, items = shipped_network("local"), 55.0, 1_119
    slow = 3 * run
    window = fitting_window(
        network,
        judging_of(network),
        expected_lease(network, slow),
        item_seconds=slow / items,
        items=items,
        private=False,
    )
    offer = replace(OFFER, item_fma=round(10**9 * slow / items), item_count=items, max_blocks=1 << 30)
    market = replace(MARKET, block_ms=1_000 * network.seconds_per_block, judging=judging_of(network))
    found = answer(replace(offer, flags=0, challenge_window=window), HOUSE, market, SLOTS)
    assert isinstance(found, Terms), found


MINILM = ProgramInfo(
    *(bytes(32), (), (), 1, 0, 1_436_959_232, 97_925_893, 2_752_512, 1, 1, 0.1, 9.0, 52_200_000),
    hashed_bytes=52_209_664,
    output_hashed_bytes=1_536,
)


def test_an_ordinary_job_is_offered_by_what_it_computes() -> None:
    """Its hashing fits into the allowance of six item times."""
    assert offered_elements(MINILM, judged=True) == 97_925_893 + 2_752_512 // 8 + 1_536


def test_an_item_of_narrow_rows_is_offered_by_what_its_trace_takes() -> None:
    narrow = structs.replace(MINILM, fmas=0, steps=1 << 22, hashed_bytes=128 << 22)
    assert offered_elements(narrow, judged=True) == (128 << 22) // 5
    assert offered_elements(narrow, judged=False) < 1 << 23
