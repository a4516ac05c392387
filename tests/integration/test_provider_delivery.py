"""A provider daemon that serves nothing, and whose outputs are demanded on chain, with a real worker."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet, run_localnet
from protocol.crypto import address_of
from protocol.dispute.delivery import Known, Shape, demands, learn
from protocol.engines.worker.delivering import KeptOutputs, demand_terms
from protocol.engines.worker.delivery_records import DemandTermsArgs
from protocol.engines.worker.game_wire import JOBS
from protocol.messages import Bid, Quote
from protocol.tape import DType, TensorType
from protocol.tape.roots import leaf_count
from protocol.types import Address, Hash32
from provider_node.control import ask
from tests.provider_rig import OPERATOR, Client, Daemon, make_job, open_client, provider_home

pytestmark = [pytest.mark.xdist_group("provider"), pytest.mark.trio]

ITEMS, WIDTH, WINDOW = 3, 160, 400


@dataclass
class World:
    """A chain that makes a block a second, and a provider."""

    net: Localnet
    daemon: Daemon


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    networks = tmp_path / "networks.yaml"
    with (
        run_localnet(block_time=1, networks_file=networks) as net,
        provider_home(net, tmp_path, networks, price={"start_blocks": 40, "result_blocks": 40}) as daemon,
    ):
        daemon.start()
        yield World(net, daemon)


@dataclass
class Demander:
    """Demands all outputs of a job, level by level, from what the chain shows."""

    chain: Chain
    bid: Bid
    folder: Path
    root: Hash32

    def __post_init__(self) -> None:
        args = DemandTermsArgs(str(self.folder / "program"), str(self.folder / "inputs"))
        self.terms = demand_terms(args)
        types = tuple(TensorType(DType(kind), shape) for kind, shape in self.terms.types)
        self.shape = Shape(ITEMS, types)

    def known(self) -> Known:
        known = Known.of_result(self.root, self.shape.depth)
        for each in self.chain.demands_of(self.bid.lease_id()):
            if each.answer is not None:
                known = learn(known, each.wanted, each.spot, self.shape.depths, each.answer)
        return known

    def turn(self) -> bool:
        """Demand what can be demanded now; tell whether all is known."""
        known, made = self.known(), {each.demand for each in self.chain.demands_of(self.bid.lease_id())}
        wanted = [
            each
            for item in range(ITEMS)
            for output, kind in enumerate(self.shape.types)
            for each in demands(self.shape, known, item, output, range(leaf_count(kind)))
        ]
        for each in dict.fromkeys(wanted):
            if each.wanted.demand(self.bid.lease_id()) not in made:
                bond = self.chain.demand_bond(each.wanted.size)
                headers = [(header, tuple(map(Hash32, proof))) for header, proof in self.terms.headers]
                call = self.chain.delivery.demand(
                    self.bid, JOBS.decode(self.terms.job), each, bond, headers=headers
                )
                self.chain.send(call)
        return not wanted

    def collect(self) -> None:
        for each in self.chain.demands_of(self.bid.lease_id()):
            self.chain.send(self.chain.delivery.collect(self.bid, each.wanted))


async def posted(client: Client, folder: Path) -> Demander:
    """Have a job run whose outputs take demands of every kind."""
    job = make_job(client.store, folder, items=ITEMS, width=WIDTH, depth=2)
    quote = await client.ask(job, verification=1, challenge_window=WINDOW, max_blocks=100)
    assert isinstance(quote, Quote), quote
    view = await client.until(await client.open(quote), "posted")
    return Demander(client.chain, quote.terms(), folder, view.output_root)


def coin(world: World) -> int:
    operator: Address = address_of(world.net.keys[OPERATOR])
    return world.net.chain().balance(operator)


async def test_every_demand_is_answered_by_itself_through_a_power_cut_and_repaid(
    world: World, tmp_path: Path
) -> None:
    async with open_client(world.net, tmp_path) as client:
        await world.daemon.meet(client)
        demander = await posted(client, tmp_path / "job")
        before = coin(world)
        with trio.fail_after(150):
            assert not await trio.to_thread.run_sync(demander.turn)
            await world.daemon.seen("answering a demand for")
            world.net.anvil.set_block_time(0)  # however long a busy machine takes to start it
            world.daemon.kill()
            await trio.to_thread.run_sync(demander.turn)
            world.daemon.start()
            await world.daemon.meet(client)
            world.net.anvil.set_block_time(1)
            while not await trio.to_thread.run_sync(demander.turn):
                await trio.sleep(0.3)
            while (status := ask(world.daemon.data, "status"))["demands"]:
                await trio.sleep(0.3)
        assert status["demands_trouble"] == ""
        assert status["demands_answered"] > 1
        print({name: value for name, value in status.items() if name.startswith("demands")})
        assert coin(world) > before - 10**14, "answering was repaid"
        known = demander.known()
        (held,) = (world.daemon.data / "work").glob("*.out")
        kept = KeptOutputs(held)
        assert [known.items[0, item] for item in range(ITEMS)] == list(kept.item_roots())
        assert {item for item, _, _ in known.leaves} == set(range(ITEMS))
        lease = demander.bid.lease_id()
        await trio.to_thread.run_sync(demander.collect)
        assert not client.chain.lease(lease).freezes
        assert client.chain.balance(client.chain.delivery.address) == 0
        world.net.anvil.mine(WINDOW)
        await client.until(lease, "finalized")
