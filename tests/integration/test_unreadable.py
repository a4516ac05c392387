"""One lease that cannot be read ends nothing that looks after others too. On a real chain."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet
from protocol.crypto import keccak256
from protocol.dispute.records import Conviction
from protocol.runtime.metrics import Metrics
from protocol.types import Amount, BlockNo, Hash32, LeaseId, Wei
from tests.audit_rig import TO_DRAW, enlist
from tests.chain_helpers import CLIENT, ready_client, ready_provider
from tests.dispute_rig import Rig, post_job, with_disputes
from tests.flaky_node import FlakyNode
from watchtower.auditing.survey import Look, Survey
from watchtower.judge import PostedResult
from watchtower.keeping import Keeping, patience_of
from watchtower.spending import Spending

pytestmark = [pytest.mark.trio]
TOWER = 6
SECRET = b"s" * 32


@pytest.fixture
def flaky(localnet: Localnet) -> Iterator[FlakyNode]:
    node = FlakyNode(localnet.url)
    yield node
    node.stop()


def through(net: Localnet, flaky: FlakyNode, account: int) -> Chain:
    """Return an account's chain whose only node is the flaky one."""
    return Chain.connect(replace(net.network, rpc_urls=(flaky.url,)), net.keys[account], net.deployment)


def refuse(flaky: FlakyNode, chain: Chain, lease: LeaseId) -> None:
    """Have every reading of the lease revert."""
    call = chain.escrow.abi.call_data("leaseOf", lease).hex()
    error = {"code": 3, "message": "execution reverted", "data": "0x"}
    flaky.refuse = lambda request: error if call in str(request["params"]) else None


async def test_the_keeping_of_others_goes_on_and_that_one_is_looked_at_again(
    localnet: Localnet, flaky: FlakyNode, tmp_path: Path
) -> None:
    net = with_disputes(localnet)
    ready_provider(net)
    ready_client(net)
    first, second = post_job(net), post_job(net, 2)
    for rig in (first, second):
        seal, chain = keccak256(b"seal"), rig.challenger
        chain.send(chain.disputes.challenge(rig.opening(seal), chain.bond(rig.bid, rig.job.items)))
    chain = through(net, flaky, TOWER)
    gas = Spending(tmp_path / "gas.json", Wei(10**17), "idle_gas_per_day", lambda: 0.0)

    def how(rig: Rig) -> Conviction:
        return net.chain().verdict(rig.bid.lease_id()).how

    async with trio.open_nursery() as nursery:
        keeping = Keeping(AsyncChain(chain), SECRET, gas, nursery, Metrics())

        async def look() -> None:
            held = [
                PostedResult(rig.bid.lease_id(), rig.bid, Hash32(bytes(32)), BlockNo(10_000), is_held=True)
                for rig in (first, second)
            ]
            keeping.look_after(await keeping.chain.run(Chain.clock), held, frozenset())
            with trio.fail_after(60):
                while keeping.busy:
                    await trio.sleep(0.01)

        waits = max(patience_of(net.network, SECRET, rig.bid.lease_id()) for rig in (first, second))
        (game,) = net.chain().games_of(second.bid)
        net.anvil.mine(game.now.moved_at + game.now.provider_left + waits + 1 - chain.clock())
        refuse(flaky, chain, first.bid.lease_id())
        await look()
        assert (how(first), how(second)) == (Conviction.NONE, Conviction.SILENT)
        flaky.refuse = lambda _: None
        net.anvil.mine(net.network.span(120) + 1)
        await look()
        assert how(first) is Conviction.SILENT


def ordered(net: Localnet, rig: Rig) -> None:
    """Have the client pay for an auditor; blocking."""
    client = net.chain(CLIENT)
    fee = client.audit_fee(rig.bid, rig.job.items)
    client.send(client.token(0).approve(client.audits.address, Amount(fee)))
    client.send(client.audits.order(rig.bid, rig.job, 1))


async def test_an_auditors_other_audits_are_seen_and_that_one_too_once_it_can_be_read(
    localnet: Localnet, flaky: FlakyNode
) -> None:
    ready_provider(localnet)
    ready_client(localnet)
    await trio.to_thread.run_sync(enlist, localnet, TOWER)
    first, second = post_job(localnet), post_job(localnet, 2)
    for rig in (first, second):
        ordered(localnet, rig)
    localnet.anvil.mine(TO_DRAW)
    for rig in (first, second):
        client = localnet.chain(CLIENT)
        client.send(client.audits.draw(rig.bid, True))
    chain = through(localnet, flaky, TOWER)
    survey = Survey(chain.address)

    def look() -> Look:
        head = chain.node.head()
        assert head is not None
        return survey.look(chain, head)

    refuse(flaky, chain, first.bid.lease_id())
    assert [each.name for each in look().open] == [(second.bid.lease_id(), True)]
    flaky.refuse = lambda _: None
    localnet.anvil.mine(1)
    assert [each.name for each in look().open] == [(rig.bid.lease_id(), True) for rig in (first, second)]
