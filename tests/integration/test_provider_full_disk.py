"""A provider whose disk runs full in the middle of a lease: it waits, says so, and loses nothing."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import trio

from protocol.chain.localnet import run_localnet
from protocol.messages import Decline, Quote
from tests.provider_rig import make_job, open_client, provider_home
from tests.small_mount import fill, small_disk

pytestmark = pytest.mark.xdist_group("provider")


def health(port: int) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.trio
async def test_a_provider_outlives_a_full_disk_and_earns_its_lease(tmp_path: Path) -> None:
    networks = tmp_path / "networks.yaml"
    slow = {"start_blocks": 300, "result_blocks": 150, "bid_blocks": 200, "grace": 200}
    with (
        run_localnet(block_time=1, networks_file=networks) as net,
        provider_home(net, tmp_path, networks, price=slow) as daemon,
        small_disk(daemon.data, megabytes=24) as disk,
    ):
        daemon.module = "tests.small_disk"
        daemon.start()
        async with open_client(net, tmp_path) as client:
            await daemon.meet(client)
            job = make_job(client.store, tmp_path / "job", items=2)
            quote = await client.ask(job)
            assert isinstance(quote, Quote)
            port = daemon.call("status")["metrics_port"]
            assert health(port)[0] == 200
            filler = fill(disk)
            lease = await client.open(quote)
            with trio.fail_after(60):
                while daemon.call("status")["journal"] == "ok":
                    await trio.sleep(0.2)
            code, said = health(port)
            assert (code, said["ok"]) == (503, False)
            assert "cannot be written" in said["journal"]
            answer = await client.ask(job, auction_ms=2_000)
            assert isinstance(answer, Decline)
            assert "journal cannot be written" in answer.reason
            assert daemon.log().count("nothing more is done until it can be") == 1
            filler.unlink()
            await client.until(lease, "finalized")
            assert daemon.call("status")["journal"] == "ok"
            assert isinstance(await client.ask(job, auction_ms=3_000), Quote)
