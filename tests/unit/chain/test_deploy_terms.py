"""Addresses of contracts to come, and the terms that fit each network."""

import pytest

from protocol.chain.deploy_terms import (
    Terms,
    TokenTerms,
    default_audit_terms,
    default_dispute_terms,
    default_terms,
)
from protocol.chain.judges import created_by
from protocol.chain.networks import Network
from protocol.chain.networks_file import shipped_network
from protocol.dispute.windows import Judging
from protocol.types import Address, Amount, Blocks

NETWORKS = ("local", "sepolia", "base-sepolia", "optimism-sepolia", "arbitrum-sepolia")


@pytest.mark.parametrize(
    ("sender", "nonce", "created"),
    [
        # A worked example that is known all over; another of the same sender.
        ("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", 0, "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"),
        ("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", 1, "343c43a37d37dff08ae8c4a11544c718abb4fcf8"),
    ],
)
def test_addresses_of_contracts_to_come(sender: str, nonce: int, created: str) -> None:
    assert created_by(Address(bytes.fromhex(sender)), nonce).hex() == created


TOKENS = [TokenTerms(Address(bytes(20)), Amount(1))]


def terms_of(network: Network) -> Terms:
    return default_terms(network, TOKENS, min_grace=60, disputes=default_dispute_terms(network))


@pytest.mark.parametrize("name", NETWORKS)
def test_clocks_outlast_a_stalled_chain(name: str) -> None:
    """Rule 15."""
    network = shipped_network(name)
    terms = default_dispute_terms(network)
    assert terms.move_clock >= 2 * network.forced_inclusion_blocks
    assert network.forced_inclusion_blocks <= terms.increment <= terms.move_clock < 1 << 24
    assert network.seconds(terms.move_clock) >= 600
    assert network.seconds(terms.increment) >= 60
    assert terms.claim_period == terms.move_clock


@pytest.mark.parametrize("name", NETWORKS)
def test_unbonding_outlasts_a_window_and_a_game(name: str) -> None:
    """Rules 13 and 14: a trace clock is at most six lease lengths, and a lease no longer than its window."""
    terms = terms_of(shipped_network(name))
    disputes = default_dispute_terms(shipped_network(name))
    assert terms.game_span > 6 * terms.max_challenge_window + 2 * disputes.move_clock + disputes.claim_period
    assert terms.unbonding_delay > terms.max_challenge_window + terms.game_span
    assert terms.unbonding_delay < 1 << 32


@pytest.mark.parametrize("name", NETWORKS)
def test_rule_14_the_longest_window_holds_a_day_long_lease_demands_and_an_audit(name: str) -> None:
    network = shipped_network(name)
    games = default_dispute_terms(network)
    audits = default_audit_terms(network, games, TOKENS)
    judging = Judging(games.move_clock, audits.clocks)
    minutes = Blocks(6 * network.span(600))
    needed = judging.least_window(network.span(86_400), minutes, 1_000)
    assert needed <= terms_of(network).max_challenge_window < 2 * max(needed, network.span(7 * 86_400))
