"""A provider's home on a local chain: networks, password and both keys."""

from pathlib import Path

import pytest

from protocol.chain.localnet import Localnet
from protocol.chain.networks_file import write_deployment
from protocol.runtime.keystore import store_key
from tests.chain_helpers import OPERATOR, OWNER


def operator_home(net: Localnet, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make `folder` the home of this process; return it."""
    networks = folder / "networks.yaml"
    write_deployment(networks, "local", net.deployment, rpc_urls=[net.url])
    for name, value in (("GAVEL_HOME", folder), ("GAVEL_NETWORKS", networks)):
        monkeypatch.setenv(name, str(value))
    (folder / "password").write_text("x")
    (folder / "password").chmod(0o600)
    for name, account in (("operator", OPERATOR), ("owner", OWNER)):
        store_key(name, net.keys[account], "x", light=True)
    return folder
