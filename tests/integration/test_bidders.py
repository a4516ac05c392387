"""Who is registered is read as late as it must be."""

from functools import partial

import pytest
import trio

from client_sdk.bidders import Bidders
from protocol.chain.async_chain import AsyncChain
from protocol.chain.localnet import Localnet
from tests.chain_helpers import OPERATOR, STRANGER, ready_provider


@pytest.mark.trio
async def test_who_registers_right_after_a_reading_is_known_to_the_next_catch_up(localnet: Localnet) -> None:
    bidders = Bidders(AsyncChain(localnet.chain()))
    operator = localnet.chain(OPERATOR).address
    await trio.to_thread.run_sync(ready_provider, localnet)
    await bidders.refresh(0)
    assert operator in bidders.registered
    bidders.registered.clear()  # as if that reading had begun a moment before the registration
    await bidders.catch_up()
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
