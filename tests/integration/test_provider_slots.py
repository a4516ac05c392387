"""A running daemon whose nonces change behind its back, and one that has fewer slots than it had."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trio
import yaml

from protocol.chain.errors import Revert
from protocol.chain.localnet import Localnet, run_localnet
from protocol.crypto import address_of
from protocol.messages import Quote
from provider_node.control import ask
from tests.provider_rig import OWNER, Client, Daemon, make_job, open_client, provider_home

pytestmark = [pytest.mark.xdist_group("provider-slots"), pytest.mark.trio]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Localnet, Daemon]]:
    folder = tmp_path_factory.mktemp("slots")
    networks = folder / "networks.yaml"
    with (
        run_localnet(block_time=1, networks_file=networks) as net,
        provider_home(net, folder, networks, lease={"slots": 2}, price={"bid_blocks": 60}) as daemon,
    ):
        daemon.start()
        yield net, daemon
        daemon.stop()


@pytest.fixture
def net(world: tuple[Localnet, Daemon]) -> Localnet:
    return world[0]


@pytest.fixture
def daemon(world: tuple[Localnet, Daemon]) -> Daemon:
    return world[1]


@pytest.fixture
async def client(net: Localnet, daemon: Daemon, tmp_path: Path) -> AsyncIterator[Client]:
    async with open_client(net, tmp_path) as found:
        await daemon.meet(found)
        yield found


async def quote_of(client: Client, folder: Path, items: int) -> Quote:
    found = await client.ask(make_job(client.store, folder, items=items))
    assert isinstance(found, Quote), found
    return found


def nonce_of(quote: Quote) -> int:
    return quote.terms().capacity_nonce


@pytest.mark.soak
async def test_a_nonce_that_the_owner_cancels_elsewhere_is_bid_with_no_more(
    net: Localnet, daemon: Daemon, client: Client, tmp_path: Path
) -> None:
    """The daemon is told by nobody: it reads the contract's own record before it bids."""
    first = nonce_of(await quote_of(client, tmp_path / "a", 2))
    chain = net.chain(OWNER)
    cancel = chain.escrow.cancel_nonces(chain.address, [first])
    mined = await trio.to_thread.run_sync(chain.send, cancel)
    with trio.fail_after(20):
        while (await trio.to_thread.run_sync(ask, daemon.data, "status"))["height"] < mined.block:
            await trio.sleep(0.1)
    later = [await quote_of(client, tmp_path / name, items) for name, items in (("b", 3), ("c", 4))]
    assert first not in map(nonce_of, later)
    assert len(set(map(nonce_of, later))) == 2
    await daemon.seen(f"nonces [{first}] were spent elsewhere")
    lease = await client.open(later[0])
    await client.until(lease, "finalized")


@pytest.mark.soak
async def test_fewer_slots_leave_no_bid_open_beyond_them(
    net: Localnet, daemon: Daemon, client: Client, tmp_path: Path
) -> None:
    """Two bids for two slots, then one slot: both could be opened, and one machine would owe two jobs."""
    quotes = [await quote_of(client, tmp_path / name, items) for name, items in (("d", 5), ("e", 6))]
    assert len(set(map(nonce_of, quotes))) == 2
    daemon.kill()
    file = daemon.home / "provider.yaml"
    config = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**config, "lease": {"slots": 1}}))
    daemon.start()
    await daemon.meet(client)
    await daemon.seen("there are fewer slots now")
    with trio.fail_after(20):
        await quote_of(client, tmp_path / "f", 7)  # it bids again once that is settled
    chain, owner = net.chain(), address_of(net.keys[OWNER])
    void = [quote for quote in quotes if chain.nonce_used(owner, nonce_of(quote))]
    assert len(void) == 1
    with pytest.raises(Revert, match="Escrow_NonceSpent"):
        await client.open(void[0])
    (standing,) = (quote for quote in quotes if quote not in void)
    lease = await client.open(standing)
    await client.until(lease, "finalized")
