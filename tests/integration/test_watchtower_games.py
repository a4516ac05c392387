"""A watchtower against a provider that flips one bit of an intermediate value, on a real chain."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio

from protocol.chain.localnet import Localnet
from protocol.chain.views import LeaseState
from protocol.dispute.records import Conviction
from protocol.messages import Bid
from protocol.runtime.metrics import Metrics
from tests.chain_helpers import OWNER
from tests.game_rig import Cheat, open_cheat
from tests.watch_rig import open_provider
from watchtower.config import WatchtowerConfig
from watchtower.daemon import watch
from watchtower.standings import Standing, Standings

TOWER = 6
FLIP = "1:5:3"

pytestmark = [pytest.mark.trio]


@dataclass
class House:
    """A cheat with a posted lie, and a folder for a watchtower."""

    net: Localnet
    cheat: Cheat
    bid: Bid
    folder: Path
    nursery: trio.Nursery

    def config(self, **changes: object) -> WatchtowerConfig:
        owner = f"0x{self.net.chain(OWNER).address.hex()}"
        config = WatchtowerConfig(providers=(owner,), data_dir=str(self.folder / "tower"))
        return replace(config, **changes)  # type: ignore[arg-type]

    def start(self, metrics: Metrics | None = None, **changes: object) -> trio.CancelScope:
        """Run a watchtower; cancelling is its crash: it does nothing at its end."""
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                config = self.config(**changes)
                await watch(config, self.net.network, self.net.keys[TOWER], metrics or Metrics())

        self.nursery.start_soon(run)
        return scope

    def standing(self) -> Standing | None:
        return next(iter(Standings(self.folder / "tower" / "games").all()), None)

    async def phase(self, *names: str) -> Standing:
        """Wait until the game is in one of these phases."""
        return await self.until(lambda standing: standing.games and standing.games[0].phase in names)

    async def pass_time(self, blocks: int) -> None:
        await trio.to_thread.run_sync(self.net.anvil.mine, blocks)

    async def until(self, holds, wait_s: float = 120.0) -> Standing:
        with trio.fail_after(wait_s):
            while not ((found := self.standing()) and holds(found)):
                await trio.sleep(0.05)
        return found


@asynccontextmanager
async def house(net: Localnet, folder: Path, flip: str = FLIP, **job: int) -> AsyncIterator[House]:
    """A cheating provider that defends itself. Time passes by transactions, and as the test says."""
    async with AsyncExitStack() as stack:
        size = {"width": 256, "depth": 2, **job}
        provider = await stack.enter_async_context(open_provider(net, folder, **size))
        cheat = await open_cheat(stack, provider, folder, flip)
        bid = await cheat.post()
        nursery = await stack.enter_async_context(trio.open_nursery())
        nursery.start_soon(cheat.defend, bid)
        yield House(net, cheat, bid, folder, nursery)
        nursery.cancel_scope.cancel()


async def test_a_flipped_bit_is_convicted_and_the_money_adds_up(localnet: Localnet, tmp_path: Path) -> None:
    async with house(localnet, tmp_path) as world:
        chain = world.net.chain()
        tower = world.net.chain(TOWER).address
        coin, tokens = chain.balance(tower), chain.token_balance(0, tower)
        stake = chain.stake(world.bid.owner, 0).staked
        world.start()
        await world.phase("claimed")
        await world.pass_time(11)
        end = await world.until(lambda standing: standing.over)
        assert (
            await trio.to_thread.run_sync(chain.lease, world.bid.lease_id())
        ).state is LeaseState.CONVICTED
        verdict = chain.verdict(world.bid.lease_id())
        assert (verdict.how, verdict.settled, verdict.won, verdict.claims) == (
            Conviction.PROVEN,
            True,
            True,
            1,
        )
        (game,) = end.games
        assert (game.item, game.node) == (0, 1)
        assert game.over
        assert game.reward == verdict.reward == chain.token_balance(0, tower) - tokens
        assert game.reward == world.bid.bond // 2
        assert chain.stake(world.bid.owner, 0).staked == stake - world.bid.bond
        # What is missing of the bond was paid to the provider for its answers, and nothing else.
        settling = coin - chain.balance(tower) - (game.bond - game.coin_back) - game.fees
        assert 0 <= settling < game.fees
        assert world.cheat.answered >= 3
