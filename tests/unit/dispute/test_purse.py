"""What a game is said to cost, everywhere alike, and what it was measured to cost."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from client_sdk.commands.job import job
from protocol.dispute import bonds
from protocol.dispute.purse import GAME_COSTS, GAME_GAS, slowness
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
    assert slowness(3, 600, 600) == "executing item 3 takes 600 s here, the clock of a move is 600 s"
