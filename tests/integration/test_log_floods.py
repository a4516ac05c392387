"""Logs cost their makers little, and nodes give only so many at once: no role needs to read them all."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from protocol.chain.localnet import Localnet
from tests.chain_helpers import OPERATOR, make_bid, ready_client, ready_provider, sign_bid
from tests.log_flood import CappedNode, flood_with_operators
from watchtower.scan import Scan


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
