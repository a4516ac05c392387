"""A watchtower against a provider that flips one bit of an intermediate value, on a real chain."""

import shutil
from pathlib import Path

import pytest
import trio

from protocol.chain.dispute_events import Collected
from protocol.chain.localnet import Localnet
from protocol.chain.views import LeaseState
from protocol.dispute.records import Conviction, Phase
from protocol.runtime.metrics import Metrics
from tests.game_rig import TOWER, TowerProcess, house, networks_file
from watchtower.standings import Standings

pytestmark = [pytest.mark.trio]


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


async def test_a_crash_and_a_reorg_in_the_middle_change_nothing(localnet: Localnet, tmp_path: Path) -> None:
    async with house(localnet, tmp_path) as world:
        cheat, chain = world.cheat, world.net.chain()
        cheat.limit = 0
        first = world.start()
        await world.phase("trace")
        first.cancel()  # a crash: nothing is done at its end
        cheat.provider.served = False  # and nobody serves the artifacts any more
        cheat.provider.receipts.clear()
        cheat.limit = 1
        second = world.start()
        landed = await world.phase("reveal")
        await trio.to_thread.run_sync(
            world.net.anvil.call, "anvil_reorg", 2, []
        )  # trace and landing are gone
        assert chain.games_of(world.bid)[0].now.phase is Phase.TRACE
        await world.pass_time(1)
        cheat.limit = cheat.answered + 1
        await world.until(lambda seen: seen.at > landed.at and seen.games[0].phase == "reveal")
        second.cancel()
        next((tmp_path / "tower").glob("sent-*.json")).unlink()  # nor does it need that
        cheat.limit = 1 << 30
        world.start()
        await world.phase("claimed")
        await world.pass_time(11)
        end = await world.until(lambda standing: standing.over)
        assert chain.verdict(world.bid.lease_id()).how is Conviction.PROVEN
        (game,) = end.games
        assert game.reward == world.bid.bond // 2


async def test_a_game_that_a_reorg_removed_is_opened_again(localnet: Localnet, tmp_path: Path) -> None:
    async with house(localnet, tmp_path) as world:
        world.cheat.limit = 0
        chain = world.net.chain()
        world.start()
        await world.phase("trace")
        before = chain.games_of(world.bid)
        world.net.anvil.call("anvil_reorg", chain.block_number() - before[0].opened.at.block + 1, [])
        assert chain.games_of(world.bid) == ()
        await world.pass_time(1)
        with trio.fail_after(60):
            while not (again := await trio.to_thread.run_sync(chain.games_of, world.bid)):
                await trio.sleep(0.1)
        assert [game.game for game in again] == [game.game for game in before]


async def test_what_is_owed_is_collected_without_verdicts_long_after_the_window(
    localnet: Localnet, tmp_path: Path
) -> None:
    """All that says so is the chain: there is nothing on disk, and no result to re-run any more."""
    async with house(localnet, tmp_path) as world:
        first = world.start()
        await world.phase("claimed")
        first.cancel()
        shutil.rmtree(tmp_path / "tower")
        await world.pass_time(400)
        world.start()
        await world.until(lambda standing: standing.over)
        chain, lease = world.net.chain(), world.bid.lease_id()
        assert chain.lease(lease).state is LeaseState.CONVICTED
        reward = world.bid.bond // 2
        assert chain.verdict(lease).reward == reward
        collected = [event for game in chain.games_of(world.bid) for event in game.others]
        assert sum(event.reward for event in collected if isinstance(event, Collected)) == reward


async def test_a_silent_provider_is_convicted_by_its_clock(localnet: Localnet, tmp_path: Path) -> None:
    async with house(localnet, tmp_path) as world:
        world.cheat.limit = 0
        world.start()
        seen = await world.phase("trace")
        # Not a block more: a clock called while blocks are made could leave no time for the claim.
        await world.pass_time(seen.games[0].clock_left + 1)
        await world.phase("claimed")
        await world.pass_time(11)
        end = await world.until(lambda standing: standing.over)
        verdict = world.net.chain().verdict(world.bid.lease_id())
        assert (verdict.how, verdict.settled) == (Conviction.SILENT, True)
        assert end.games[0].reward == verdict.reward > 0
        assert "silence" in end.games[0].outcome


async def test_what_the_purse_does_not_allow_is_said_and_nothing_opened(
    localnet: Localnet, tmp_path: Path
) -> None:
    async with house(localnet, tmp_path) as world:
        metrics = Metrics()
        world.start(metrics, bond_per_game="0.001")
        found = await world.until(lambda standing: standing.doing)
        assert "bond_per_game allows 0.001 coin" in found.doing
        assert metrics.registry.get_sample_value("gavel_watchtower_lacking") == 1
        assert world.net.chain().games_of(world.bid) == ()


async def test_a_killed_process_goes_on_and_status_explains_the_game(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the killed one left on disk and on the chain is all that the next one has."""
    async with house(localnet, tmp_path) as world:
        world.cheat.limit = 1
        tower = TowerProcess(world.net, tmp_path, networks_file(world.net, tmp_path), monkeypatch)
        running = tower.start()
        try:
            await world.phase("reveal")
        finally:
            running.kill()
            running.wait()
        told = await trio.to_thread.run_sync(tower.status)
        assert told.return_value == 1
        for said in (
            "WRONG RESULT",
            "item 0, ",
            " levels down, node 1",
            "the provider is to open the picked",
        ):
            assert said in told.stdout, told.stdout
        world.cheat.limit = 1 << 30
        world.start()
        await world.phase("claimed")
        await world.pass_time(11)
        await world.until(lambda standing: standing.over)
        told = await trio.to_thread.run_sync(tower.status)
        assert "element 1, segment 7" in told.stdout
        assert "this game convicted the provider by a proof" in told.stdout


async def test_no_more_bonds_are_put_down_than_the_day_allows(localnet: Localnet, tmp_path: Path) -> None:
    async with house(localnet, tmp_path) as world:
        world.cheat.limit = 0
        other = await world.cheat.post(nonce=2)
        world.start(bond_per_day="0.3")
        standings = Standings(tmp_path / "tower" / "games")
        with trio.fail_after(120):
            # The look that opens a game does not see it yet.
            while len(found := standings.all()) < 2 or sum(bool(each.games) for each in found) != 1:
                await trio.sleep(0.1)
        chain = world.net.chain()
        played = [bid for bid in (world.bid, other) if chain.games_of(bid)]
        assert len(played) == 1
        refused = [each.doing for each in found if not each.games]
        assert len(refused) == 1
        assert "the day's bonds would be 0.44" in refused[0]


async def test_two_watchtowers_share_the_reward(localnet: Localnet, tmp_path: Path) -> None:
    """Neither waits for the other: who comes second has a share by its seal, and the lease ends once."""
    async with house(localnet, tmp_path) as world:
        world.cheat.limit = 0
        chain, second = world.net.chain(), tmp_path / "second"
        towers = [chain_.address for chain_ in (world.net.chain(TOWER), world.net.chain(TOWER + 1))]
        before = [chain.token_balance(0, tower) for tower in towers]
        world.start()
        world.start(account=TOWER + 1, data_dir=str(second))
        with trio.fail_after(120):
            while len(await trio.to_thread.run_sync(chain.games_of, world.bid)) < 2:
                await trio.sleep(0.1)
        world.cheat.limit = 1 << 30
        lease = world.bid.lease_id()
        with trio.fail_after(120):
            while chain.verdict(lease).claims < 2:
                await trio.sleep(0.1)
        await world.pass_time(11)
        await world.until(lambda standing: standing.over)
        with trio.fail_after(60):
            while not (others := Standings(second / "games").all()) or not others[0].over:
                await trio.sleep(0.1)
        earned = [chain.token_balance(0, tower) - had for tower, had in zip(towers, before, strict=True)]
        reward, gas_worth = chain.verdict(lease).reward, chain.listings()[0].reserve // 4
        assert sum(earned) == reward == world.bid.bond // 2
        # Who convicted has its gas before all others; the rest is split evenly.
        assert abs(earned[0] - earned[1]) == gas_worth
