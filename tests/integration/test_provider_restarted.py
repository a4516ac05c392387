"""A local chain that is started anew under a provider: what was promised on the old one binds nobody."""

import socket
from pathlib import Path

import pytest
import trio

from protocol.chain.localnet import run_localnet
from protocol.messages import Quote
from tests.provider_rig import make_job, open_client, provider_home

pytestmark = pytest.mark.xdist_group("provider")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.soak
@pytest.mark.trio
@pytest.mark.parametrize("running", [True, False])
async def test_bids_of_a_chain_that_is_gone_are_void_at_once(tmp_path: Path, running: bool) -> None:
    port, networks = free_port(), tmp_path / "networks.yaml"
    with (
        run_localnet(port=port, networks_file=networks) as first,
        provider_home(first, tmp_path, networks, price={"bid_blocks": 5_000}) as daemon,
    ):
        daemon.start()
        async with open_client(first, tmp_path / "a") as client:
            await daemon.meet(client)
            assert isinstance(await client.ask(make_job(client.store, tmp_path / "job", items=2)), Quote)
        assert daemon.call("status")["open_bids"] == 1
        if not running:
            daemon.kill()
        await trio.to_thread.run_sync(first.anvil.stop)
        with run_localnet(port=port, networks_file=networks) as second:
            if not running:
                daemon.start()
            await daemon.seen("the local chain was started anew")
            with trio.fail_after(90):
                while daemon.call("status", check=False).returncode:
                    await trio.sleep(0.2)
            assert daemon.call("status")["open_bids"] == 0
            assert len(list(daemon.data.glob("journal-*.db"))) == 1
            async with open_client(second, tmp_path / "b") as client:
                await daemon.meet(client)
                quote = await client.ask(make_job(client.store, tmp_path / "next", items=2))
                assert isinstance(quote, Quote)
                await client.until(await client.open(quote), "finalized")
