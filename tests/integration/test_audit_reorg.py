"""RULES 8 in audits: what answered a draw that a re-org undid is no answer to the one in its place."""

from pathlib import Path

import pytest
import trio

from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet
from protocol.crypto import keccak256
from protocol.dispute.audits import Stage
from protocol.dispute.names import word
from protocol.dispute.records import Conviction
from protocol.types import BlockNo, Blocks, LeaseId, Verification
from tests.audit_rig import TO_DRAW, TOWERS, Towers, answers_of, enlist, order
from tests.watch_rig import open_provider

pytestmark = [pytest.mark.trio, pytest.mark.soak]


async def test_an_audit_that_a_reorg_draws_anew_is_answered_anew(localnet: Localnet, tmp_path: Path) -> None:
    """The auditor had committed to another item: sent once more, that would cost it stake."""
    net, (tower, _) = localnet, TOWERS
    async with open_provider(net, tmp_path, depth=2) as provider, trio.open_nursery() as nursery:
        await trio.to_thread.run_sync(enlist, net, tower)
        bid = provider.bid(1, challenge_window=Blocks(300), verification=int(Verification.TAPE))
        await trio.to_thread.run_sync(provider.post_under, bid, provider.outputs)
        chain, lease = net.chain(), bid.lease_id()
        fee = await trio.to_thread.run_sync(order, provider, bid, 1, 1 - TO_DRAW)
        fork = net.anvil.snapshot()
        await trio.to_thread.run_sync(net.anvil.mine, TO_DRAW)
        towers = Towers(net, tmp_path, nursery)
        towers.start(tower)
        await towers.until(tower, lambda note: note.part == "committed")
        old = chain.audit(lease, True)

        def reorganise() -> None:
            """Give the block that draws another hash, and another item."""
            undone = fork
            for late in range(1, 40):
                net.anvil.revert(undone)
                undone = net.anvil.snapshot()
                net.anvil.call("evm_increaseTime", 10 * late)
                net.anvil.mine(TO_DRAW)
                if item_of(chain, lease, old.draw_block, old.items) != old.item:
                    return
            raise AssertionError("every block draws the same item")

        await trio.to_thread.run_sync(reorganise)
        nursery.start_soon(answers_of(provider, bid).play)
        nursery.start_soon(towers.pass_time)
        over = await towers.until(tower, lambda note: note.over)
        again = chain.audit(lease, True)
        assert (again.draw_block, again.stage) == (old.draw_block, Stage.OVER)
        assert (again.seed != old.seed, again.item != old.item) == (True, True)
        assert over.fee == fee, over.doing
        auditor = chain.auditor(net.chain(tower).address)
        assert (auditor.stake, auditor.left_at) == (chain.audit_prices.stake, 0)
        assert chain.verdict(lease).how is Conviction.NONE
        nursery.cancel_scope.cancel()


def item_of(chain: Chain, lease: LeaseId, block: BlockNo, items: int) -> int:
    """The item that a block draws in the client's audit."""
    head = chain.node.head(block)
    assert head is not None
    seed = keccak256(head.hash + keccak256(lease + word(True)))
    return int.from_bytes(keccak256(seed + word(0))) % items
