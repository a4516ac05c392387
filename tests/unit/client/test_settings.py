"""`client.yaml`: the client's settings for all its commands, under flags and environment."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from client_sdk.challenge import Rerunning
from client_sdk.commands.challenging import challenge_job
from client_sdk.commands.options import budget_option, contract_option, password_option, wallet_option
from client_sdk.commands.table import quote_table
from client_sdk.outcome import Quote, lost
from client_sdk.receipts import read_receipt
from protocol.auction.auction import Lost, OpenFailure, Tried
from protocol.auction.money import Unit
from protocol.auction.scoring import Flaw, Refused
from protocol.runtime.client_config import client_config, network_of
from protocol.runtime.settings import Settings
from protocol.types import Address, InputError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    return tmp_path


@click.command()
@wallet_option
@password_option
@contract_option
@budget_option
@click.pass_context
def shown(
    context: click.Context,
    wallet: str | None,
    password_file: Path | None,
    contract: str | None,
    demand_budget: str | None,
) -> None:
    click.echo(
        f"{network_of(context.find_root().ensure_object(Settings))} {wallet} {password_file!r} {contract} "
        f"{demand_budget}"
    )


def run(*args: str) -> str:
    return CliRunner().invoke(shown, args).output.strip()


def test_what_no_flag_says_comes_from_file_and_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run() == "local None None None None"
    (home / "client.yaml").write_text(
        "network: sepolia\nwallet: alice\npassword_file: secret\ndemand_budget: '0.2'"
    )
    secret = repr(Path("secret"))
    assert run() == f"sepolia alice {secret} None 0.2"
    monkeypatch.setenv("GAVEL_CLIENT_WALLET", "bob")
    assert run() == f"sepolia bob {secret} None 0.2"
    assert run("--wallet", "carol", "--demand-budget", "0") == f"sepolia carol {secret} None 0"


def test_the_network_that_was_asked_for_is_above_the_file(home: Path) -> None:
    (home / "client.yaml").write_text("network: sepolia")
    assert client_config(Settings(network="base-sepolia")).network == "base-sepolia"
    (home / "client.yaml").write_text("netwrk: sepolia")
    with pytest.raises(InputError, match="unknown field netwrk; did you mean network"):
        network_of(Settings())


def test_a_challenge_looks_for_its_job_on_the_network_of_the_file(home: Path) -> None:
    (home / "client.yaml").write_text("network: sepolia")
    with pytest.raises(InputError, match="there is no job"):
        challenge_job(Settings(), "0abc", "1", (None, None), Rerunning())
    assert [each.name for each in (home / "client").iterdir()] == ["sepolia"]


def test_small_estimates_of_carbon_can_be_told_apart() -> None:
    def table(grams: float) -> str:
        quote = Quote("0xaa", "1", "1", grams, 1.0, "0", "1", "1", "new", "")
        return quote_table([quote], Unit("LOC", 18)).splitlines()[1].split()[3]

    assert [table(each) for each in (0.0, 0.00012345, 0.05, 0.39, 12.0)] == [
        "0.00",
        "0.00012",
        "0.05",
        "0.39",
        "12.00",
    ]


def test_quotes_fit_on_a_terminal_and_each_has_its_reason_below_it() -> None:
    loc, owner = Unit("LOC", 18), "0x" + "aa" * 20
    history = "12 done, 3 failed, 1 cancelled"
    first = Quote(owner, "123.456789", "1234.5", 0.00012, 600.0, "1.2", "100", "1000", history, "cheapest")
    second = Quote(owner, "1", "1", 1.0, 1.0, "1.2", "1", "1", "new", "1 LOC dearer than the winner (new)")
    head, *lines = quote_table([first, second], loc).splitlines()
    assert max(map(len, [head, *lines])) <= 80
    assert lines[1::2] == [f"  cheapest ({history})", "  1 LOC dearer than the winner (new)"]
    assert [each.split()[1] for each in lines[::2]] == ["123.456789", "1"]


def test_a_lost_auction_says_what_to_do_and_nothing_twice() -> None:
    owner = Address(bytes(20))
    tried = Tried(owner, OpenFailure.CANNOT_PAY, "too little money")
    assert str(lost(Lost("too little money", tried=(tried,)))) == "too little money"
    short = Refused(owner, Flaw.WRONG_TERMS, "challenge window of 659 blocks is too short")
    assert "limits.window in the job file" in str(lost(Lost("no usable bid", (short,))))


def test_a_field_that_no_receipt_has_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "receipt.json"
    path.write_text('{"version": 1, "network": "local", "x": 1}')
    with pytest.raises(InputError, match="unknown field x"):
        read_receipt(path)
