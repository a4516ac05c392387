"""Fifty sham games, opened to be lost before and after an honest one: real processes over one chain."""

from pathlib import Path

import pytest
import trio

from protocol.chain.client import Chain
from protocol.chain.deploy_terms import DisputeTerms
from protocol.chain.dispute_events import GameLost
from protocol.chain.views import LeaseState
from protocol.crypto import address_of
from protocol.dispute.records import Conviction, Phase
from protocol.messages import Bid
from protocol.types import Blocks
from tests.adversary_rig import World, check_money, ended_of, world
from tests.cheat.job import specimen
from tests.game_rig import TOWER
from tests.shams import Shams, shams

pytestmark = [
    pytest.mark.xdist_group("e2e-cheat"),
    pytest.mark.trio,
    pytest.mark.soak,
    pytest.mark.timeout(1500),
]

LONG, RIGHT = f"flip {specimen().node('long')} 4 2", ""
HALF = 25
WINDOW = 1_100
"""Blocks: not many more than demands and an audit need, since all of them are made."""
PACE_S = 0.8
"""Between blocks: a provider answers fifty games by its clocks, on a busy machine."""


async def test_fifty_shams_before_and_after_an_honest_game_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path, monkeypatch, [LONG], watched=False) as made:
        made.window, made.pulse.pace_s = WINDOW, PACE_S
        before, bid = made.accounts(), await made.post(LONG)
        chain, tower = made.chain, address_of(made.net.keys[TOWER])
        crowd = await shams(made, bid, LONG, [0])
        crowd.add(HALF, 0)
        made.pulse.hooks.append(crowd)
        await opened(made, bid, HALF)
        made.tower.start()
        await opened(made, bid, HALF + 1)
        crowd.add(HALF, 0)
        await opened(made, bid, 2 * HALF + 1)
        await made.convicted([bid])
        made.pulse.hooks.clear()
        assert chain.verdict(bid.lease_id()).how is Conviction.PROVEN
        assert chain.verdict(bid.lease_id()).claims == 1, "no sham has a share of the reward"
        places = [game.opened.challenger == tower for game in made.games(bid)]
        assert HALF <= places.index(True) < HALF + 2, "half of them were first"
        lost = len(crowd.over)
        assert 0 < lost < 2 * HALF, "some were lost in time, some not"
        await trio.to_thread.run_sync(crowd.collect)
        assert await bonds_are_paid_out(made, bid) > 0
        check_money(made, before, [bid])


async def test_fifty_shams_about_a_right_result_cost_its_provider_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of them in the last block that takes any, about an item whose trace nobody has seen."""
    async with world(tmp_path, monkeypatch, [RIGHT], watched=False) as made:
        made.window, made.pulse.pace_s = WINDOW, PACE_S
        before, bid = made.accounts(), await made.post(RIGHT)
        chain, lease = made.chain, bid.lease_id()
        posted = chain.lease(lease)
        last = posted.last_beat + bid.challenge_window
        crowd = await shams(made, bid, RIGHT, [0, 1])
        crowd.hurries = True
        crowd.add(HALF, 0)
        made.pulse.hooks.append(crowd)
        await opened(made, bid, HALF)
        await over(made, crowd, HALF)
        crowd.add(HALF, 1, not_before=last)
        await opened(made, bid, 2 * HALF)
        await over(made, crowd, 2 * HALF)
        games = made.games(bid)
        assert {game.now.phase for game in games} == {Phase.LOST}
        assert [game.opened.item for game in games].count(1) == HALF
        assert {game.steps[0].at.block for game in games if game.opened.item} == {last}
        ends = max(game.steps[-1].at.block for game in games)
        assert last < ends <= last + one_game(chain, Blocks(posted.last_beat - posted.started_at))
        view = await made.client.until(lease, "finalized")
        assert (view.state, view.freezes) == (LeaseState.FINALIZED, 0)
        spent = before.operator_coin - made.accounts().operator_coin
        assert await bonds_are_paid_out(made, bid) > spent > 0, "answering was repaid"
        after, (ended,) = made.accounts(), ended_of(chain, lease)
        assert (ended.seized, ended.burnt, after.stake) == (0, 0, before.stake)
        assert ended.to_owner > 0, "it was paid"


async def opened(made: World, bid: Bid, count: int) -> None:
    """Wait for so many games."""
    with trio.fail_after(300):
        while len(await trio.to_thread.run_sync(made.games, bid)) < count:
            await trio.sleep(0.2)


async def over(made: World, crowd: Shams, count: int) -> None:
    """Wait until so many shams are over."""
    with trio.fail_after(600):
        while len(crowd.over) < count:
            assert made.daemon.process is not None
            assert made.daemon.process.poll() is None, made.daemon.log()[-3000:]
            await trio.sleep(0.2)


async def bonds_are_paid_out(made: World, bid: Bid) -> int:
    """Let the owner withdraw what was forfeited to it: it is all that is left in the contract."""
    chain = made.chain
    forfeits = [each for game in made.games(bid) for each in game.others if isinstance(each, GameLost)]
    forfeited = sum(each.forfeit for each in forfeits)
    assert chain.coin(made.owner) == forfeited == chain.balance(chain.disputes.address)
    paid = await trio.to_thread.run_sync(made.daemon.call, "withdraw", "--coin")
    assert float(paid["withdrawn_coin"]) * 10**18 == pytest.approx(forfeited)
    assert chain.balance(chain.disputes.address) == 0, "coin is stuck"
    return forfeited


def one_game(chain: Chain, ran: Blocks) -> Blocks:
    """The longest that a game can last about a job that took so long."""
    clocks = chain.game_terms
    terms = DisputeTerms(
        clocks.move_clock, clocks.increment, clocks.claim_period, clocks.tip, clocks.data_fee
    )
    return terms.straight_game(ran)
