"""Results that no outputs hash to: the values are right, and there is more where nothing may be."""

from functools import partial
from pathlib import Path

import pytest
import trio

from protocol.chain.localnet import Localnet
from protocol.chain.views import LeaseState
from protocol.dispute.records import Conviction
from protocol.runtime.metrics import Metrics
from protocol.types import Blocks, Verification
from tests.chain_helpers import OWNER
from tests.game_rig import TOWER
from tests.integration.test_watchtower import verdict_of
from tests.padded import Padded, operator
from tests.watch_rig import open_provider
from watchtower.config import WatchtowerConfig
from watchtower.daemon import watch
from watchtower.verdicts import Finding

pytestmark = [pytest.mark.trio]
BAD_ITEM = 3


async def test_a_byte_behind_a_row_is_forced_out_and_convicted(localnet: Localnet, tmp_path: Path) -> None:
    """No file has it, so only the chain can show it; the game starts from what it showed."""
    async with open_provider(localnet, tmp_path, width=20) as provider, trio.open_nursery() as nursery:
        lie = Padded.of(provider, BAD_ITEM)
        provider.root_of = lie.root_of
        bid = provider.bid(1, challenge_window=Blocks(400), verification=int(Verification.TAPE))
        await trio.to_thread.run_sync(provider.post_under, bid, provider.outputs)
        nursery.start_soon(lie.defend, operator(provider), bid)
        config = WatchtowerConfig(
            providers=(f"0x{localnet.chain(OWNER).address.hex()}",), data_dir=str(tmp_path / "tower")
        )
        tower = partial(watch, config, localnet.network, localnet.keys[TOWER], Metrics())
        nursery.start_soon(tower)
        chain, lease = localnet.chain(), bid.lease_id()
        with trio.fail_after(120):
            while (verdict := await trio.to_thread.run_sync(chain.verdict, lease)).how is Conviction.NONE:
                await trio.sleep(0.2)
        assert verdict.how is Conviction.PROVEN
        assert [game.case.item for game in chain.games_of(bid)] == [BAD_ITEM]
        nursery.cancel_scope.cancel()


async def test_a_word_behind_the_last_item_is_convicted(localnet: Localnet, tmp_path: Path) -> None:
    async with open_provider(localnet, tmp_path, width=20) as provider, trio.open_nursery() as nursery:
        lie = Padded.of(provider, None)
        provider.root_of = lie.root_of
        bid = provider.bid(1, challenge_window=Blocks(400), verification=int(Verification.TAPE))
        await trio.to_thread.run_sync(provider.post_under, bid, provider.outputs)
        nursery.start_soon(lie.defend, operator(provider), bid)
        chain, lease = localnet.chain(), bid.lease_id()

        async def pass_time() -> None:
            while not (await trio.to_thread.run_sync(chain.verdict, lease)).since:
                await trio.sleep(0.1)
            await trio.to_thread.run_sync(localnet.anvil.mine, 12)

        nursery.start_soon(pass_time)
        found = await verdict_of(localnet, tmp_path, lease)
        nursery.cancel_scope.cancel()
        assert (found.finding, "the provider is convicted" in found.detail) == (Finding.UNAVAILABLE, True)
        assert chain.verdict(lease).how is Conviction.SILENT
        assert chain.lease(lease).state is LeaseState.CONVICTED
        assert chain.balance(chain.delivery.address) == 0, "every bond came back"
