"""Open bids cost nothing: they keep no provider from bidding for others."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.auction.bidding import MarketView, Refusal, Slot, Terms, stored_bytes
from protocol.lease.provider_types import Phase, ProviderLease
from protocol.types import Amount
from provider_node.market import Market
from tests.strategies.provider import fresh
from tests.unit.auction.test_bidding import MARKET, OFFER
from tests.unit.auction.test_defence import GUARDED, MEANS

pytestmark = pytest.mark.trio
NOTHING: Any = None
DISK = 1 << 27
OURS = replace(OFFER, item_elements=DISK // 40, item_count=20)
"""By its figures its traces take half of the disk."""
FIGURES = replace(fresh(), offer=replace(fresh().offer, item_count=1), item_ms=100, trace_ms=400)
FLAW = "their 21 traces would take"


def bid(nonce: int, part: int = 0, **changes: Any) -> ProviderLease:
    """One whose traces take so many eighths of the disk."""
    state = replace(FIGURES, bid=replace(FIGURES.bid, capacity_nonce=nonce), value_bytes=part * DISK // 8)
    return replace(state, **changes)


async def decided(*leases: ProviderLease, slots: int = 2, asked: Any = OURS, quota: int = 1 << 40) -> Any:
    """What a provider answers; also how often it looked."""
    known = {bytes([n]) * 32: each for n, each in enumerate(leases)}
    bids = [each.bid.capacity_nonce for each in leases if each.phase == Phase.BID]
    free = tuple(Slot(nonce, bids.count(nonce)) for nonce in range(1, slots + 1))

    async def ready() -> None:
        pass

    async def found(_: object) -> tuple[Slot, ...]:
        return free

    async def view(promised: Amount) -> MarketView:
        looks.append(promised)
        token = replace(MARKET.tokens[0], free=Amount(MARKET.tokens[0].free - promised))
        return replace(MARKET, tokens=(token, *MARKET.tokens[1:]))

    looks: list[Amount] = []
    house = replace(GUARDED, means=replace(MEANS, disk_bytes=DISK))
    limits = SimpleNamespace(max_challenge_window=10**9)
    rules: Any = SimpleNamespace(
        house=house,
        open_bids=99,
        open_bids_per_client=99,
        limits=limits,
        listings=[SimpleNamespace(reserve=1)] * 9,
    )
    chain: Any = SimpleNamespace(blocking=NOTHING)
    loop: Any = SimpleNamespace(states=lambda _: known, trouble="")
    mine: Any = SimpleNamespace(free=found, count=slots)
    store: Any = SimpleNamespace(held=lambda _: 0, room=lambda: quota)
    market = Market(chain, NOTHING, loop, SimpleNamespace(ready=ready, height=1), rules, mine, store)  # type: ignore[arg-type]
    market._view = view  # type: ignore[method-assign]
    means: Any = SimpleNamespace(held=10**30, flaw="")
    return await market._decide(SimpleNamespace(message=asked), means), len(looks)  # type: ignore[arg-type]


async def test_a_bid_that_finds_no_room_beside_another_takes_its_place() -> None:
    """Only one of both can be opened: whoever opens first pays for the slot."""
    found, looks = await decided()
    assert isinstance(found, Terms)
    assert (found.bid.capacity_nonce, looks) == (1, 1)
    for part, nonce in ((4, 2), (5, 1), (8, 1)):
        found, looks = await decided(bid(1, part))
        assert isinstance(found, Terms), found
        assert (found.bid.capacity_nonce, looks) == (nonce, 3 - nonce)


async def test_no_bid_is_made_that_fits_beside_no_choice_of_others() -> None:
    found, looks = await decided(bid(1, 5), bid(2, 5, phase=Phase.POSTED))
    assert isinstance(found, Refusal)
    assert (FLAW in found.reason, looks) == (True, 2)
    found, looks = await decided(asked=replace(OURS, token=1))
    assert isinstance(found, Refusal)
    assert looks == 1, "that is so for every slot"
    assert isinstance((await decided(slots=0))[0], Refusal)


async def test_what_takes_no_more_than_a_share_finds_room_whatever_bids_are_open() -> None:
    """Of the disk, the store and the stake. All that are open fit together: so it was when they were made."""
    small = replace(OURS, item_count=10)  # a quarter
    for parts in ((8, 0, 0, 0), (2, 2, 2, 2), (3, 1, 3, 1), (1, 5, 1, 1)):
        found, _ = await decided(*(bid(n, part) for n, part in enumerate(parts, 1)), slots=4, asked=small)
        assert isinstance(found, Terms), parts
    size = stored_bytes(OURS)
    greedy = bid(1, offer=replace(FIGURES.offer, transfer_bytes=2 * size - stored_bytes(FIGURES.offer)))
    found, _ = await decided(greedy, quota=2 * size)
    assert isinstance(found, Terms)
    assert found.bid.capacity_nonce == 1
    rich = replace(FIGURES.bid, capacity_nonce=1, bond=MARKET.tokens[0].free)
    found, _ = await decided(bid(1, bid=rich))
    assert isinstance(found, Terms)
    assert found.bid.capacity_nonce == 1
