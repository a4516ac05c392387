"""An operator key with code can answer nothing: the daemon does not start with it, and doctor says so."""

from pathlib import Path

import pytest

from protocol.chain.localnet import Localnet
from protocol.runtime.commands.doctor import roles_checks
from protocol.runtime.doctor import Finding, examine
from protocol.runtime.hardware import detect
from protocol.types import InputError, to_hex
from provider_node.config import ProviderConfig
from provider_node.identity import load_identity
from provider_node.plain import check_operator, require_plain
from provider_node.registration import enter
from tests.chain_helpers import OPERATOR, OWNER
from tests.contract_wallet import deploy_wallet
from tests.operator_home import operator_home


@pytest.fixture
def home(localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A provider's home on the local chain."""
    return operator_home(localnet, tmp_path, monkeypatch)


def delegate(net: Localnet) -> str:
    """Give the operator's key a delegation, as an EIP-7702 authorization does; return to whom."""
    to = deploy_wallet(net, net.chain(OWNER).address, 0)
    net.anvil.call("anvil_setCode", to_hex(net.chain(OPERATOR).address), "0xef0100" + to.hex())
    return "0x" + to.hex()


def test_doctor_looks_at_the_operator_s_account(localnet: Localnet, home: Path) -> None:
    operator = to_hex(localnet.chain(OPERATOR).address)
    assert check_operator(None) == Finding("operator", "ok", f"{operator} is a plain key on local")
    to = delegate(localnet)
    found = check_operator("local")
    assert found is not None
    assert (found.level, found.detail) == ("fail", f"{operator} delegates to {to}: it can answer no game")
    assert "gavel provider register --operator" in found.advice
    assert "EIP-7702 authorization to the zero address" in found.advice
    (home / "provider.yaml").write_text("operator: 3")
    assert check_operator(None).level == "fail"  # type: ignore[union-attr]


def test_doctor_says_nothing_of_operators_where_there_is_no_provider(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    assert check_operator(None) is None


def test_gavel_doctor_asks_every_role(localnet: Localnet, home: Path) -> None:
    delegate(localnet)
    checks = roles_checks("local")
    (row,) = [each for each in examine(checks) if each.check == "operator"]
    assert row.level == "fail"


def test_a_provider_does_not_start_with_such_a_key(localnet: Localnet, home: Path) -> None:
    config = ProviderConfig(password_file=str(home / "password"), owner_wallet="owner", grid_zone="DE")
    identity, chain = load_identity(config), localnet.chain(OPERATOR)
    to = delegate(localnet)
    with pytest.raises(InputError, match=f"delegates to {to}") as caught:
        enter(config, identity, detect(home), (), chain)
    assert "register --operator" in caught.value.advice
    assert not chain.registrations(), "nothing was done on chain"
    contract = deploy_wallet(localnet, chain.address, 0)
    with pytest.raises(InputError, match="is a contract"):
        require_plain(chain, contract)
