"""Leases held by games whose players vanished: whoever follows them ends that, on a real chain."""

from dataclasses import replace
from pathlib import Path

import pytest
import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet
from protocol.chain.views import LeaseState
from protocol.crypto import keccak256
from protocol.dispute.idle import IDLE_GAS
from protocol.dispute.records import Conviction, Phase
from protocol.dispute.trees import root_of
from protocol.games.keeping import Keeper, settling
from protocol.runtime.metrics import Metrics
from protocol.types import BlockNo, Blocks, Hash32, Wei
from tests.chain_helpers import CLIENT
from tests.dispute_rig import TERMS, Rig, posted
from watchtower.demanding import KeySends
from watchtower.judge import PostedResult
from watchtower.keeping import Keeping, patience_of
from watchtower.spending import Spending

pytestmark = [pytest.mark.trio]

TOWER = 6
SEAL = keccak256(b"seal")
LEAVES = tuple(keccak256(bytes([i])) for i in range(64))
CHILDREN = tuple(root_of(LEAVES[i : i + 2]) for i in range(0, 64, 2))
PATIENCE = Blocks(5)


@pytest.fixture
def rig(localnet: Localnet) -> Rig:
    """A posted result, and a stranger's game about it."""
    rig = posted(localnet)
    chain = rig.challenger
    chain.send(chain.disputes.challenge(rig.opening(SEAL), chain.bond(rig.bid, rig.job.items)))
    return rig


def answer(rig: Rig) -> None:
    """The provider posts its trace: the challenger is to move."""
    rig.operator.send(rig.operator.disputes.move(rig.trace(rig.challenger, SEAL, CHILDREN)))


def keeper(rig: Rig, account: int = CLIENT) -> Keeper:
    chain = AsyncChain(rig.net.chain(account))
    return Keeper(chain, rig.bid, KeySends(chain), PATIENCE)


async def test_a_game_whose_challenger_vanished_is_lost_and_lets_the_result_go(rig: Rig) -> None:
    answer(rig)
    chain = rig.net.chain()
    (game,) = chain.games_of(rig.bid)
    end = game.now.moved_at + game.now.challenger_left
    found = await keeper(rig).look(right=True)
    assert (found.again_at, found.said) == (end + PATIENCE + 1, ())
    rig.net.anvil.mine(end + PATIENCE - chain.clock())
    assert not (await keeper(rig).look(right=True)).said
    rig.net.anvil.mine(1)
    assert not (await keeper(rig).look(right=False)).said, "a wrong result is not helped along"
    other = Hash32(b"\7" * 32)
    assert not (await keeper(rig).look(right=True, root=other)).said, "nor one that a re-org put in its place"
    assert "the budget allows none" in (await keeper(rig).look(right=True, most=0)).said[0]
    assert chain.lease(rig.bid.lease_id()).freezes == 1
    found = await keeper(rig).look(right=True, root=chain.result(rig.bid.lease_id()))
    assert "the challenger's clock ran out, the game is lost" in found.said[0]
    assert found.fees > 0
    assert chain.games_of(rig.bid)[0].now.phase is Phase.LOST
    assert chain.lease(rig.bid.lease_id()).freezes == 0


async def test_a_silent_provider_is_convicted_and_the_lease_settled_though_the_challenger_vanished(
    rig: Rig,
) -> None:
    chain, lease = rig.net.chain(), rig.bid.lease_id()
    credits = chain.credits(0, rig.bid.client)
    (game,) = chain.games_of(rig.bid)
    rig.net.anvil.mine(game.now.moved_at + game.now.provider_left + PATIENCE + 1 - chain.clock())
    found = await keeper(rig).look(right=False)
    assert "convicted of silence" in found.said[0]
    verdict = chain.verdict(lease)
    assert verdict.how is Conviction.SILENT
    found = await keeper(rig).look(right=False)
    assert (found.again_at, found.said) == (verdict.since + TERMS.claim_period + PATIENCE + 1, ())
    rig.net.anvil.mine(found.again_at - chain.clock())
    found = await keeper(rig).look(right=False)
    assert found.said == ("settled the lease as convicted",)
    assert found.fees < IDLE_GAS * (chain.node.base_fee() + chain.network.fees.priority)
    assert chain.lease(lease).state is LeaseState.CONVICTED
    assert chain.credits(0, rig.bid.client) - credits >= rig.bid.deposit()
    found = await keeper(rig).look(right=False)
    assert (found.again_at, found.said) == (None, ())


async def test_who_comes_too_late_loses_nothing(rig: Rig) -> None:
    chain = rig.net.chain()
    (game,) = chain.games_of(rig.bid)
    rig.net.anvil.mine(game.now.moved_at + game.now.provider_left + PATIENCE + 1 - chain.clock())
    first, second = keeper(rig), keeper(rig, TOWER)
    said: list[str] = []

    async def look(each: Keeper) -> None:
        said.extend((await each.look(right=True)).said)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look, first)
        nursery.start_soon(look, second)
    assert 1 <= len(said) <= 2
    assert all("convicted of silence" in line for line in said)
    assert chain.verdict(rig.bid.lease_id()).how is Conviction.SILENT


async def test_watchtowers_end_and_settle_within_a_days_gas_each_in_its_own_time(
    rig: Rig, tmp_path: Path
) -> None:
    net, chain, lease = rig.net.network, rig.net.chain(), rig.bid.lease_id()
    (game,) = chain.games_of(rig.bid)
    end = game.now.moved_at + game.now.provider_left
    secret = b"s" * 32
    waits = patience_of(net, secret, lease)
    assert len({patience_of(net, bytes([n]), lease) for n in range(20)}) > 10
    held = PostedResult(lease, rig.bid, Hash32(bytes(32)), BlockNo(10_000), is_held=True)
    purses = {
        money: Spending(tmp_path / f"{money}.json", Wei(money), "idle_gas_per_day", lambda: 0.0)
        for money in (0, 10**17)
    }
    async with trio.open_nursery() as nursery:
        towers = {
            money: Keeping(AsyncChain(rig.net.chain(TOWER)), secret, gas, nursery, Metrics())
            for money, gas in purses.items()
        }

        async def looks(money: int) -> Conviction:
            tower = towers[money]
            tower.look_after(await tower.chain.run(Chain.clock), [held], frozenset())
            with trio.fail_after(60):
                while tower.busy:
                    await trio.sleep(0.01)
            return chain.verdict(lease).how

        rig.net.anvil.mine(end + waits - chain.clock())
        assert await looks(10**17) is Conviction.NONE
        rig.net.anvil.mine(1)
        assert await looks(0) is Conviction.NONE
        assert await looks(10**17) is Conviction.SILENT
        assert 0 < purses[10**17].left() < 10**17, "it is counted"
        rig.net.anvil.mine(TERMS.claim_period + waits + 1)
        await looks(10**17)
        assert chain.lease(lease).state is LeaseState.CONVICTED


async def test_leases_convicted_at_the_same_reading_are_settled_each(rig: Rig) -> None:
    """A name that two transactions share stands for one: the second would never be sent."""
    other = replace(rig.bid, capacity_nonce=rig.bid.capacity_nonce + 1).lease_id()
    assert settling(rig.bid.lease_id(), 7) != settling(other, 7)
