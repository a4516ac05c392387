"""A client that challenges a result from its receipt, on a real chain."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from client_sdk.challenge import Challenged, Rerunning, challenge_receipt, check_open
from client_sdk.home import ClientHome
from client_sdk.receipts import write_receipt
from client_sdk.wallet import Wallet
from protocol.chain.localnet import Localnet
from protocol.dispute.records import Conviction
from protocol.messages import Bid, delegates_hash
from protocol.types import BidFlags, InputError, Verification, Wei
from tests.chain_helpers import CLIENT, make_bid
from tests.game_rig import House, house, networks_file

pytestmark = [pytest.mark.trio]


async def challenge(world: House, bid: Bid, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Challenged:
    """Challenge the result under a bid with the client's wallet."""
    net = world.net
    monkeypatch.setenv("GAVEL_NETWORKS", str(networks_file(net, world.folder)))
    path = world.folder / "receipt.json"
    envelope = world.cheat.provider.receipts[bid.lease_id()]
    write_receipt(path, bid, envelope, net.chain().domain, net.network)
    home, wallet = ClientHome.of("local", world.folder / "client"), Wallet(net.keys[CLIENT])
    return await trio.to_thread.run_sync(
        partial(challenge_receipt, path, home, wallet, **changes), abandon_on_cancel=True
    )


async def test_a_wrong_result_is_convicted_line_by_line(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(localnet, tmp_path) as world:
        said: list[str] = []

        async def pass_the_claim_period() -> None:
            while not any("a share of the reward is claimed" in line for line in said):
                await trio.sleep(0.1)
            await world.pass_time(11)

        world.nursery.start_soon(pass_the_claim_period)
        found = await challenge(world, world.bid, monkeypatch, say=said.append)
        assert found.convicted
        assert world.net.chain().verdict(world.bid.lease_id()).how is Conviction.PROVEN
        assert found.games[0].reward == world.bid.bond // 2
        for line in (
            "running all items again",
            "item 0 is wrong",
            "opened game",
            "landed on node 1",
            "proved",
        ):
            assert any(line in each for each in said), said
        with pytest.raises(InputError, match="no result stands: the lease is convicted"):
            await challenge(world, world.bid, monkeypatch)


async def test_a_right_result_is_not_challenged_and_a_wrong_item_alone_is_found(
    localnet: Localnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(localnet, tmp_path) as world:
        provider = world.cheat.provider
        bid = provider.bid(2, verification=int(Verification.TAPE))
        good = await trio.to_thread.run_sync(provider.post_under, bid, provider.outputs)
        found = await challenge(world, good, monkeypatch, rerun=Rerunning(item=2))
        assert (found.convicted, found.games) == (False, ())
        assert "the result is right" in found.text
        with pytest.raises(InputError, match="bond_per_game allows"):
            await challenge(world, world.bid, monkeypatch, max_bond=Wei(1), rerun=Rerunning(item=2))
        assert world.net.chain().games_of(good) == ()
        assert world.net.chain().games_of(world.bid) == ()


async def test_what_cannot_be_challenged_is_refused_with_the_reason(localnet: Localnet) -> None:
    chain = localnet.chain(CLIENT)
    bid = make_bid(localnet)
    with pytest.raises(InputError, match="no tape's"):
        check_open(chain, bid, own=False)
    tape = make_bid(localnet, verification=int(Verification.TAPE))
    with pytest.raises(InputError, match="no result stands: the lease is none"):
        check_open(chain, tape, own=False)
    private = make_bid(localnet, verification=int(Verification.TAPE), flags=int(BidFlags.PRIVATE))
    with pytest.raises(InputError, match="private"):
        check_open(localnet.chain(4), private, own=False)
    friends = frozenset(localnet.chain(account).address for account in (4, 5))
    named = replace(private, delegates=delegates_hash(friends))
    with pytest.raises(InputError, match="no result stands"):
        check_open(localnet.chain(4), named, own=False, delegates=friends)
    with pytest.raises(InputError, match="private"):
        check_open(localnet.chain(6), named, own=False, delegates=friends)
