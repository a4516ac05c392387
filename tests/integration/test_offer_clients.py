"""What the chain is asked about strangers who send offers: little, and nothing that they can make dear."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet
from protocol.crypto import address_of
from protocol.messages import Offer, Signed, sign
from protocol.types import Address, Amount, Hash32, TransientError
from provider_node.clients import Clients, Means
from tests.chain_helpers import CLIENT, UNIT, ready_client
from tests.contract_wallet import deploy_wallet
from tests.flaky_node import FlakyNode
from tests.strategies.provider import OFFER

LOOP = bytes.fromhex("6004600c60003960046000f35b600056")
"""Creation code of a contract that jumps back for ever."""

GARBAGE = bytes.fromhex("6070600c60003960706000f36064600c60003960646000fd08c379a0") + b"".join(
    [(32).to_bytes(32, "big"), (1).to_bytes(32, "big"), b"\xff".ljust(32, b"\0")]
)
"""One that reverts with a reason that is no UTF-8."""


@pytest.fixture
def node(localnet: Localnet) -> Iterator[FlakyNode]:
    found = FlakyNode(localnet.url)
    yield found
    found.stop()


def offer(net: Localnet, key: bytes, client: Address, number: int = 0) -> Signed[Offer]:
    message = replace(OFFER, client=client, spec=Hash32(number.to_bytes(32, "big")))
    return sign(message, net.chain().domain, key)


def clients(net: Localnet, node: FlakyNode) -> Clients:
    network = replace(net.network, rpc_urls=(node.url,))
    return Clients(Chain.connect(network, deployment=net.network.deployments[0]), 0, Amount(UNIT))


@pytest.mark.trio
async def test_what_a_key_holds_is_asked_once_however_many_offers_it_sends(
    localnet: Localnet, node: FlakyNode
) -> None:
    rich = ready_client(localnet).address
    poor = address_of(b"\7" * 32)
    asked = clients(localnet, node)
    assert (await asked.means(offer(localnet, localnet.keys[CLIENT], rich))).held >= 100 * UNIT
    before = len(node.seen)
    for number in range(50):
        assert await asked.means(offer(localnet, b"\7" * 32, poor, number)) == Means(Amount(0))
        assert (await asked.means(offer(localnet, localnet.keys[CLIENT], rich, number))).held > 0
    assert len(node.seen) <= before + 2, "one request for both sums, once"


@pytest.mark.trio
async def test_nobody_asks_with_another_s_purse_or_makes_the_answer_dear(
    localnet: Localnet, node: FlakyNode
) -> None:
    asked = clients(localnet, node)
    rich = ready_client(localnet).address
    wallet = deploy_wallet(localnet, address_of(localnet.keys[CLIENT]), UNIT)
    loop, garbage = (deploy(localnet, code) for code in (LOOP, GARBAGE))
    assert (await asked.means(offer(localnet, localnet.keys[CLIENT], wallet))).held == UNIT
    for client in (rich, wallet, loop, garbage):
        found = await asked.means(offer(localnet, b"\7" * 32, client))
        assert found.held == 0
        assert "signed by another key" in found.flaw
    assert node.seen.count("eth_call") == len(node.seen) - 1, "beside the chain's id"
    assert all(int(each, 16) <= 1_000_000 for each in node.gas), node.gas
    assert len(node.gas) == 5, "what a stranger's contract may burn is bounded"


def deploy(net: Localnet, code: bytes) -> Address:
    """A contract that holds a token."""
    chain = net.chain(0)
    made = chain.send(Call(None, code, "deploy a contract")).created
    assert made is not None
    chain.send(chain.token(0).mint(made, Amount(UNIT)))
    return made


def test_a_node_without_the_contracts_is_asked_again_and_ends_nobody(localnet: Localnet) -> None:
    """It lags, or the local chain was just started anew: an empty answer is no answer."""
    nowhere = replace(localnet.network.deployments[0], escrow=Address(b"\x99" * 20))
    with pytest.raises(TransientError, match="answers what its ABI does not allow"):
        Chain.connect(localnet.network, deployment=nowhere).holdings(0, [nowhere.escrow])
