"""Settings that cannot hold are refused before the daemon sends anything."""

from pathlib import Path

import pytest

from protocol.chain.localnet import Localnet
from protocol.chain.networks_file import write_deployment
from protocol.runtime import cli
from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.keystore import store_key
from tests.chain_helpers import OPERATOR, OWNER


def test_nothing_is_registered_or_staked_before_the_settings_are_known_to_hold(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    networks = tmp_path / "networks.yaml"
    write_deployment(networks, "local", localnet.deployment, rpc_urls=[localnet.url])
    for name, value in (("GAVEL_HOME", tmp_path), ("GAVEL_NETWORKS", networks)):
        monkeypatch.setenv(name, str(value))
    (tmp_path / "password").write_text("x")
    (tmp_path / "password").chmod(0o600)
    for name, account in (("operator", OPERATOR), ("owner", OWNER)):
        store_key(name, localnet.keys[account], "x", light=True)
    (tmp_path / "provider.yaml").write_text(
        f"{{owner_wallet: owner, password_file: {tmp_path / 'password'}, lease: {{beat_blocks: 30}}, "
        "net: {listen: [/ip4/127.0.0.1/tcp/0]}, stake: {amount: '900'}}"
    )
    chain = localnet.chain(OWNER)
    before = chain.stake(chain.address, 0), chain.node.nonce(chain.address, "latest")
    assert cli.invoke(["provider", "run"]) == ExitCode.INPUT
    assert "lease.beat_blocks is 30, the grace only 20" in capsys.readouterr().err
    assert (chain.stake(chain.address, 0), chain.node.nonce(chain.address, "latest")) == before
