"""Logs cost their makers little, and nodes give only so many at once: no role needs to read them all."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from client_sdk.bidders import Bidders
from protocol.chain import book
from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.event import Event
from protocol.chain.localnet import Localnet
from protocol.chain.scan import Topics
from protocol.messages import Registration, Signed, sign
from protocol.types import Address, Amount, BlockNo
from provider_node.registration import Owner, ensure_registered
from tests.chain_helpers import OPERATOR, OWNER, UNIT, make_bid, ready_client, ready_provider, sign_bid
from tests.client_rig import client_session
from tests.flaky_node import FlakyNode
from tests.log_flood import (
    MOST,
    CappedNode,
    flood_with_operators,
    flood_with_registrations,
    sending,
)
from watchtower.scan import Scan

OTHER = 5


@pytest.fixture
def capped(localnet: Localnet) -> Iterator[Localnet]:
    """The same chain, as a node shows it that gives few logs at once."""
    node = CappedNode(localnet.url)
    yield replace(localnet, network=replace(localnet.network, rpc_urls=(node.url,), confirmations=1))
    node.stop()


def test_a_watchtower_sees_results_that_are_posted_after_a_flood(
    localnet: Localnet, capped: Localnet
) -> None:
    ready_provider(localnet)
    client = ready_client(localnet)
    tower = capped.chain()
    scan = Scan(tower)
    flood_with_operators(localnet)
    bid = make_bid(localnet)
    client.send(client.escrow.open_lease(bid, sign_bid(localnet, bid)))
    operator = localnet.chain(OPERATOR)
    operator.send(operator.escrow.start(bid))
    operator.send(operator.escrow.post_result(bid.owner, bid.struct_hash(), bid.job_hash))
    for each in (scan, Scan(tower)):  # also one that starts when the flood is there
        _, results = each.poll(tower)
        assert [result.lease for result in results] == [bid.lease_id()]


def owners(chain: Chain) -> set[Address]:
    return {each.owner for each in chain.registrations()}


def moved(net: Localnet, owner: int = OWNER, operator: int = OPERATOR) -> Signed[Registration]:
    """Another registration of the provider of `ready_provider`."""
    known = net.chain().registration_of(net.chain(owner).address)
    assert known is not None
    assert known.registration is not None
    said = replace(known.registration, addrs=("/ip4/127.0.0.1/tcp/4002",))
    return sign(said, net.chain().domain, net.keys[operator])


@pytest.mark.trio
async def test_a_flood_keeps_no_client_from_opening_a_session(
    localnet: Localnet, capped: Localnet, tmp_path: Path
) -> None:
    provider = await trio.to_thread.run_sync(ready_provider, localnet)
    await trio.to_thread.run_sync(ready_client, localnet)
    await trio.to_thread.run_sync(flood_with_operators, localnet)
    await trio.to_thread.run_sync(flood_with_registrations, localnet)
    with trio.fail_after(30):
        async with client_session(capped, tmp_path) as session:
            assert await session.bidders.speaks_for(localnet.chain(OPERATOR).address, provider.address)
            while provider.address not in session.bidders.owners:
                await trio.sleep(0.1)


def test_a_block_that_no_node_gives_is_left_out_of_the_book(
    localnet: Localnet, capped: Localnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = ready_provider(localnet), localnet.chain(OTHER)
    said = moved(localnet)
    flood_with_registrations(localnet, sending(before, before.escrow.register(said)))
    ready_provider(localnet, owner=OTHER, operator=6)
    reader = capped.chain()
    reader.node.rpc.patience = 0
    assert owners(reader) == {before.address, after.address}
    found = reader.registration_of(before.address)
    assert found is not None
    assert found.registration == said.message, "what it said in that block is found by its owner's name"
    monkeypatch.setattr(
        reader.book, "_part_of_search", lambda *_: pytest.fail("one flooded block costs one search")
    )
    assert reader.registration_of(before.address) == found


def test_a_node_that_gives_no_logs_at_all_makes_no_block_be_left_out(localnet: Localnet) -> None:
    provider, node = ready_provider(localnet), FlakyNode(localnet.url)
    reader = Chain.connect(replace(localnet.network, rpc_urls=(node.url,)))
    reader.node.rpc.patience = 0
    no_logs = {"code": -32601, "message": "no logs now"}
    node.refuse = lambda request: no_logs if request["method"] == "eth_getLogs" else None
    for _ in range(5):
        assert reader.registrations(seconds=0.5) == ()
    node.refuse = lambda _: None
    assert owners(reader) == {provider.address}
    node.stop()


def test_a_provider_that_restarts_is_not_held_up(localnet: Localnet) -> None:
    """Whose leases are posted must defend them: nothing at its start may hang on logs."""
    provider, node = ready_provider(localnet), FlakyNode(localnet.url)
    wanted = moved(localnet)
    chain = Chain.connect(replace(localnet.network, rpc_urls=(node.url,)))
    chain.node.rpc.patience = 0
    no_logs = {"code": -32005, "message": "too many"}
    node.refuse = lambda request: no_logs if request["method"] == "eth_getLogs" else None
    hand = Owner(provider, localnet.keys[OWNER], provider.address)
    assert ensure_registered(chain, provider.address, wanted, hand) == "registered"
    node.stop()


@pytest.mark.trio
async def test_who_makes_its_history_unreadable_fails_nobody_else(
    localnet: Localnet, capped: Localnet
) -> None:
    honest = await trio.to_thread.run_sync(ready_provider, localnet)
    hidden = await trio.to_thread.run_sync(lambda: ready_provider(localnet, owner=OTHER, operator=6))
    nonces = range(1 << 20, (1 << 20) + MOST + 200)
    cancel = hidden.escrow.cancel_nonces(hidden.address, list(nonces))
    await trio.to_thread.run_sync(hidden.send, cancel)
    bidders = Bidders(AsyncChain(capped.chain()))
    bids = ((hidden.address, 1), (honest.address, 2))
    expiry = BlockNo(localnet.chain().clock() + 10)
    with trio.fail_after(30):
        market = await bidders.market(0, bids, expiry)
    assert market.of(hidden.address).unread
    assert market.of(honest.address) == replace(
        market.of(honest.address), unread=False, staked=Amount(100 * UNIT), cancelled=0
    )


def test_a_node_that_takes_long_for_each_answer_keeps_no_history_from_being_read(localnet: Localnet) -> None:
    """INVARIANT: each look comes further, however late it is by then."""
    provider, reader = ready_provider(localnet), localnet.chain()
    for _ in range(3):
        localnet.anvil.mine(2)
        assert reader.history(provider.address, seconds=0).opened == 0


def test_who_is_in_the_book_is_found_though_a_search_runs_out_of_time(localnet: Localnet) -> None:
    """One block that no node gives must not make everybody else unfindable."""
    provider, reader = ready_provider(localnet), localnet.chain()
    assert owners(reader) == {provider.address}
    reader.book._gaps_until = reader.block_number()
    found = reader.registration_of(provider.address, seconds=0)
    assert found is not None
    assert found.owner == provider.address


def test_a_search_that_runs_out_of_time_goes_on_where_it_ended(localnet: Localnet) -> None:
    """One flooded block long after a registration would cost a whole search at each call, for ever."""
    provider, reader = ready_provider(localnet), localnet.chain()
    localnet.anvil.mine(50)
    assert owners(reader) == {provider.address}
    newest = reader.block_number()
    reader.book._gaps_until = newest
    reader.scanner._span, asked, between = 8, list[int](), reader.scanner.between

    def slow(first: int, last: int, topics: Topics) -> tuple[Event, ...]:
        asked.append(last)
        time.sleep(0.3)
        reader.scanner._span = 8
        return between(first, last, topics)

    reader.scanner.between = slow  # type: ignore[method-assign]
    for _ in range(40):
        found = reader.registration_of(provider.address, seconds=0.25)
    assert found is not None
    assert asked == sorted(set(asked), reverse=True), "no block twice"
    assert 2 < len(asked) < 12


def test_owners_without_stake_make_room_in_the_book(
    localnet: Localnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """INVARIANT: no number of free registrations drives one with a stake out of the book."""
    monkeypatch.setattr(book, "_MOST", 2)
    provider, reader = ready_provider(localnet), localnet.chain()
    for stranger in (0, 4, 5, 6, 7, 8):
        chain = localnet.chain(stranger)
        said = replace(moved(localnet).message, owner=chain.address)
        chain.send(chain.escrow.register(sign(said, chain.domain, localnet.keys[OPERATOR])))
    found = owners(reader)
    assert provider.address in found
    assert len(found) <= 4
    gone = next(a for n in (0, 4, 5, 6, 7, 8) if (a := localnet.chain(n).address) not in found)
    known = reader.registration_of(gone)
    assert known is not None, "who made room is still found by name"
    assert known.owner == gone


def test_the_next_process_reads_on_from_the_file(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    provider, node = ready_provider(localnet), FlakyNode(localnet.url)
    client = ready_client(localnet)
    bid = make_bid(localnet)
    client.send(client.escrow.open_lease(bid, sign_bid(localnet, bid)))
    localnet.anvil.mine(60)
    public = replace(localnet.network, name="public", rpc_urls=(node.url,), confirmations=1)
    first: list[int] = []

    def watch(request: dict[str, object]) -> None:
        if request["method"] == "eth_getLogs":
            first.append(int(request["params"][0]["fromBlock"], 16))  # type: ignore[index]

    def read() -> tuple[set[Address], int]:
        first.clear()
        chain = Chain.connect(public)
        return owners(chain), chain.history(provider.address).opened

    assert read() == ({provider.address}, 1)
    localnet.anvil.mine(1)
    node.refuse = watch  # type: ignore[assignment]
    assert read() == ({provider.address}, 1)
    assert min(first) > 40
    for file in (tmp_path / "chain").iterdir():
        file.write_bytes(b'{"reached": "far"')
    assert read() == ({provider.address}, 1)
    assert min(first) < 10, "a damaged file is read anew"
    node.stop()
