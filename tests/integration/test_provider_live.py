"""What users do to a lease that lives: kill its provider, top it up, end it, vanish, ask for too much."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio

from protocol.chain.client import Chain
from protocol.chain.events import Ended, ResultPosted, Started, topic_of
from protocol.chain.localnet import Localnet, run_localnet
from protocol.chain.views import LeaseState
from protocol.crypto import address_of
from protocol.messages import Quote
from protocol.types import Blocks, LeaseId
from tests.provider_rig import (
    OWNER,
    Client,
    Daemon,
    long_job,
    make_job,
    open_client,
    provider_home,
)

pytestmark = [pytest.mark.soak, pytest.mark.trio, pytest.mark.xdist_group("provider")]


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Localnet, Daemon]]:
    folder = tmp_path_factory.mktemp("live")
    networks = folder / "networks.yaml"
    with (
        run_localnet(block_time=1, networks_file=networks) as net,
        provider_home(
            net,
            folder,
            networks,
            price={"start_blocks": 40, "result_blocks": 150, "top_up_percent": 200},
            machine={"memory": "700 MiB"},
        ) as daemon,
    ):
        daemon.start()
        yield net, daemon


@pytest.fixture
async def client(net: tuple[Localnet, Daemon], tmp_path: Path) -> AsyncIterator[Client]:
    async with open_client(net[0], tmp_path) as found:
        await net[1].meet(found)
        yield found


async def opened(client: Client, job: object, **changes: object) -> tuple[Quote, LeaseId]:
    quote = await client.ask(job, **changes)
    assert isinstance(quote, Quote), quote
    return quote, await client.open(quote)


def events_of(chain: Chain, lease: LeaseId) -> list[str]:
    names = (Started, ResultPosted, Ended)
    topics = tuple(topic_of(chain.escrow.abi, each.__name__) for each in names)
    return [type(each).__name__ for each in chain.scanner.all((topics, lease))]


async def test_killed_as_it_starts_a_lease_is_started_once(
    net: tuple[Localnet, Daemon], client: Client, tmp_path: Path
) -> None:
    daemon = net[1]
    _, lease = await opened(client, make_job(client.store, tmp_path / "job", items=3))
    await daemon.seen("sending Escrow.start")
    daemon.kill()
    daemon.start()
    await client.until(lease, "finalized")
    assert events_of(client.chain, lease) == ["Started", "ResultPosted", "Ended"]


async def test_a_running_lease_is_topped_up_and_its_result_still_paid_after_a_cancel(
    net: tuple[Localnet, Daemon], client: Client, tmp_path: Path
) -> None:
    daemon, chain = net[1], client.chain
    quote, lease = await opened(client, long_job(client.store, tmp_path / "job", depth=810))
    bid = quote.terms()
    await daemon.runs(lease)
    more = Blocks(min(bid.top_up_cap - bid.max_blocks, 3))
    assert more > 0
    await trio.to_thread.run_sync(chain.send, chain.escrow.top_up(bid, more))
    view = chain.lease(lease)
    assert (view.state, view.funded_blocks) == (LeaseState.RUNNING, bid.max_blocks + more)
    await trio.to_thread.run_sync(chain.send, chain.escrow.close_by_client(bid))
    assert chain.lease(lease).state in (LeaseState.CLOSING, LeaseState.POSTED)
    view = await client.until(lease, "finalized", "client_closed")
    owner = address_of(net[0].keys[OWNER])
    assert chain.stake(owner, 0).locked == 0
    with trio.fail_after(60):
        while daemon.call("status")["free"] == 0:
            await trio.sleep(0.2)
    assert view.paid_blocks > 0
    # A second cancel of what is over is refused, and nothing else happens.
    _, again = await opened(client, make_job(client.store, tmp_path / "next", items=2))
    await client.until(again, "finalized")


async def test_a_client_that_vanishes_once_its_job_is_fetched_leaves_nothing_stuck(
    net: tuple[Localnet, Daemon], tmp_path: Path
) -> None:
    world, daemon = net
    chain, owner = world.chain(), address_of(world.keys[OWNER])
    async with open_client(world, tmp_path / "gone") as client:
        await daemon.meet(client)
        before = chain.credits(0, owner)
        quote, lease = await opened(client, long_job(client.store, tmp_path / "job", depth=811))
        await daemon.runs(lease)
    with trio.fail_after(200):
        while chain.lease(lease).state is not LeaseState.FINALIZED:
            await trio.sleep(0.3)
    bid, view = quote.terms(), chain.lease(lease)
    earned = view.paid_blocks * bid.rate_per_block + bid.completion_fee
    assert chain.credits(0, owner) - before == earned
    assert chain.stake(owner, 0).locked == 0
    with trio.fail_after(60):
        while daemon.call("status")["free"] == 0:
            await trio.sleep(0.2)


async def test_a_job_that_needs_more_memory_than_it_said_is_given_up_before_it_starts(
    net: tuple[Localnet, Daemon], client: Client, tmp_path: Path
) -> None:
    daemon = net[1]
    greedy = make_job(client.store, tmp_path / "greedy", items=2, width=11_000)
    _, lease = await opened(client, greedy, memory_bytes=1, item_fma=1, item_elements=1)
    view = await client.until(lease, "provider_closed", "start_missed")
    assert view.started_at == 0
    assert "needs more memory than 700 MiB" in daemon.log()
    _, again = await opened(client, make_job(client.store, tmp_path / "next", items=2))
    await client.until(again, "finalized")
