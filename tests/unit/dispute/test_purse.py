"""What a game is said to cost, everywhere alike, and what it was measured to cost."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from client_sdk.commands.job import job
from protocol.chain.calls import Due
from protocol.chain.fees import fee_now
from protocol.chain.networks import Fees
from protocol.dispute import bonds
from protocol.dispute.purse import GAME_COSTS, GAME_GAS, OPENING_GAS, Limits, Purse, slowness
from protocol.games import board
from protocol.types import TransientError, Wei
from tests.dispute_cast import work
from tests.dispute_table import GWEI, STRANGER, TERMS, Table, salts
from tests.strategies.tapes import random_tape
from watchtower.commands import watchtower

ROOT = Path(__file__).parents[3]


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(("group", "name"), [(job, "challenge"), (watchtower, "run")])
def test_help_says_what_a_game_costs(group, name) -> None:
    assert GAME_COSTS in plain(CliRunner().invoke(group, [name, "--help"]).output)


@pytest.mark.parametrize("page", ["client", "watchtower"])
def test_pages_say_the_same(page) -> None:
    assert GAME_COSTS in plain((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"))


def test_no_more_is_asked_than_a_game_can_keep() -> None:
    rng = Random(5)
    played = work(rng, *random_tape(rng, 2))
    table = Table(played, played.honest, rng)
    dear = replace(TERMS, coin_prices=(10**30,) * 4)
    table.state = replace(table.state, terms=dear)
    call, most = table.challenge(salts(rng)), bonds.MOST_BOND * GWEI
    assert table.do(call, STRANGER, most - GWEI) == "Disputes_BondTooLow"
    assert table.do(call, STRANGER, most + GWEI) == "Disputes_BondTooHigh"
    assert table.do(call, STRANGER, most) is None


def test_the_figures_are_those_of_the_largest_game_measured() -> None:
    """1,024 nodes, 2^20 elements, K = 4096 (`contracts/test/gas/Dispute.t.sol`): the challenger's moves."""
    gas = {
        name: int(value)
        for name, value in json.loads((ROOT / "contracts/snapshots/dispute.json").read_text()).items()
    }
    picks = 5 * gas["pick"] + gas["land"] + gas["element"]
    moves = gas["challenge"] + picks + gas["last_step"] + gas["claim"]
    settling_and_collecting = 250_000
    assert 350_000 < moves < 650_000, "half a million"
    assert moves + settling_and_collecting < GAME_GAS


def test_no_game_is_opened_that_a_restart_would_lose() -> None:
    assert slowness(3, 599, 600) == ""
    assert slowness(3, 600, 600) == (
        "checking the job and executing item 3 takes 600 s here, the clock of a move is 600 s"
    )


def test_no_limit_keeps_an_accuser_from_the_game_that_saves_its_stake() -> None:
    """What it cannot pay counts, and nothing else: half of its stake is lost without the game."""
    none = Limits(*(Wei(0) for _ in range(4)))
    purse = Purse(Wei(10**18), Wei(10**17), Wei(10**9), Wei(10**20), 99, none, "it is slow here")
    assert purse.why_not() == "it is slow here"
    assert "bond_per_game" in replace(purse, too_slow="").why_not()
    pressing = replace(purse, pressing=True)
    assert pressing.why_not() == ""
    dear = replace(pressing, gas_price=Wei((10**18 - 10**17) // OPENING_GAS + 1))
    assert "a game's bond and its opening may take" in dear.why_not()


def test_no_game_takes_what_is_pledged_to_audits_but_the_one_that_it_is_pledged_to() -> None:
    rich = Limits(*(Wei(10**20) for _ in range(4)))
    purse = Purse(
        Wei(10**18), Wei(10**17), Wei(10**9), Wei(0), 0, rich, pledged=Wei(10**18 - 10**17 - 10**15)
    )
    assert purse.why_not() == ""
    short = replace(purse, pledged=Wei(purse.pledged + 1))
    assert "and games of audits that are committed to, may take" in short.why_not()
    assert replace(short, pressing=True).why_not() == ""


@pytest.mark.parametrize(("now", "price"), [(149, None), (150, 8 * 10**9)])
def test_what_an_accusers_game_costs_is_read_though_gas_is_dearer_than_the_limit(
    now: int, price: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the second half of its clock the game may cost up to half of what burns without it."""
    fees = Fees(base_fee_multiplier=2, priority=Wei(1), maximum=Wei(10**9))
    node = SimpleNamespace(base_fee=lambda: 4 * 10**9, transactions=lambda _: [])
    chain: Any = SimpleNamespace(
        network=SimpleNamespace(fees=fees),
        node=node,
        clock=lambda: now,
        balance=lambda _: 10**18,
        bond=lambda bid, items, most=None: fee_now(node, fees, most).max_fee,  # type: ignore[arg-type]
        address=b"",
    )
    monkeypatch.setattr(board, "_openings_of_day", lambda _: ())
    due, limits = Due.between(100, 200, Wei(10**18)), Limits(*(Wei(0) for _ in range(4)))
    nothing: Any = None
    if price is None:
        with pytest.raises(TransientError, match="base fee"):
            board.read_purse(chain, nothing, 1, limits, due)
        return
    purse = board.read_purse(chain, nothing, 1, limits, due)
    assert (purse.pressing, purse.gas_price, purse.bond) == (True, Wei(price + 1), Wei(price + 1))
    assert board.bond_now(chain, nothing, 1, due) == purse.bond, "and the game is opened with it"
    with pytest.raises(TransientError, match="base fee"):
        board.read_purse(chain, nothing, 1, limits)
