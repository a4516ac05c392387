"""A provider daemon whose result is audited, with a real worker; the pure judge plays the auditor."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trio

from protocol.chain.localnet import Localnet, run_localnet
from protocol.engines.worker.dispute_records import JobTermsArgs
from protocol.engines.worker.disputing import job_terms
from protocol.engines.worker.game_wire import JOBS
from protocol.messages import Bid, Quote
from protocol.types import Amount
from provider_node.control import ask
from tests.audit_rig import Auditor
from tests.provider_rig import Client, Daemon, make_job, open_client, provider_home

pytestmark = [pytest.mark.xdist_group("provider"), pytest.mark.trio]

ITEMS, WINDOW, AUDITOR = 3, 500, 6
DRAWN = 10
"""Blocks after which the draw's is there."""


@dataclass
class World:
    """A chain that makes a block a second, an enrolled auditor, and a provider."""

    net: Localnet
    daemon: Daemon


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    networks = tmp_path / "networks.yaml"
    with (
        run_localnet(block_time=1, networks_file=networks) as net,
        provider_home(net, tmp_path, networks, price={"start_blocks": 100, "result_blocks": 100}) as daemon,
    ):
        auditor = net.chain(AUDITOR)
        auditor.send(auditor.token(0).approve(auditor.audits.address, auditor.audit_prices.stake))
        auditor.send(auditor.audits.enrol())
        net.anvil.mine(200)  # longer than any start deadline
        daemon.start()
        yield World(net, daemon)


async def posted(client: Client, folder: Path) -> Bid:
    job = make_job(client.store, folder, items=ITEMS, depth=2)
    quote = await client.ask(job, verification=1, challenge_window=WINDOW, max_blocks=100)
    assert isinstance(quote, Quote), quote
    await client.until(await client.open(quote), "posted")
    return quote.terms()


async def test_an_audit_is_answered_by_itself_through_a_power_cut_and_pays_the_auditor(
    world: World, tmp_path: Path
) -> None:
    async with open_client(world.net, tmp_path) as client:
        await world.daemon.meet(client)
        bid = await posted(client, tmp_path / "job")
        chain, folder = client.chain, tmp_path / "job"
        terms = job_terms(JobTermsArgs(str(folder / "program"), str(folder / "inputs")))
        fee = chain.audit_fee(bid, ITEMS)
        (outputs,) = (world.daemon.data / "artifacts" / "work").glob("*.out")
        files = str(folder / "program"), str(folder / "inputs")
        auditor = Auditor(world.net.chain(AUDITOR), bid, files, outputs)

        def order() -> None:
            chain.send(chain.token(0).approve(chain.audits.address, Amount(fee)))
            chain.send(chain.audits.order(bid, JOBS.decode(terms.job), 1))

        # From here on time passes by transactions alone: a restart takes what it takes, and no clock of the
        # audit runs out meanwhile.
        world.net.anvil.set_block_time(0)
        await trio.to_thread.run_sync(order)
        await trio.to_thread.run_sync(world.net.anvil.mine, DRAWN)
        with trio.fail_after(200):
            await world.daemon.seen("audit by the client: commit")
            world.daemon.kill()
            world.daemon.start()
            await world.daemon.meet(client)
            while (sight := await trio.to_thread.run_sync(auditor.turn)) is not None:
                await trio.sleep(0.5)
        assert sight is None, "it is over"
        assert auditor.own is not None
        earned = auditor.chain.audit_credit(0, auditor.chain.address)
        assert earned == fee, "it was paid for agreeing"
        assert not chain.lease(bid.lease_id()).freezes
        status = ask(world.daemon.data, "status")
        assert status["audits_trouble"] == ""
        world.net.anvil.mine(WINDOW)
        await client.until(bid.lease_id(), "finalized")
