"""Cheats that make the blocks too, copy what waits, or play both sides: real processes over one chain."""

import signal
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from protocol.chain.calls import TxReceipt
from protocol.chain.game_steps import PlayedGame
from protocol.crypto import address_of
from protocol.dispute import moves
from protocol.dispute.moves import Collect
from protocol.dispute.records import Conviction
from tests.adversary_rig import BEAT_S, World, check_money, ended_of, world
from tests.block_makers import Copier, LastBlock, Spike
from tests.cheat.job import specimen
from tests.game_rig import TOWER, TowerProcess
from tests.provider_rig import OWNER

pytestmark = [
    pytest.mark.xdist_group("e2e-cheat"),
    pytest.mark.trio,
    pytest.mark.soak,
    pytest.mark.timeout(600),
]

LONG = f"flip {specimen().node('long')} 4 2"
"""The lie about which a game is longest."""
COPIER = 7


async def test_every_move_of_both_sides_in_the_last_block_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch, [LONG], watched=False) as made:
        before, bid = made.accounts(), await made.post(LONG)
        builder = LastBlock(made.net, bid)
        made.pulse.hooks.append(builder)
        made.tower.start()
        await made.convicted([bid])
        check_money(made, before, [bid])
        assert made.chain.verdict(bid.lease_id()).how is Conviction.PROVEN
        (game,) = made.games(bid)
        made_at = [step.state for step in game.steps if step.state is not None]
        late = [
            after.moved_at == state.moved_at + state.mover_left
            for state, after in pairwise(made_at)
            if state.phase.live
        ]
        assert all(late), late
        assert builder.held >= len(late) >= 9


@pytest.mark.parametrize("factor", [20, 600])
async def test_gas_at_many_times_its_price_in_the_middle_of_a_game(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: int
) -> None:
    """At 600 gwei it is above the network's limit: each move waits for the second half of its clock."""
    async with world(tmp_path, monkeypatch, [LONG], watched=False) as made:
        before, bid = made.accounts(), await made.post(LONG)
        spike = Spike(made.net, bid, factor=factor)
        made.pulse.hooks.append(spike)
        made.tower.start()
        await made.convicted([bid])
        check_money(made, before, [bid])
        assert made.chain.verdict(bid.lease_id()).how is Conviction.PROVEN
        prices = {receipt.fee // receipt.gas_used for receipt in receipts(made, made.games(bid)[0])[1:]}
        assert min(prices) >= spike.factor * spike.level, "all but the opening was dear"


async def test_copied_openings_and_copied_proofs_earn_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch, [LONG], watched=False) as made:
        before, bid = made.accounts(), await made.post(LONG)
        copier = made.net.chain(COPIER)
        tokens = copier.token_balance(0, copier.address)
        made.pulse.hooks.append(Copier(made.net, COPIER, address_of(made.net.keys[TOWER])))
        made.tower.start()
        await made.convicted([bid])
        games = {game.opened.challenger: game for game in made.games(bid)}
        copied, own = games[copier.address], games[address_of(made.net.keys[TOWER])]
        opened, first = own.steps[0].at, copied.steps[0].at
        assert (first.block, first.index < opened.index) == (opened.block, True), "it was there first"
        verdict = made.chain.verdict(bid.lease_id())
        assert verdict.how is Conviction.PROVEN
        if chain_holds := made.chain.balance(made.chain.disputes.address):
            assert chain_holds == made.chain.game(copied.game).game.bond * 10**9
            collect = copier.disputes.move(Collect(bid, copied.case, copied.opened.seal))
            await trio.to_thread.run_sync(copier.send, collect)
        assert copier.token_balance(0, copier.address) == tokens
        assert made.accounts().tower_tokens - before.tower_tokens == verdict.reward == bid.bond // 2
        check_money(made, before, [bid])


async def test_a_cheat_that_challenges_itself_first_pays_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens a game before anybody else, and convicts itself as soon as another one comes."""
    async with world(tmp_path, monkeypatch, [LONG], watched=False) as made:
        own = TowerProcess(made.net, tmp_path, made.networks, monkeypatch, account=OWNER, name="own")
        before, bid = made.accounts(), await made.post(LONG)
        try:
            process = own.start()
            await games(made, bid, 1)
            process.send_signal(signal.SIGSTOP)
            made.pulse.pace_s = 2.0  # its clock runs while the other starts
            made.tower.start()
            await games(made, bid, 2)
            process.send_signal(signal.SIGCONT)
            made.pulse.pace_s = BEAT_S
            await made.convicted([bid])
            chain, lease = made.chain, bid.lease_id()
            with trio.fail_after(120):
                while chain.balance(chain.disputes.address) or not chain.verdict(lease).settled:
                    await trio.sleep(0.2)
        finally:
            own.end()
        by = {game.opened.challenger: game for game in made.games(bid)}
        first, honest = by[made.owner], by[address_of(made.net.keys[TOWER])]
        assert first.steps[0].at.block < honest.steps[0].at.block
        verdict, (ended,) = chain.verdict(lease), ended_of(chain, lease)
        after = made.accounts()
        earned = after.tower_tokens - before.tower_tokens
        assert 0 < earned <= verdict.reward
        assert ended.burnt >= verdict.reward
        assert before.stake - after.stake == bid.bond, "more than it can have of the reward"
        assert after.client_credits == before.client_credits
        assert chain.token_balance(0, chain.disputes.address) == 0


async def games(made: World, bid, count: int) -> None:
    """Wait for so many games."""
    with trio.fail_after(90):
        while len(await trio.to_thread.run_sync(made.games, bid)) < count:
            await trio.sleep(0.1)


def receipts(made: World, game: PlayedGame) -> list[TxReceipt]:
    """What the moves of a game cost, the claim left out."""
    found = []
    for step in game.steps:
        if step.made is not None and not isinstance(step.made.move, moves.Claim | moves.ClaimSilence):
            known = made.chain.node.receipt(step.at.tx)
            assert known is not None
            found.append(known[0])
    return found
