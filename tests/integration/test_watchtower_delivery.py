"""A watchtower whose provider serves the job and not its outputs: they are demanded on chain, then judged."""

import time
from functools import partial
from pathlib import Path

import pytest
import trio

from protocol.chain.localnet import Localnet
from protocol.chain.views import LeaseState
from protocol.engines.worker.delivering import deliver
from protocol.engines.worker.delivery_records import DeliverArgs
from protocol.messages import Bid
from protocol.types import ArtifactId, Blocks, Hash32, Verification
from tests.chain_helpers import OPERATOR
from tests.integration.test_watchtower import BAD_ITEM, flipped, verdict_of
from tests.watch_rig import ITEMS, Provider, open_provider
from watchtower.verdicts import Finding

pytestmark = [pytest.mark.trio]


def post(provider: Provider, outputs: Path) -> Bid:
    """Post a result that can be judged, and serve its outputs to nobody; blocking."""
    bid = provider.bid(1, challenge_window=Blocks(400), verification=int(Verification.TAPE))
    provider.post_under(bid, outputs)
    provider.hidden.add(provider.store.put_file(outputs))
    return bid


async def answering(net: Localnet, bid: Bid, outputs: Path) -> None:
    """Answer demands until cancelled."""
    await _answering(net, bid, outputs, 1 << 40)


async def answering_late(net: Localnet, bid: Bid, outputs: Path) -> None:
    """The same, each at the end of its clock."""
    await _answering(net, bid, outputs, 2)


async def _answering(net: Localnet, bid: Bid, outputs: Path, left: int) -> None:
    def answer() -> None:
        chain = net.chain(OPERATOR)
        for each in chain.demands_of(bid.lease_id()):
            if each.now.status.open and chain.clock() + left >= each.now.until:
                wanted, spot = each.wanted, each.spot
                where = (spot.item, spot.output, spot.index, spot.levels)
                args = DeliverArgs(str(outputs), wanted.kind, wanted.node, wanted.size, *where)
                chain.send(chain.delivery.deliver(bid, wanted.kind, deliver(args).data))

    while True:
        await trio.to_thread.run_sync(answer)
        await trio.sleep(0.05)


async def test_a_wrong_result_that_nobody_is_served_is_forced_out_and_found(
    localnet: Localnet, tmp_path: Path
) -> None:
    async with open_provider(localnet, tmp_path) as provider, trio.open_nursery() as nursery:
        wrong = flipped(provider.outputs, tmp_path)
        bid = await trio.to_thread.run_sync(post, provider, wrong)
        nursery.start_soon(answering, localnet, bid, wrong)
        found = await verdict_of(localnet, tmp_path, bid.lease_id(), attempts=1, challenge=False)
        nursery.cancel_scope.cancel()
        assert (found.finding, found.first_different_item) == (Finding.MISMATCH, BAD_ITEM), found.detail
        chain = localnet.chain()
        assert chain.balance(chain.delivery.address) == 0, "every bond came back"


@pytest.mark.soak
async def test_of_outputs_too_large_to_demand_the_first_difference_is(
    localnet: Localnet, tmp_path: Path
) -> None:
    """Two demands instead of some hundreds, and none where the own run says that the root is right."""
    async with open_provider(localnet, tmp_path, width=1_024) as provider, trio.open_nursery() as nursery:
        data = bytearray(provider.outputs.read_bytes())
        data[-1] ^= 1
        wrong = tmp_path / "wrong"
        wrong.write_bytes(bytes(data))
        for nonce, outputs in ((1, wrong), (2, provider.outputs)):
            bid = provider.bid(nonce, challenge_window=Blocks(400), verification=int(Verification.TAPE))
            await trio.to_thread.run_sync(provider.post_under, bid, outputs)
            provider.hidden.add(provider.store.put_file(outputs))
            nursery.start_soon(answering, localnet, bid, outputs)
            found = await verdict_of(localnet, tmp_path, bid.lease_id(), attempts=1, challenge=False)
            asked = localnet.chain().demands_of(bid.lease_id())
            if outputs is wrong:
                assert (found.finding, found.first_different_item) == (Finding.MISMATCH, ITEMS - 1)
                assert len(asked) == 2
            else:
                assert (found.finding, asked) == (Finding.MATCH, ())
        nursery.cancel_scope.cancel()


@pytest.mark.soak
async def test_every_lie_about_outputs_leads_to_their_demand(localnet: Localnet, tmp_path: Path) -> None:
    async with open_provider(localnet, tmp_path) as provider, trio.open_nursery() as nursery:
        wrong, root = flipped(provider.outputs, tmp_path), Hash32(b"\3" * 32)
        junk = provider.store.put_bytes(b"no outputs at all")
        lies = ({"outputs": junk}, {"output_bytes": 1 << 50}, {"output_root": root})
        for nonce, lie in enumerate(lies, 1):
            bid = provider.bid(nonce, challenge_window=Blocks(400), verification=int(Verification.TAPE))
            await trio.to_thread.run_sync(partial(provider.post_under, bid, wrong, **lie))
            nursery.start_soon(answering, localnet, bid, wrong)
            found = await verdict_of(localnet, tmp_path, bid.lease_id(), attempts=1, challenge=False)
            assert (found.finding, found.first_different_item) == (Finding.MISMATCH, BAD_ITEM), found.detail
        nursery.cancel_scope.cancel()


@pytest.mark.soak
async def test_outputs_that_come_too_slowly_are_demanded(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node's fetch is broken off, and goes on serving whatever else is fetched."""
    async with open_provider(localnet, tmp_path) as provider, trio.open_nursery() as nursery:
        wrong = flipped(provider.outputs, tmp_path)
        slow, read = provider.store.put_file(wrong), provider.store.read_chunk

        def read_slowly(artifact: ArtifactId, index: int) -> bytes:
            if artifact == slow:
                time.sleep(8)
            return read(artifact, index)

        monkeypatch.setattr(provider.store, "read_chunk", read_slowly)
        bid = provider.bid(1, challenge_window=Blocks(400), verification=int(Verification.TAPE))
        await trio.to_thread.run_sync(provider.post_under, bid, wrong)
        nursery.start_soon(answering, localnet, bid, wrong)
        found = await verdict_of(localnet, tmp_path, bid.lease_id(), challenge=False, stall_seconds=2.0)
        nursery.cancel_scope.cancel()
        assert (found.finding, found.first_different_item) == (Finding.MISMATCH, BAD_ITEM), found.detail
        assert localnet.chain().demands_of(bid.lease_id())


async def test_silence_towards_a_watchtower_convicts(localnet: Localnet, tmp_path: Path) -> None:
    async with open_provider(localnet, tmp_path) as provider, trio.open_nursery() as nursery:
        bid = await trio.to_thread.run_sync(post, provider, provider.outputs)
        chain, lease = localnet.chain(), bid.lease_id()

        async def pass_time() -> None:
            while not await trio.to_thread.run_sync(chain.demands_of, lease):
                await trio.sleep(0.1)
            await trio.to_thread.run_sync(localnet.anvil.mine, 32)
            while not (await trio.to_thread.run_sync(chain.verdict, lease)).since:
                await trio.sleep(0.1)
            await trio.to_thread.run_sync(localnet.anvil.mine, 12)

        nursery.start_soon(pass_time)
        found = await verdict_of(localnet, tmp_path, lease, attempts=1, challenge=False)
        assert found.finding is Finding.UNAVAILABLE
        assert "the provider is convicted" in found.detail
        assert chain.lease(lease).state is LeaseState.CONVICTED
        assert chain.balance(chain.delivery.address) == 0


async def test_nothing_is_demanded_without_a_budget(localnet: Localnet, tmp_path: Path) -> None:
    async with open_provider(localnet, tmp_path) as provider:
        bid = await trio.to_thread.run_sync(post, provider, provider.outputs)
        found = await verdict_of(
            localnet, tmp_path, bid.lease_id(), attempts=1, challenge=False, demand_budget="0"
        )
        assert found.finding is Finding.UNAVAILABLE
        assert localnet.chain().demands_of(bid.lease_id()) == ()
