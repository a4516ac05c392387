"""Whole jobs with a real provider process: asyncio, trio, plain code, command line, and through kills."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
import yaml

from client_sdk import Client, Job, Limits, NoResultError, verify_receipt
from client_sdk.outcome import settled_for_user
from client_sdk.progress import Kind
from protocol.auction.auction import Won
from protocol.auction.money import Unit
from protocol.chain.localnet import Localnet, run_localnet
from protocol.crypto import address_of
from protocol.lease.client_types import Phase, Work
from protocol.messages import delegates_hash
from protocol.net import NetSettings, open_node
from protocol.runtime.keystore import store_key
from protocol.store.artifacts import Artifacts
from protocol.types import (
    Address,
    Amount,
    ArtifactId,
    BidFlags,
    InputError,
    TransientError,
    Verification,
    parse_address,
    to_hex,
)
from provider_node.control import ask
from tests.client_rig import CLIENT, client_session, expected, small_job
from tests.provider_rig import OWNER, ROOT, Daemon, provider_home

pytestmark = pytest.mark.xdist_group("e2e-job")
WINDOW = 500
"""Blocks, of a job that is judged; made at once."""


@dataclass
class World:
    net: Localnet
    networks: Path
    folder: Path
    provider: Daemon

    def connect(self, **changes: Any) -> Any:
        given = {
            "wallet": self.net.keys[CLIENT],
            "networks_file": self.networks,
            "home": self.folder / "client" / "client",
        }
        return Client.connect("local", **{**given, **changes})

    def gavel(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "protocol.runtime.cli", "--network", "local", "--json", *args]

    def env(self) -> dict[str, str]:
        own = {
            "GAVEL_HOME": str(self.folder / "client"),
            "GAVEL_NETWORKS": str(self.networks),
            "GAVEL_PASSWORD_FILE": str(self.folder / "client" / "password"),
            "PYTHONPATH": str(ROOT),
        }
        return {**{k: v for k, v in os.environ.items() if not k.startswith("GAVEL_")}, **own}

    def answer(self, *args: str, code: int = 0) -> Any:
        done = subprocess.run(
            self.gavel(*args), cwd=ROOT, env=self.env(), capture_output=True, timeout=90, check=False
        )
        assert done.returncode == code, done.stderr.decode()[-2000:]
        return json.loads(done.stdout or done.stderr.splitlines()[-1])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("job")
    networks = folder / "networks.yaml"
    home = folder / "client"
    home.mkdir(mode=0o700)
    (home / "password").write_text("x")
    (home / "password").chmod(0o600)
    with run_localnet(block_time=1, networks_file=networks) as net:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GAVEL_HOME", str(home))
            store_key("default", net.keys[CLIENT], "x", light=True)
        # A client that was killed needs time to come back, on a busy machine more, before it is given up.
        with provider_home(net, folder, networks, price={"start_blocks": 90}) as provider:
            provider.start()
            trio.run(provider.seen, "listens on")
            yield World(net, networks, folder, provider)
            provider.stop()


def short(folder: Path, items: int = 6, **limits: float) -> Job:
    """A job that nobody judges: its window need not be as long as its lease, so the test is over sooner."""
    job = small_job(folder, items)
    limits = {"time": 200, "window": 3, "auction": 1, **limits}
    return replace(job, limits=Limits(**limits), verification="none")


def test_asyncio_gets_the_references_bits_and_a_receipt_that_verifies(world: World) -> None:
    folder = world.folder / "first"
    job = replace(short(folder, window=WINDOW), verification="auto")

    async def main() -> Any:
        async with world.connect() as client:
            auction = await client.auction(job, max_price="2.5")
            assert len(auction.quotes) == 1
            lease = await auction.open()
            ticks, seen = 0, []

            async def tick() -> None:
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.05)
                    ticks += 1

            beside = asyncio.create_task(tick())
            async for event in lease.events():
                seen.append(event)
                if event.kind is Kind.RESULT:
                    break
            # The caller's own loop was never blocked.
            assert ticks > 10
            beside.cancel()
            result = await lease.result()
            await asyncio.to_thread(world.net.anvil.mine, WINDOW)
            money = await lease.final()
            return result, money, seen

    result, money, seen = asyncio.run(main())
    outputs = next(iter(result.arrays().values()))
    for got, reference in zip(outputs, expected(job, folder), strict=True):
        assert np.array_equal(got.view(np.uint32), reference.view(np.uint32))
    texts = [event.text for event in seen]
    assert any("stream has begun" in text for text in texts)
    assert any("result posted" in text for text in texts)
    assert result.items_rerun == 3
    assert money["state"] == "final"
    owner = address_of(world.net.keys[OWNER])
    assert [each.bid.verification for each in world.net.chain().leases_of(owner=owner)] == [Verification.TAPE]
    paid = world.net.chain().credits(0, owner)
    assert Unit("LOC", 18).parse(money["paid"], "paid") == paid
    _check_receipt(world, result.receipt)


def _check_receipt(world: World, receipt: Path) -> None:
    os.environ["GAVEL_NETWORKS"] = str(world.networks)
    try:
        # From the provider's bytes alone: this folder holds no artifact.
        found = verify_receipt(receipt, world.folder / "stranger", rerun_percent=100)
        assert found.holds, found
        assert [each.name for each in found.findings] == ["chain", "signature", "job", "outputs", "re-run"]
        content = json.loads(receipt.read_text())
        signed = bytearray.fromhex(content["receipt"][2:])
        signed[-70] ^= 1  # the last letter of a text field: still a receipt, but not the one that was signed
        content["receipt"] = "0x" + signed.hex()
        forged = receipt.with_name("forged.json")
        forged.write_text(json.dumps(content))
        wrong = verify_receipt(forged, world.folder / "stranger")
        assert [each.name for each in wrong.findings if not each.holds] == ["signature"]
        forged.write_text("{}")
        with pytest.raises(InputError, match="no receipt of version"):
            verify_receipt(forged, world.folder / "stranger")
    finally:
        del os.environ["GAVEL_NETWORKS"]


def test_plain_code_and_trio_use_the_same_client(world: World) -> None:
    job = short(world.folder / "second", items=3)
    with world.connect() as client:
        lease = client.submit(job, max_price=2.5)
        result = lease.result(timeout=60)
        assert result.path.name == "outputs.npz"
        assert lease.status["items_total"] in (0, 3)
        with pytest.raises(InputError, match=r"a result is posted|the lease has ended"):
            lease.cancel()
        name = lease.job

    async def again() -> str:
        async with world.connect() as client:
            found = await (await client.resume(name)).result()
            with trio.move_on_after(0.3) as scope:
                await (await client.resume(name)).final()
            assert scope.cancelled_caught or lease.status["state"]
            return found.output_root

    assert trio.run(again) == result.output_root


def test_client_killed_after_opening_goes_on_where_it_was(world: World) -> None:
    folder = world.folder / "third"
    job = short(folder, items=4)
    described = {
        "title": "killed",
        "model": "model.tape",
        "inputs": {"path": "x.npy", "format": "raw"},
        "limits": {"time": "200 s", "window": "3 s", "auction": "1 s"},
        "verification": "none",
    }
    assert Path(job.model).parent == folder
    (folder / "job.yaml").write_text(yaml.safe_dump(described))
    process = subprocess.Popen(
        world.gavel("job", "run", str(folder / "job.yaml"), "--max-price", "2.5", "--yes"),
        cwd=ROOT,
        env=world.env(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "lease opened" in line:
            break
    else:
        raise AssertionError("".join(seen))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    status = world.answer("job", "status")
    assert status["lease"]
    assert status["chain"]["state"] in ("opened", "running", "posted")
    done = world.answer("job", "result", status["job"], "--wait")
    assert done["state"] == "final"
    assert Path(done["receipt"]).exists()
    listed = {each["job"]: each["state"] for each in world.answer("job", "list")}
    assert listed[status["job"]] == "final"


def test_provider_that_dies_costs_nothing_but_time(world: World) -> None:
    """The user is told within seconds; cancelling gives back what was not earned."""
    job = short(world.folder / "fourth", items=3)
    with world.connect() as client:
        auction = client.auction(job, max_price="2.5")
        world.provider.kill()
        try:
            lease = auction.open()
            began = time.monotonic()
            for event in lease.events():
                if event.kind is Kind.TROUBLE and "no sign of life" in event.text:
                    break
            assert time.monotonic() - began < 20
            lease.cancel()
            with pytest.raises(NoResultError, match="closed by its client"):
                lease.result(timeout=60)
            money = lease.final(timeout=60)
            assert money["state"] == "refunded"
            assert money["paid"] == "0"
        finally:
            world.provider.start()
            trio.run(world.provider.seen, "listens on")


@pytest.mark.trio
async def test_a_private_job_is_read_by_its_client_winner_and_delegates_alone(
    world: World, tmp_path: Path
) -> None:
    """RULES 23: provider and client refuse strangers; a delegate gets from the client what a check takes."""
    keys = world.net.keys
    delegate, stranger = keys[8], keys[9]
    named = (to_hex(address_of(delegate)),)
    # No other test here runs a job of five items: a public lease of the same bytes would make them public.
    job = replace(short(tmp_path / "private", items=5, window=12), private=True, delegates=named)
    async with client_session(world.net, tmp_path, account=7) as session:
        run, _ = await session.auction(await session.prepare(job), Amount(25 * 10**17))
        assert isinstance(await session.open(run), Won)
        state = await run.loop.wait_for(run.machine, settled_for_user)
        assert (state.phase, state.work) == (Phase.POSTED, Work.GOOD)
        assert state.bid.flags == BidFlags.PRIVATE
        assert state.bid.delegates == delegates_hash(frozenset([address_of(delegate)]))
        operator = parse_address(run.record.operator)
        status = await trio.to_thread.run_sync(ask, world.provider.data, "status")
        spec, outputs = run.record.artifacts[0], state.outputs.artifact

        async def fetched(key: bytes, at: str, peer: Address, artifact: ArtifactId) -> bool:
            store = Artifacts(
                tmp_path / "-".join(each.hex()[:6] for each in (address_of(key), peer, artifact))
            )
            async with open_node(key, NetSettings()) as node:
                await node.connect(at)
                try:
                    await node.fetch_artifact(store, artifact, [peer], max_size=1 << 20)
                except (InputError, TransientError):
                    return False
                finally:
                    store.close()
                return True

        me, here = session.setup.wallet.peer, session.node.addrs[0]
        for artifact in (spec, outputs):
            assert await fetched(delegate, here, me, artifact)
            assert not await fetched(stranger, here, me, artifact)
            assert not await fetched(stranger, status["addrs"][0], operator, artifact)
        with trio.fail_after(60):
            await session.over(run)
