"""Addresses of contracts to come, and the terms that fit each network."""

from dataclasses import replace
from pathlib import Path

import pytest

from protocol.chain.deploy_terms import (
    STRAIGHT_MOVES,
    Terms,
    TokenTerms,
    default_audit_terms,
    default_dispute_terms,
    default_terms,
)
from protocol.chain.judges import created_by
from protocol.chain.networks import Network
from protocol.chain.networks_file import shipped_network
from protocol.dispute.facts import depth_of
from protocol.dispute.levels import step
from protocol.dispute.windows import Judging
from protocol.tape.limits import MAX_ELEMENTS, MAX_NODES
from protocol.types import Address, Amount, Blocks

ROOT = Path(__file__).parents[3]
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
def test_unbonding_outlasts_a_window_and_a_game_about_a_day(name: str) -> None:
    """Rule 13: a trace clock is at most six lease lengths. ADR 044."""
    network = shipped_network(name)
    terms, games, day = terms_of(network), default_dispute_terms(network), network.span(86_400)
    assert terms.game_span >= 6 * day + 2 * games.move_clock + games.claim_period
    assert terms.unbonding_delay > terms.max_challenge_window + terms.game_span
    assert terms.unbonding_delay < 1 << 32
    assert games.straight_game(day) < games.longest_game(day)


def test_no_straight_game_has_more_moves() -> None:
    """Down the deepest trace and tensor, each answer showing what it may, then a chain in two rounds."""
    answers = 0
    for landed, deepest in ((False, depth_of(MAX_NODES)), (True, depth_of(MAX_ELEMENTS))):
        below = deepest
        while below:
            below -= step(landed, below)
            answers += 1
    totals_and_values = 2
    proof = 1
    assert answers + totals_and_values + proof <= STRAIGHT_MOVES


def figures(name: str) -> list[str]:
    """A network's row of the table in docs/networks.md."""
    network = shipped_network(name)
    terms, games = terms_of(network), default_dispute_terms(network)
    clocks = [f"{network.seconds(span) / 60:.0f} min" for span in (games.move_clock, games.increment)]
    spans = (terms.max_challenge_window, terms.game_span, terms.unbonding_delay)
    return [name, *clocks, *(f"{network.seconds(Blocks(span)) / 86_400:.1f} d" for span in spans)]


def test_the_documented_spans_are_the_computed_ones() -> None:
    text = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in text.splitlines()]
    for name in NETWORKS:
        assert figures(name) in rows, f"docs/networks.md should say: {' | '.join(figures(name))}"


def test_a_deployer_may_trust_the_chain_more_and_longer_jobs_make_longer_windows() -> None:
    base = shipped_network("base-sepolia")
    trusting = replace(base, forced_inclusion_blocks=Blocks(1_800))
    assert base.seconds(terms_of(trusting).unbonding_delay) < 12 * 86_400
    games = default_dispute_terms(base)
    longer = default_terms(base, TOKENS, min_grace=60, longest_lease_seconds=3 * 86_400, disputes=games)
    assert longer.max_challenge_window == terms_of(base).max_challenge_window + base.span(2 * 86_400)
    assert longer.game_span == terms_of(base).game_span + 6 * base.span(2 * 86_400)


@pytest.mark.parametrize("name", NETWORKS)
def test_rule_14_the_longest_window_holds_a_day_long_lease_demands_and_an_audit(name: str) -> None:
    network = shipped_network(name)
    games = default_dispute_terms(network)
    audits = default_audit_terms(network, games, TOKENS)
    judging = Judging(games.move_clock, audits.clocks)
    minutes = Blocks(6 * network.span(600))
    needed = judging.least_window(network.span(86_400), minutes, 1_000)
    assert needed == terms_of(network).max_challenge_window
