"""What a game is said to cost, everywhere alike, and what it was measured to cost."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from client_sdk.commands.job import job
from protocol.dispute import bonds
from protocol.dispute.model import rules
from protocol.dispute.purse import GAME_COSTS, GAME_GAS, slowness
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


def test_bonds_are_reckoned_as_the_model_of_the_contract_does() -> None:
    assert (bonds.BOND_GAS, bonds.BOND_BYTES) == (rules.BOND_GAS, rules.BOND_BYTES)


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
