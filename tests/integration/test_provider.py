"""A provider daemon with a real chain, a real network and a real worker."""

import os
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest
import trio
import yaml

from protocol.chain.events import Ended, Event, ResultPosted, Started, topic_of
from protocol.chain.localnet import Localnet, run_localnet
from protocol.crypto import address_of
from protocol.messages import Decline, Quote
from protocol.net import NetSettings, open_node
from protocol.types import Address, LeaseId
from tests.provider_rig import (
    OPERATOR,
    OWNER,
    Client,
    Daemon,
    Proxy,
    long_job,
    make_job,
    open_client,
    provider_home,
)

# One daemon serves all tests: they belong to one worker.
pytestmark = pytest.mark.xdist_group("provider")


@dataclass
class World:
    """A chain that makes a block a second, a proxy before it, and a provider that is up."""

    net: Localnet
    proxy: Proxy
    networks: Path
    daemon: Daemon

    @property
    def operator(self) -> Address:
        return address_of(self.net.keys[OPERATOR])

    @property
    def owner(self) -> Address:
        return address_of(self.net.keys[OWNER])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("provider")
    networks = folder / "networks.yaml"
    with run_localnet(block_time=1, networks_file=networks) as net:
        proxy = Proxy(net.url)
        document = yaml.safe_load(networks.read_text())
        document["networks"]["local"]["rpc_urls"] = [proxy.url]
        networks.write_text(yaml.safe_dump(document))
        with provider_home(
            net,
            folder,
            networks,
            price={"start_blocks": 40, "result_blocks": 150},
            lease={"beat_blocks": 2, "withdraw_blocks": 2},
        ) as daemon:
            yield World(net, proxy, networks, daemon)
        proxy.close()


@pytest.fixture
async def client(world: World, tmp_path: Path) -> AsyncIterator[Client]:
    if world.daemon.process is None or world.daemon.process.poll() is not None:
        world.daemon.start()
    async with open_client(world.net, tmp_path) as found:
        await world.daemon.meet(found)
        yield found


def wealth(world: World) -> int:
    """What the owner has in all: credits, tokens and stake."""
    chain = world.net.chain()
    held = chain.credits(0, world.owner) + chain.token_balance(0, world.owner)
    return held + chain.stake(world.owner, 0).staked


def metrics_of(port: int) -> str:
    """What the daemon tells Prometheus."""
    text: str = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    return text


def events_of(world: World, lease: LeaseId) -> list[str]:
    """Names of the events that may happen once in a lease's life, as they happened."""
    chain = world.net.chain()
    topics = tuple(topic_of(chain.escrow.abi, name) for name in ("Started", "ResultPosted", "Ended"))
    found = chain.scanner.all((topics, lease))
    assert all(isinstance(each, (Started, ResultPosted, Ended)) for each in found)
    return [type(each).__name__ for each in found]


@pytest.mark.trio
async def test_a_job_end_to_end(world: World, client: Client, tmp_path: Path) -> None:
    job = long_job(client.store, tmp_path / "job", depth=802, items=4_000)
    before = wealth(world)
    quote = await client.ask(job)
    assert isinstance(quote, Quote)
    lease = await client.open(quote)
    view = await client.until(lease, "posted", "finalized")
    receipt = await client.receipt(lease, world.operator)
    assert (receipt.output_root, receipt.item_count) == (view.output_root, 4_000)
    assert receipt.energy_milliwatt_hours > 0
    assert receipt.carbon_milligrams > 0
    await client.node.fetch_artifact(client.store, receipt.outputs, [world.operator], max_size=1 << 24)
    await client.until(lease, "finalized")
    final, bid = client.chain.lease(lease), quote.terms()
    earned = wealth(world) - before
    assert earned == final.paid_blocks * bid.rate_per_block + bid.completion_fee
    assert final.paid_blocks > 2
    assert final.withdrawn_blocks > 0, "advances were to be withdrawn every other block"
    assert events_of(world, lease) == ["Started", "ResultPosted", "Ended"]
    assert client.chain.stake(world.owner, 0).locked == 0
    # And what it does not take, it declines with the reason.
    answer = await client.ask(job, device="cuda")
    assert isinstance(answer, Decline)
    assert answer.reason == "needs cuda, this provider offers cpu"
    assert answer.owner == world.owner
    # Nor does it hold a place for who could open no lease, or has another pay.
    rich, secret = client.chain.address, os.urandom(32)
    async with open_node(secret, NetSettings()) as node:
        stranger = replace(client, node=node, key=secret)
        await world.daemon.meet(stranger)
        for payer, reason in (
            (address_of(secret), "the client holds 0 LOC, the bid would take 0."),
            (rich, "the offer is signed by another key than its client's, which is no contract wallet"),
        ):
            answer = await stranger.ask(job, client=payer)
            assert isinstance(answer, Decline), answer
            assert answer.reason.startswith(reason)


@pytest.mark.trio
async def test_a_client_that_disappears_after_opening_costs_no_slot(
    world: World, client: Client, tmp_path: Path
) -> None:
    client.serving = False
    job = make_job(client.store, tmp_path / "gone", items=2, width=64)
    quote = await client.ask(job)
    assert isinstance(quote, Quote)
    lease = await client.open(quote)
    await client.until(lease, "opened")
    world.net.anvil.mine(quote.terms().start_deadline - 6)
    # Both pay for that: who closes before the deadline pays alone (rule 1).
    await client.until(lease, "start_missed", wait_s=30)
    assert "Started" not in events_of(world, lease)
    client.serving = True
    again = await client.ask(job)
    assert isinstance(again, Quote)
    assert again.terms().capacity_nonce != quote.terms().capacity_nonce


@pytest.mark.soak
@pytest.mark.trio
async def test_what_the_disk_has_damaged_is_fetched_again_and_the_job_done(
    world: World, client: Client, tmp_path: Path
) -> None:
    """A job that was done before is checked no second time: nothing of it may be run unseen."""
    job = long_job(client.store, tmp_path / "job", depth=803, items=40)
    artifacts = (job.spec_id, job.spec.program, job.spec.inputs)

    async def posted() -> bytes:
        quote = await client.ask(job)
        assert isinstance(quote, Quote), quote
        lease = await client.open(quote)
        return (await client.until(lease, "finalized", "provider_closed", "start_missed")).output_root

    before = await posted()
    for artifact in artifacts:
        file = world.daemon.data / "artifacts" / "objects" / artifact.hex()[:2] / artifact.hex()
        body = bytearray(file.read_bytes())
        body[-1] ^= 1
        file.chmod(0o600)
        file.write_bytes(body)
    assert await posted() == before != bytes(32)
    assert all(f"artifact 0x{each.hex()} in the store" in world.daemon.log() for each in artifacts)


@pytest.mark.trio
async def test_artifacts_that_are_not_what_was_offered_are_not_run(
    world: World, client: Client, tmp_path: Path
) -> None:
    job = make_job(client.store, tmp_path / "job", items=3)
    quote = await client.ask(job, transfer_bytes=10)
    assert isinstance(quote, Quote)
    lease = await client.open(quote)

    def reason() -> str:
        rows = world.daemon.call("leases")
        return str(next((row["reason"] for row in rows if row["lease"] == "0x" + lease.hex()), ""))

    with trio.fail_after(30):
        while "bytes to fetch, the offer said 10" not in await trio.to_thread.run_sync(reason):
            await trio.sleep(0.1)
    # Nothing is run, and both pay for that (rule 1).
    world.net.anvil.mine(quote.terms().start_deadline + 1)
    await client.until(lease, "start_missed", wait_s=30)


@pytest.mark.trio
async def test_chain_and_worker_die_in_the_middle_of_a_job(
    world: World, client: Client, tmp_path: Path
) -> None:
    job = long_job(client.store, tmp_path / "job", depth=800)
    quote = await client.ask(job)
    assert isinstance(quote, Quote)
    lease = await client.open(quote)
    await world.daemon.runs(lease)
    world.proxy.switch(False)
    world.daemon.kill_worker()
    await world.daemon.seen("attempt 1 to run the job failed")
    await world.daemon.seen("the chain cannot be read")
    told = world.daemon.call("status")
    assert told["money"] == {"error": told["chain"]}
    port = told["metrics_port"]
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz")
    await trio.sleep(2)
    world.proxy.switch(True)
    await client.until(lease, "finalized")
    assert events_of(world, lease) == ["Started", "ResultPosted", "Ended"]
    with trio.fail_after(20):  # the chain is ahead of the daemon by a poll
        while 'gavel_leases{phase="settled"}' not in (metrics := metrics_of(port)):
            await trio.sleep(0.1)
    assert "gavel_chain_up 1.0" in metrics


@pytest.mark.trio
async def test_killed_at_every_stage_a_job_is_done_once(world: World, client: Client, tmp_path: Path) -> None:
    daemon = world.daemon
    before = wealth(world)
    client.serving = False
    job = long_job(client.store, tmp_path / "long", depth=801)
    quote = await client.ask(job)
    assert isinstance(quote, Quote)
    lease = await client.open(quote)
    # While it fetches; the chain is down when it comes back.
    with trio.fail_after(20):
        while not client.served:
            await trio.sleep(0.02)
    daemon.kill()
    world.proxy.switch(False)
    client.serving = True
    daemon.start()
    await daemon.seen("waiting for the chain")
    world.proxy.switch(True)
    # While it runs.
    await daemon.runs(lease)
    daemon.kill()
    daemon.start()
    # As it posts: sent or not, nobody knows.
    await daemon.seen("sending Escrow.postResult")
    daemon.kill()
    daemon.start()
    await client.until(lease, "posted", "finalized")
    await client.until(lease, "finalized")
    await daemon.meet(client)
    assert events_of(world, lease) == ["Started", "ResultPosted", "Ended"]
    receipt = await client.receipt(lease, world.operator)
    assert receipt.item_count == job.spec.item_count
    await client.node.fetch_artifact(client.store, receipt.outputs, [world.operator], max_size=1 << 24)
    final, bid = client.chain.lease(lease), quote.terms()
    earned = wealth(world) - before
    assert earned == final.paid_blocks * bid.rate_per_block + bid.completion_fee


def event_of(world: World, lease: LeaseId, event: type) -> Event:
    chain = world.net.chain()
    (found,) = chain.scanner.all((topic_of(chain.escrow.abi, event.__name__), lease))
    return found


def take_back(world: World, lease: LeaseId, event: type) -> int:
    """Replace the block of an event, and all later ones, by empty ones; return the height of the last."""
    found, head = event_of(world, lease, event), world.net.chain().block_number()
    world.net.anvil.call("anvil_reorg", head - found.at.block + 1, [])
    return head


@pytest.mark.trio
async def test_reorganisations_take_start_and_result_back_and_both_are_made_good(
    world: World, client: Client, tmp_path: Path
) -> None:
    """Nobody tells the daemon: it reads that the lease is not started, not posted, and does it again."""
    job = long_job(client.store, tmp_path / "job", depth=700)
    quote = await client.ask(job, challenge_window=8)
    assert isinstance(quote, Quote)
    before = await trio.to_thread.run_sync(wealth, world)
    lease = await client.open(quote)
    await world.daemon.runs(lease)
    first = await trio.to_thread.run_sync(take_back, world, lease, Started)
    view = await client.until(lease, "posted", wait_s=90)
    root = view.output_root
    second = await trio.to_thread.run_sync(take_back, world, lease, ResultPosted)
    final = await client.until(lease, "finalized", wait_s=90)
    assert final.output_root == root
    assert events_of(world, lease) == ["Started", "ResultPosted", "Ended"]
    assert event_of(world, lease, Started).at.block > first
    assert event_of(world, lease, ResultPosted).at.block > second
    bid = quote.terms()
    earned = await trio.to_thread.run_sync(wealth, world) - before
    assert earned == final.paid_blocks * bid.rate_per_block + bid.completion_fee


@pytest.mark.trio
async def test_drained_it_takes_no_jobs_and_ends(world: World, client: Client, tmp_path: Path) -> None:
    job = make_job(client.store, tmp_path / "job", items=2)
    quote = await client.ask(job)
    assert isinstance(quote, Quote)
    lease = await client.open(quote)
    told = world.daemon.call("status")["money"]
    # Not the whole 100: what earlier tests left unstarted has cost a show-up sum.
    assert Decimal(told["staked"]) * 10**18 == world.net.chain().stake(world.owner, 0).staked
    assert float(told["operator_coin"]) > 1
    assert world.daemon.call("drain")["draining"]
    answer = await client.ask(job)
    assert isinstance(answer, Decline)
    assert "draining" in answer.reason
    await client.until(lease, "finalized")
    process = world.daemon.process
    assert process is not None
    with trio.fail_after(60):
        while process.poll() is None:
            await trio.sleep(0.1)
    assert process.returncode == 0
    assert world.daemon.call("status", check=False).returncode == 1
    assert world.daemon.call("leases")[0]["phase"] == "finalized"
    earned = world.daemon.call("earnings")
    assert float(earned["settled"]) > 0
    assert earned["ended"]["finalized"] >= 1
    assert Decimal(earned["bond_burnt"]) * 10**18 == world.net.chain().burnt(0)[1]
    assert Decimal(earned["bond_lost"]) >= Decimal(earned["bond_burnt"])
    assert earned["convictions"] == 0
    # Told nothing of the wallets, it looks for the owner of the daemon that ran here.
    (world.daemon.home / "provider.yaml").rename(world.daemon.home / "away.yaml")
    try:
        assert world.daemon.call("earnings") == earned
    finally:
        (world.daemon.home / "away.yaml").rename(world.daemon.home / "provider.yaml")


@pytest.mark.soak
@pytest.mark.trio
async def test_a_lease_that_the_journal_lost_is_ended_in_time(
    world: World, client: Client, tmp_path: Path
) -> None:
    daemon = world.daemon
    quote = await client.ask(make_job(client.store, tmp_path / "job", items=2))
    assert isinstance(quote, Quote)
    daemon.kill()
    for file in daemon.data.glob("journal.db*"):
        file.unlink()
    lease = await client.open(quote)
    daemon.start()
    await daemon.seen("is not in the journal and cannot be served")
    assert daemon.call("status")["lost_leases"] == {"0x" + lease.hex(): "opened"}
    world.net.anvil.mine(quote.terms().start_deadline + 1)
    await client.until(lease, "start_missed", wait_s=30)
    # Its nonce is spent, and the next bid carries another one.
    await daemon.meet(client)
    again = await client.ask(make_job(client.store, tmp_path / "next", items=2))
    assert isinstance(again, Quote)
    assert again.terms().capacity_nonce != quote.terms().capacity_nonce
