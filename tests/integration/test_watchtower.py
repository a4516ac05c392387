"""A watchtower over a real chain and libp2p: a flipped bit is found, a right result confirmed."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import trio

from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet
from protocol.runtime.metrics import Metrics
from protocol.types import ArtifactId, Blocks, LeaseId, Verification, to_hex
from tests.chain_helpers import OPERATOR, OWNER, make_bid, ready_client, ready_provider, sign_bid
from tests.provider_rig import make_job
from tests.watch_rig import ITEMS, open_provider
from watchtower.config import WatchtowerConfig
from watchtower.daemon import watch
from watchtower.scan import Scan
from watchtower.verdicts import Finding, Verdict, Verdicts

TOWER = 6
BAD_ITEM = 3

pytestmark = [pytest.mark.trio]


async def verdict_of(
    net: Localnet,
    folder: Path,
    lease: LeaseId,
    metrics: Metrics | None = None,
    tries: int = 1,
    **changes: object,
) -> Verdict:
    """Run a watchtower until it has judged the lease, or tried to so many times."""
    config = WatchtowerConfig(
        providers=(f"0x{net.chain(OWNER).address.hex()}",), data_dir=str(folder / "tower")
    )
    config = replace(config, **changes)  # type: ignore[arg-type]
    verdicts = Verdicts(folder / "tower" / "verdicts")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(watch, config, net.network, net.keys[TOWER], metrics or Metrics()))
        with trio.fail_after(60):
            while (found := verdicts.by_lease().get(lease)) is None or found.tries < tries:
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    return found


def flipped(outputs: Path, folder: Path) -> Path:
    """The outputs with the lowest bit of the last word of item BAD_ITEM flipped."""
    data = bytearray(outputs.read_bytes())
    item = (len(data) - _header(data)) // ITEMS
    data[_header(data) + item * (BAD_ITEM + 1) - 4] ^= 1
    wrong = folder / "wrong"
    wrong.write_bytes(bytes(data))
    return wrong


def _header(data: bytes) -> int:
    items = 8 * 32 * 4 * ITEMS
    return len(data) - items


async def test_one_flipped_bit_is_found_and_the_right_result_confirmed(
    localnet: Localnet, tmp_path: Path
) -> None:
    async with open_provider(localnet, tmp_path) as provider:
        wrong = flipped(provider.outputs, tmp_path)
        good = await trio.to_thread.run_sync(provider.post, provider.outputs, 1)
        bad = await trio.to_thread.run_sync(provider.post, wrong, 2)
        found = await verdict_of(localnet, tmp_path, bad)
        assert found.finding is Finding.MISMATCH
        assert found.first_different_item == BAD_ITEM
        assert found.claimed_root == f"0x{provider.root_of(wrong).hex()}"
        assert found.own_root == f"0x{provider.root_of(provider.outputs).hex()}"
        assert found.claimed_item_root != found.own_item_root
        assert "WRONG RESULT" in found.sentence()
        assert not found.late
        right = await verdict_of(localnet, tmp_path, good)
        assert right.finding is Finding.MATCH
        assert right.claimed_root == right.own_root


async def test_withholding_and_false_receipts_are_named_and_tried_again(
    localnet: Localnet, tmp_path: Path
) -> None:
    async with open_provider(localnet, tmp_path) as provider:
        silent = await trio.to_thread.run_sync(provider.post, provider.outputs, 1)
        provider.served = False
        found = await verdict_of(localnet, tmp_path, silent, attempts=2)
        assert found.finding is Finding.UNAVAILABLE
        assert (found.tries, found.again_at < found.window_end) == (1, True)
        provider.served = True
        await trio.to_thread.run_sync(localnet.anvil.mine, found.again_at - localnet.chain().clock())
        found = await verdict_of(localnet, tmp_path, silent, tries=2)
        assert (found.finding, found.again_at) == (Finding.MATCH, 0), "it was tried again, by another process"
        other = await trio.to_thread.run_sync(
            partial(provider.post, provider.outputs, 2, output_root=b"\7" * 32)
        )
        found = await verdict_of(localnet, tmp_path, other)
        assert found.finding is Finding.UNAVAILABLE
        assert "another output root than the chain" in found.detail
        # Bytes of another program under a specification that names the bid's roots: not this machine's fault.
        strange = make_job(provider.store, tmp_path / "strange", ITEMS, depth=2).spec
        named = replace(provider.job.spec, program=strange.program, program_bytes=strange.program_bytes)
        spec = ArtifactId(provider.store.put_bytes(named.encode()))
        posted = await trio.to_thread.run_sync(partial(provider.post, provider.outputs, 3, spec=spec))
        found = await verdict_of(localnet, tmp_path, posted)
        assert found.finding is Finding.UNAVAILABLE
        assert "the program's root is" in found.detail


async def test_what_is_found_after_the_window_is_said_to_be_late(localnet: Localnet, tmp_path: Path) -> None:
    """A withholding provider serves again once nobody can challenge any more: the finding is kept."""
    async with open_provider(localnet, tmp_path) as provider:
        wrong = flipped(provider.outputs, tmp_path)
        lease = await trio.to_thread.run_sync(provider.post, wrong, 1)
        provider.served = False
        metrics = Metrics()

        def reading(name: str) -> float:
            return metrics.registry.get_sample_value(f"gavel_watchtower_{name}") or 0.0

        async def serve_once_it_is_over() -> None:
            while not reading("running"):
                await trio.sleep(0.05)
            await trio.to_thread.run_sync(localnet.anvil.mine, 61)
            end = await trio.to_thread.run_sync(localnet.chain().clock)
            while reading("height") < end:
                await trio.sleep(0.05)
            provider.served = True

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_once_it_is_over)
            found = await verdict_of(localnet, tmp_path, lease, metrics, attempts=50)
        assert (found.finding, found.late) == (Finding.MISMATCH, True)
        assert found.sentence().endswith(f"first different item: {BAD_ITEM}; found after the window")


async def test_rule8_another_root_that_a_reorg_puts_on_a_lease_is_judged_anew(
    localnet: Localnet, tmp_path: Path
) -> None:
    """A provider posts what is right, a re-org undoes it, and it posts something else for the same lease."""
    net = localnet
    async with open_provider(net, tmp_path) as provider, trio.open_nursery() as nursery:
        wrong = flipped(provider.outputs, tmp_path)
        bid = provider.bid(1, challenge_window=Blocks(400), verification=int(Verification.TAPE))
        snapshot = net.anvil.snapshot()
        await trio.to_thread.run_sync(provider.post_under, bid, provider.outputs)
        config = WatchtowerConfig(
            providers=(f"0x{net.chain(OWNER).address.hex()}",), data_dir=str(tmp_path / "tower")
        )
        nursery.start_soon(partial(watch, config, net.network, net.keys[TOWER], Metrics()))
        verdicts, chain = Verdicts(tmp_path / "tower" / "verdicts"), net.chain()

        async def judged(outputs: Path) -> Finding:
            root = f"0x{provider.root_of(outputs).hex()}"
            with trio.fail_after(60):
                while True:
                    found = verdicts.by_lease().get(bid.lease_id())
                    if found is not None and found.claimed_root == root:
                        return found.finding
                    await trio.sleep(0.05)

        assert await judged(provider.outputs) is Finding.MATCH
        net.anvil.revert(snapshot)
        await trio.to_thread.run_sync(provider.post_under, bid, wrong)
        assert await judged(wrong) is Finding.MISMATCH
        with trio.fail_after(60):
            while not await trio.to_thread.run_sync(chain.games_of, bid):
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()


async def test_an_end_that_a_shallow_reorg_undoes_is_not_believed(localnet: Localnet, tmp_path: Path) -> None:
    """Three confirmations; a lease ends in the newest block, which is undone: its result is open again."""
    net, deep = localnet, Chain.connect(replace(localnet.network, confirmations=3))
    async with open_provider(net, tmp_path) as provider:
        bid = provider.bid(1, challenge_window=Blocks(10))
        await trio.to_thread.run_sync(provider.post_under, bid, provider.outputs)
        net.anvil.mine(13)
        scan, ender = Scan(deep), net.chain(1)

        def seen() -> list[LeaseId]:
            return [each.lease for each in scan.poll(deep)[1]]

        assert seen() == [bid.lease_id()]
        snapshot = net.anvil.snapshot()
        ender.send(ender.escrow.finalize(bid))
        assert seen() == []
        net.anvil.revert(snapshot)
        net.anvil.call("anvil_setCoinbase", "0x" + "11" * 20)  # another block in its place
        net.anvil.mine(1)
        assert seen() == [bid.lease_id()]
        assert scan.rollbacks == 1, "and whatever was left alone is looked at again"
        again = net.chain(1)
        again.send(again.escrow.finalize(bid))
        net.anvil.mine(1)
        assert seen() == []
        assert scan.is_following(bid.lease_id())
        net.anvil.mine(1)
        assert seen() == []
        assert not scan.is_following(bid.lease_id()), "the end is confirmed"


async def test_reorganisations_that_remove_a_lease_and_bring_it_back_are_followed(localnet: Localnet) -> None:
    """What is open is read off the chain of now, also where it stands in blocks that were read before."""
    ready_provider(localnet)
    ready_client(localnet)
    client, operator = localnet.chain(1), localnet.chain(OPERATOR)
    bid, scan, watcher = make_bid(localnet), Scan(localnet.chain()), localnet.chain()
    sent = [
        client.send(client.escrow.open_lease(bid, sign_bid(localnet, bid))),
        operator.send(operator.escrow.start(bid)),
        operator.send(operator.escrow.post_result(bid.owner, bid.struct_hash(), b"\7" * 32)),
    ]
    raw = [localnet.anvil.call("eth_getRawTransactionByHash", to_hex(each.tx)) for each in sent]
    found = scan.poll(watcher)[1]
    assert [each.lease for each in found] == [bid.lease_id()]
    localnet.anvil.call("anvil_reorg", 3, [])
    assert scan.poll(watcher)[1] == ()
    localnet.anvil.call("anvil_reorg", 3, [[each, place] for place, each in enumerate(raw)])
    assert scan.poll(watcher)[1] == found
