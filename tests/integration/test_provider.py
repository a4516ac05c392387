"""A provider daemon with a real chain, a real network and a real worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.chain.localnet import Localnet, run_localnet
from protocol.crypto import address_of
from protocol.messages import Quote
from tests.provider_rig import OPERATOR, OWNER, make_job, open_client, provider_home


@pytest.fixture(scope="module")
def ticking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Localnet, Path]]:
    """A chain that makes a block a second, and the networks file that names it."""
    file = tmp_path_factory.mktemp("net") / "networks.yaml"
    with run_localnet(block_time=1, networks_file=file) as net:
        yield net, file


@pytest.mark.trio
async def test_a_job_end_to_end(ticking: tuple[Localnet, Path], tmp_path: Path) -> None:
    net, networks = ticking
    operator = address_of(net.keys[OPERATOR])
    async with open_client(net, tmp_path) as client:
        job = make_job(client.store, tmp_path / "job", items=12)
        with provider_home(net, tmp_path, networks, client.node.addrs[0]) as daemon:
            daemon.start()
            await daemon.seen("listens on")
            quote = await client.ask(job)
            assert isinstance(quote, Quote)
            lease = await client.open(quote)
            await client.until(lease, "running")
            view = await client.until(lease, "posted", "finalized")
            receipt = await client.receipt(lease, operator)
            assert receipt.output_root == view.output_root
            assert receipt.energy_milliwatt_hours > 0
            assert receipt.carbon_milligrams > 0
            await client.node.fetch_artifact(client.store, receipt.outputs, [operator], max_size=1 << 20)
            await client.until(lease, "finalized")
            earned = client.chain.credits(0, address_of(net.keys[OWNER]))
            final = client.chain.lease(lease)
            bid = quote.terms()
            assert earned == final.paid_blocks * bid.rate_per_block + bid.completion_fee
            rows = daemon.call("leases")
            assert [(row["phase"], row["items"]) for row in rows] == [("settled", "12/12")]
            assert daemon.call("status")["money"]["staked"] == "100"
            assert daemon.stop() == 0
