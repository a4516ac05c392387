"""A real chain for tests: one anvil with the contracts a session, put back after each test.

Use the fixture `localnet` (blocks are made per transaction, and by `localnet.anvil.mine`). Account 0 deployed
and may mint; every account has coins and tokens. Chains made by `localnet.chain(n)` belong to one test.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # web3 takes a second to import, which tests without a chain need not wait for
    from protocol.chain.localnet import Localnet


@pytest.fixture(scope="session")
def localnet_session() -> "Iterator[Localnet]":
    """One local chain for all tests of a process."""
    from protocol.chain.localnet import run_localnet

    with run_localnet(block_time=None) as net:
        yield net


@pytest.fixture
def localnet(localnet_session: "Localnet") -> "Iterator[Localnet]":
    """The local chain as it was after deployment."""
    anvil = localnet_session.anvil
    before, base_fee = anvil.snapshot(), localnet_session.chain().node.base_fee()
    yield localnet_session
    anvil.revert(before)
    # What the node does by itself is no part of the snapshot.
    anvil.call("anvil_dropAllTransactions")
    anvil.set_block_time(0)
    anvil.call("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
