"""Who may say whose an operator key is, and where: its holder alone. On a real chain, by real commands."""

import json
from pathlib import Path
from typing import Any

import pytest

from protocol.chain.calls import Call
from protocol.chain.localnet import Localnet
from protocol.chain.networks_file import write_deployment
from protocol.crypto import address_of
from protocol.messages import Domain, Registration, sign
from protocol.runtime import cli
from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.keystore import store_key
from protocol.types import to_hex
from provider_node.config import ProviderConfig
from provider_node.introduction import introduce
from tests.chain_helpers import OPERATOR, OWNER, STRANGER

ADDRS = ("/ip4/127.0.0.1/tcp/4001",)


@pytest.fixture
def home(tmp_path: Path, localnet: Localnet, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    file = tmp_path / "networks.yaml"
    write_deployment(file, "local", localnet.network.deployments[0], rpc_urls=[localnet.anvil.url])
    monkeypatch.setenv("GAVEL_NETWORKS", str(file))
    password = tmp_path / "password"
    password.write_text("x")
    password.chmod(0o600)
    monkeypatch.setenv("GAVEL_PASSWORD_FILE", str(password))
    for name, account in (("owner", OWNER), ("operator", OPERATOR), ("stranger", STRANGER)):
        store_key(name, localnet.keys[account], "x", light=True)
    return tmp_path


class Shell:
    """`gavel provider` under --json."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *args: str, code: int = ExitCode.OK) -> Any:
        found = cli.invoke(["--network", "local", "--json", "provider", *args])
        said = self.capsys.readouterr()
        assert found == code, said.err
        return json.loads(said.out or said.err.splitlines()[-1])


@pytest.fixture
def gavel(home: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(capsys)


def registered(net: Localnet) -> dict[bytes, Registration | None]:
    return {each.owner: each.registration for each in net.chain().registrations()}


def test_an_owner_registers_what_the_operator_s_machine_printed(
    localnet: Localnet, home: Path, gavel: Shell
) -> None:
    owner, operator = (localnet.chain(each).address for each in (OWNER, OPERATOR))
    asked = ("--operator", "operator", "--owner", to_hex(owner), "--addr", ADDRS[0])
    file = home / "introduction"
    file.write_text(gavel("introduce", *asked)["introduction"] + "\n")
    gavel("register", "--introduction", str(file), "--wallet", "owner")
    said = registered(localnet)[owner]
    assert said is not None
    assert (said.operator, said.addrs) == (operator, ADDRS)
    refused = gavel("register", "--introduction", str(file), "--wallet", "stranger", code=ExitCode.INPUT)
    assert f"is for owner {to_hex(owner)}" in str(refused)
    file.write_text("0x00")
    nothing = gavel("register", "--introduction", str(file), "--wallet", "owner", code=ExitCode.INPUT)
    assert "holds no introduction" in str(nothing)


def test_who_has_both_wallets_registers_at_once(localnet: Localnet, gavel: Shell) -> None:
    done = gavel("register", "--operator", "operator", "--addr", ADDRS[0], "--wallet", "owner")
    said = registered(localnet)[localnet.chain(OWNER).address]
    assert said is not None
    assert (to_hex(said.operator), said.addrs) == (done["operator"], ADDRS)


def test_nobody_else_can_say_whose_an_operator_key_is_or_where(localnet: Localnet, home: Path) -> None:
    """Whoever named a provider's key in a registration of its own sent the provider's clients astray."""
    chain, stranger = localnet.chain(), localnet.chain(STRANGER)
    owner = localnet.chain(OWNER)
    true = introduce(ProviderConfig(), owner.address, localnet.keys[OPERATOR], ADDRS, chain.domain)
    owner.send(owner.escrow.register(true))
    said = Registration.decode(true.message.encode())
    mine = introduce(ProviderConfig(), stranger.address, localnet.keys[OPERATOR], ADDRS, chain.domain)
    forged = sign(mine.message, chain.domain, localnet.keys[STRANGER])
    elsewhere = sign(mine.message, Domain(1, chain.domain.escrow), localnet.keys[OPERATOR])
    for what in (true.encode(), forged.encode(), elsewhere.encode(), mine.message.encode(), b""):
        stranger.send(naming(localnet, address_of(localnet.keys[OPERATOR]), what))
        found = registered(localnet)
        assert found[stranger.address] is None
        assert found[owner.address] == said
    # With the holder's word it may.
    stranger.send(stranger.escrow.register(mine))
    assert registered(localnet)[stranger.address] == mine.message


def naming(net: Localnet, operator: bytes, what: bytes) -> Call:
    """Any bytes as a registration."""
    escrow = net.chain().escrow
    return Call(escrow.address, escrow.abi.call_data("register", operator, what), "Escrow.register")
