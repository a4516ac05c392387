"""Who is registered is read as late as it must be."""

import pytest
import trio

from client_sdk.bidders import Bidders
from protocol.chain.async_chain import AsyncChain
from protocol.chain.localnet import Localnet
from tests.chain_helpers import OPERATOR, ready_provider


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
