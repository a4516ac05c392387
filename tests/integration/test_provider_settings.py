"""Settings that cannot hold are refused before the daemon sends anything."""

from pathlib import Path

import pytest

from protocol.chain.localnet import Localnet
from protocol.runtime import cli
from protocol.runtime.exit_codes import ExitCode
from tests.chain_helpers import OWNER
from tests.operator_home import operator_home


def test_nothing_is_registered_or_staked_before_the_settings_are_known_to_hold(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    operator_home(localnet, tmp_path, monkeypatch)
    (tmp_path / "provider.yaml").write_text(
        f"{{owner_wallet: owner, password_file: {tmp_path / 'password'}, lease: {{beat_blocks: 30}}, "
        "net: {listen: [/ip4/127.0.0.1/tcp/0]}, stake: {amount: '900'}}"
    )
    chain = localnet.chain(OWNER)
    before = chain.stake(chain.address, 0), chain.node.nonce(chain.address, "latest")
    assert cli.invoke(["provider", "run"]) == ExitCode.INPUT
    assert "lease.beat_blocks is 30, the grace only 20" in capsys.readouterr().err
    assert (chain.stake(chain.address, 0), chain.node.nonce(chain.address, "latest")) == before
