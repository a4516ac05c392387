"""The adapter under trio: calls in threads, sending without holding one, cancelling without waiting."""

from dataclasses import replace

import pytest
import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet
from protocol.chain.sender import NotMinedYetError
from protocol.types import Amount, TransientError


def waiting(chain: Chain) -> int:
    """Return how many transactions of the sender are in the node's pool."""
    return chain.node.nonce(chain.address, "pending") - chain.node.nonce(chain.address, "latest")


@pytest.mark.trio
async def test_reads_and_sends_run_beside_each_other(localnet: Localnet) -> None:
    chain = AsyncChain(localnet.chain(1), threads=2)
    to = localnet.chain(5).address
    before = await chain.run(Chain.token_balance, 0, to)
    await trio.to_thread.run_sync(localnet.anvil.call, "evm_setAutomine", False)
    async with trio.open_nursery() as nursery:
        for _ in range(6):  # more than there are threads: waiting must not hold one
            nursery.start_soon(chain.send, chain.blocking.token(0).transfer(to, Amount(1)))
        with trio.fail_after(10):
            while await chain.run(waiting) < 6:
                await trio.sleep(0.05)
        await trio.to_thread.run_sync(localnet.anvil.mine)
    assert await chain.run(Chain.token_balance, 0, to) == before + 6


@pytest.mark.trio
async def test_cancelling_does_not_wait_for_a_slow_node(localnet: Localnet) -> None:
    blocking = Chain.connect(replace(localnet.network, rpc_urls=("http://127.0.0.1:9",)))
    blocking.node.rpc.patience = 3
    chain = AsyncChain(blocking)
    began = trio.current_time()
    with trio.move_on_after(0.2):
        await chain.run(Chain.clock)
    assert trio.current_time() - began < 2
    blocking.node.rpc.patience = 0
    with pytest.raises(TransientError):
        await chain.run(Chain.clock)


@pytest.mark.trio
async def test_whoever_has_no_patience_looks_again_and_goes_on_waiting_for_the_same_transaction(
    localnet: Localnet,
) -> None:
    chain = AsyncChain(localnet.chain(1))
    to = localnet.chain(5).address
    before = await chain.run(Chain.token_balance, 0, to)
    await trio.to_thread.run_sync(localnet.anvil.call, "evm_setAutomine", False)
    call = chain.blocking.token(0).transfer(to, Amount(1))
    for _ in range(2):
        with pytest.raises(NotMinedYetError, match="is not in a block yet"):
            await chain.send(call, "once", 0.1)
    assert await chain.run(waiting) == 1
    await trio.to_thread.run_sync(localnet.anvil.mine)
    await chain.send(call, "once", 0.1)
    assert await chain.run(Chain.token_balance, 0, to) == before + 1
