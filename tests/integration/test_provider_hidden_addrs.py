"""A provider whose owner is elsewhere, and registered it where it is no more."""

from pathlib import Path

import pytest

from protocol.chain.localnet import run_localnet
from tests.chain_helpers import ready_provider
from tests.provider_rig import provider_home

pytestmark = pytest.mark.xdist_group("provider")


@pytest.mark.trio
async def test_old_addresses_are_told_in_the_log_and_by_status(tmp_path: Path) -> None:
    networks = tmp_path / "networks.yaml"
    with run_localnet(block_time=1, networks_file=networks) as net:
        owner = ready_provider(net)
        elsewhere = {"owner_wallet": "", "owner": f"0x{owner.address.hex()}", "stake": {"amount": ""}}
        with provider_home(net, tmp_path, networks, **elsewhere) as daemon:
            daemon.start()
            await daemon.seen("listens on")
            await daemon.seen("clients may not find this provider")
            assert daemon.call("status")["registration"].startswith("the owner has registered old addresses")
            assert daemon.stop() == 0
