"""How much stake a bid may promise beside those that are open."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.auction.bidding import TokenTerms
from protocol.auction.money import Unit
from protocol.chain.views import Listing, StakeView
from protocol.types import Address, Amount, BlockNo
from provider_node.market import Market
from provider_node.money import doubts_of

pytestmark = pytest.mark.trio
NOTHING: Any = None
CAPPED = StakeView(
    staked=Amount(100),
    locked=Amount(0),
    free=Amount(20),  # as the contract answers: cut to what one lease may lock
    unbonding=Amount(0),
    release_at=BlockNo(0),
    max_per_lease=Amount(20),
    max_locked=Amount(60),
)


async def seen(stake: StakeView, promised: int) -> TokenTerms:
    async def run(*_: object) -> StakeView:
        return stake

    chain: Any = SimpleNamespace(run=run, blocking=NOTHING)
    rules: Any = SimpleNamespace(
        house=SimpleNamespace(policy=SimpleNamespace(token=0)),
        identity=SimpleNamespace(owner=Address(b"\1" * 20)),
        units=(Unit("LOC", 18),),
        listings=(Listing(Address(b"\2" * 20), Amount(1), Amount(0), 0),),
        block_ms=1_000,
        limits=SimpleNamespace(min_grace=1),
        judging=NOTHING,
    )
    watcher: Any = SimpleNamespace(height=BlockNo(5))
    market = Market(chain, NOTHING, NOTHING, watcher, rules, NOTHING, NOTHING)
    return (await market._view(Amount(promised))).tokens[0]


@pytest.mark.parametrize(("promised", "free"), [(0, 60), (20, 40), (40, 20), (55, 5), (60, 0), (70, 0)])
async def test_bids_of_other_slots_take_from_the_whole_and_not_from_one_lease_s_cap(
    promised: int, free: int
) -> None:
    found = await seen(CAPPED, promised)
    assert (found.free, found.lease_cap, found.is_capped) == (free, 20, True)


async def test_never_more_is_promised_than_the_contract_would_lock() -> None:
    """Invariant: locked + promised + bond <= min(staked, max_locked), bond <= max_per_lease."""
    assert (await seen(replace(CAPPED, locked=Amount(35)), 20)).free == 5
    assert (await seen(replace(CAPPED, staked=Amount(50)), 20)).free == 30
    assert not (await seen(replace(CAPPED, staked=Amount(50)), 20)).is_capped
    assert (await seen(replace(CAPPED, staked=Amount(50), locked=Amount(60)), 0)).free == 0


async def test_caps_that_keep_each_other_from_being_reached_are_named() -> None:
    unit, plenty = Unit("LOC", 0), Amount(100)
    assert doubts_of(Amount(20), plenty, Amount(3), unit) == []
    assert doubts_of(plenty, Amount(1), Amount(3), unit) == [
        "no lease can lock 100 LOC: all together may lock 1 LOC",
        "no bid is made for now: 3 LOC are locked, all that may be",
    ]
