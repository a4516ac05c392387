"""`gavel wallet deposit` and `withdraw` on a real chain: a key's own money, and a contract wallet's."""

import json
from pathlib import Path
from typing import Any

import pytest

from protocol.chain.localnet import Localnet
from protocol.chain.networks import FURTHER
from protocol.chain.networks_file import write_deployment
from protocol.runtime import cli
from protocol.runtime.commands import chain_views
from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.keystore import store_key
from protocol.types import to_hex
from tests.chain_helpers import CLIENT, STRANGER, UNIT
from tests.integration.test_contract_wallet import contract_client


class Shell:
    """The `gavel` command with the client's key as its default wallet."""

    def __init__(self, net: Localnet, capsys: pytest.CaptureFixture[str]) -> None:
        self.net, self.capsys = net, capsys

    def __call__(self, *args: str, code: int = ExitCode.OK) -> Any:
        assert cli.invoke(["--network", "local", "--json", "wallet", *args]) == code
        said = self.capsys.readouterr()
        return json.loads(said.out or said.err.splitlines()[-1])


@pytest.fixture
def gavel(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    monkeypatch.setenv("GAVEL_NETWORKS", str(tmp_path / "networks.yaml"))
    made = localnet.network.deployments[0]
    write_deployment(tmp_path / "networks.yaml", "local", made, rpc_urls=[localnet.url], seconds_per_block=1)
    (tmp_path / "password").write_text("x")
    (tmp_path / "password").chmod(0o600)
    monkeypatch.setenv("GAVEL_PASSWORD_FILE", str(tmp_path / "password"))
    store_key("default", localnet.keys[CLIENT], "x", light=True)
    return Shell(localnet, capsys)


def test_the_wallet_of_client_yaml_is_the_one_whose_money_is_moved(
    gavel: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain = gavel.net.chain(STRANGER)
    store_key("savings", gavel.net.keys[STRANGER], "y", light=True)
    (tmp_path / "other").write_text("y")
    (tmp_path / "other").chmod(0o600)
    assert gavel("address")["address"].lower() == to_hex(gavel.net.chain(CLIENT).address)
    (tmp_path / "client.yaml").write_text(f"wallet: savings\npassword_file: {tmp_path / 'other'}\n")
    before = chain.credits(0, chain.address)
    assert gavel("address")["address"].lower() == to_hex(chain.address)
    assert gavel("balance")["address"].lower() == to_hex(chain.address)
    gavel("deposit", "0.5")
    assert chain.credits(0, chain.address) == before + UNIT // 2
    gavel("withdraw", "0.5")
    # A flag goes before the file, and what else the file says of the client is no matter here.
    named = gavel(
        "deposit", "99999999", "--wallet", "default", "--password-file", str(tmp_path / "password"), code=2
    )
    assert to_hex(gavel.net.chain(CLIENT).address) in named["error"]["message"]
    monkeypatch.setenv("GAVEL_CLIENT_WALLET", "default")
    assert gavel("balance")["address"].lower() == to_hex(gavel.net.chain(CLIENT).address)


def test_an_amount_of_nothing_is_named_as_such(gavel: Shell) -> None:
    for done, words in (("deposit", "deposited"), ("withdraw", "withdrawn")):
        said = gavel(done, "0", code=ExitCode.INPUT)["error"]
        assert said["message"] == f"nothing would be {words}: the amount is 0"
        assert said["advice"] == "name more than 0"


def test_tokens_become_credits_and_credits_tokens(gavel: Shell) -> None:
    chain = gavel.net.chain(CLIENT)
    before, credits_ = chain.token_balance(0, chain.address), chain.credits(0, chain.address)
    said = gavel("deposit", "2.5")
    assert said["deposited"] == "2.5"
    assert chain.credits(0, chain.address) == credits_ + 25 * UNIT // 10
    assert chain.token_balance(0, chain.address) == before - 25 * UNIT // 10
    assert chain.allowance(0, chain.address, chain.escrow.address) == 0
    other = gavel.net.chain(STRANGER).address
    there = chain.token_balance(0, other)
    assert gavel("withdraw", "0.5", "--to", to_hex(other))["withdrawn"] == "0.5"
    assert chain.token_balance(0, other) == there + UNIT // 2
    gavel("withdraw")
    assert chain.credits(0, chain.address) == 0
    assert chain.token_balance(0, chain.address) == before + credits_ - UNIT // 2


def test_a_contract_wallets_money_moves_by_its_session_key(gavel: Shell) -> None:
    wallet, chain = contract_client(gavel.net), gavel.net.chain(CLIENT)
    assert wallet.contract is not None
    named = ("--contract", to_hex(wallet.contract))
    before = chain.token_balance(0, wallet.contract)
    gavel("deposit", "3", *named)
    assert chain.credits(0, wallet.contract) == 3 * UNIT
    gavel("withdraw", *named)
    assert (chain.credits(0, wallet.contract), chain.token_balance(0, wallet.contract)) == (0, before)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("withdraw", "1"), "0 LOC of credits in the Escrow"),
        (("withdraw",), "of credits in the Escrow"),
        (("withdraw", "--coin"), "no game has left coin"),
        (("deposit", "999999999999"), "outside the Escrow"),
        (("deposit", "--", "-1"), "amount"),
        (("deposit", "x"), "amount"),
        (("deposit", "1", "--token", "NO"), "'NO' is not listed"),
        (("withdraw", "--to", "0x12"), "--to"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_moves(
    gavel: Shell, args: tuple[str, ...], said: str
) -> None:
    chain = gavel.net.chain(CLIENT)
    before = chain.token_balance(0, chain.address), chain.credits(0, chain.address)
    assert before[1] == 0
    found = gavel(*args, code=ExitCode.INPUT)
    assert said in json.dumps(found)
    assert (chain.token_balance(0, chain.address), chain.credits(0, chain.address)) == before


def test_the_deployments_own_contracts_and_nobody_are_refused_as_receivers(gavel: Shell) -> None:
    """What they hold outside credits and stakes is nobody's: a typing error would be final."""
    made, chain = gavel.net.deployment, gavel.net.chain(CLIENT)
    gavel("deposit", "1")
    contracts = [
        made.escrow,
        made.staking,
        *(getattr(made, name) for name in FURTHER),
        made.tokens[0].address,
    ]
    for each in contracts:
        for coin in ((), ("--coin",)):
            said = gavel("withdraw", *coin, "--to", to_hex(each), code=ExitCode.INPUT)["error"]
            assert "is a contract of this deployment" in said["message"]
            assert "wallet's own" in said["advice"]
    said = gavel("withdraw", "--to", "0x" + 40 * "0", code=ExitCode.INPUT)["error"]
    assert "is nobody's address" in said["message"]
    assert chain.credits(0, chain.address) == UNIT
    gavel("withdraw")


def test_coin_is_shown_where_there_are_no_contracts_yet(gavel: Shell, tmp_path: Path) -> None:
    """Else who wants to deploy could not see whether the wallet can pay for it."""
    account = gavel.net.chain(CLIENT)
    text = f"version: 1\nnetworks:\n  local: {{rpc_urls: ['{gavel.net.url}'], seconds_per_block: 1}}\n"
    (tmp_path / "networks.yaml").write_text(text)
    found = gavel("balance")
    assert found["tokens"] == {}
    assert found["coin"] == chain_views.whole(account.balance(account.address), 18)
    assert cli.invoke(["--network", "local", "wallet", "balance"]) == ExitCode.OK
    assert "no contracts" in gavel.capsys.readouterr().out
