"""What is known of providers is read as late as it must be, and from the contract where it matters."""

from functools import partial

import pytest
import trio

from client_sdk.bidders import Bidders
from protocol.chain.async_chain import AsyncChain
from protocol.chain.localnet import Localnet
from tests.chain_helpers import OPERATOR, OWNER, STRANGER, ready_provider


@pytest.mark.trio
async def test_whose_operator_a_key_is_the_contract_says(localnet: Localnet) -> None:
    bidders, owner = Bidders(AsyncChain(localnet.chain())), localnet.chain(OWNER).address
    operator = localnet.chain(OPERATOR).address
    assert not await bidders.speaks_for(operator, owner)
    await trio.to_thread.run_sync(ready_provider, localnet)
    assert not bidders.registered, "nothing was read of registrations"
    assert await bidders.speaks_for(operator, owner)
    await bidders.refresh(0)
    assert operator in bidders.registered


@pytest.mark.trio
async def test_a_new_operator_is_not_looked_for_where_the_former_one_was(localnet: Localnet) -> None:
    bidders = Bidders(AsyncChain(localnet.chain()))
    owner = await trio.to_thread.run_sync(ready_provider, localnet)
    following = localnet.chain(STRANGER).address
    await trio.to_thread.run_sync(owner.send, owner.escrow.set_operator(following))
    await bidders.refresh(0)
    assert bidders.registered.get(following, ()) == ()


@pytest.mark.trio
async def test_who_registered_last_stands_last(localnet: Localnet) -> None:
    """So the newest word of an operator that signed for several owners wins."""
    first = await trio.to_thread.run_sync(ready_provider, localnet)
    await trio.to_thread.run_sync(partial(ready_provider, localnet, owner=6, operator=7))
    chain = localnet.chain()
    assert chain.registrations()[0].owner == first.address
    await trio.to_thread.run_sync(ready_provider, localnet)
    assert [each.owner for each in chain.registrations()][-1] == first.address
