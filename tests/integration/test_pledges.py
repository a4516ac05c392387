"""What an audit may need of the wallet's coin no other game of the wallet takes, on a real chain."""

from dataclasses import replace

import pytest

from protocol.chain.async_chain import AsyncChain
from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet
from protocol.crypto import keccak256
from protocol.dispute.audits import Roots, commitment
from protocol.dispute.purse import Limits
from protocol.games.board import read_purse
from protocol.games.pledges import Pledge, Pledges, bond_ahead, counted
from protocol.types import ZERO_HASH, Amount, Hash32, InputError, Wei
from tests.audit_rig import TO_DRAW, enlist
from tests.chain_helpers import CLIENT, ready_client, ready_provider
from tests.dispute_rig import Rig, post_job
from watchtower.demanding import KeySends

TOWER = 6
ROOTS = Roots(Hash32(keccak256(b"trace")), Hash32(keccak256(b"item")))


def drawn(net: Localnet, nonce: int) -> Rig:
    """A posted result whose audit has drawn the tower."""
    rig, client = post_job(net, nonce), net.chain(CLIENT)
    fee = client.audit_fee(rig.bid, rig.job.items)
    client.send(client.token(0).approve(client.audits.address, Amount(fee)))
    client.send(client.audits.order(rig.bid, rig.job, 1))
    net.anvil.mine(TO_DRAW)
    client.send(client.audits.draw(rig.bid, True))
    return rig


def commit(tower: Chain, rig: Rig) -> None:
    lease = rig.bid.lease_id()
    seed = tower.audit(lease, True).seed
    sealed = commitment(ROOTS, tower.address, lease, seed, ZERO_HASH)
    tower.send(tower.audits.commit(rig.bid, True, 0, seed, sealed, stated=ROOTS.stated))


@pytest.fixture
def tower(localnet: Localnet) -> Chain:
    ready_provider(localnet)
    ready_client(localnet)
    enlist(localnet, TOWER)
    return localnet.chain(TOWER)


def test_what_is_committed_to_is_pledged_until_its_game_is_opened(localnet: Localnet, tower: Chain) -> None:
    first, second = drawn(localnet, 1), drawn(localnet, 2)
    lease, other = first.bid.lease_id(), second.bid.lease_id()
    assert Pledges().read(tower) == (), "who has committed to nothing may abstain"
    commit(tower, first)
    ahead = bond_ahead(tower, first.bid, 1)
    pledge = Pledge((lease, True), 0, ahead)
    # Whoever shares the wallet reads the same, in whatever process.
    assert Pledges().read(tower) == (pledge,)
    assert Pledges().read(localnet.chain(CLIENT)) == ()
    assert Pledges().beside(tower, lease, 0) == 0, "it is pledged to this game"
    assert Pledges().beside(tower, lease, 1) == Pledges().beside(tower, other, 0) == ahead
    # What this process will commit to counts already, and once.
    mine = Pledges()
    mine.promise((other, True), tower.audit(other, True).seed)
    assert mine.read(tower) == (pledge, Pledge((other, True), 0, bond_ahead(tower, second.bid, 1)))
    commit(tower, second)
    assert len(mine.read(tower)) == 2
    seal = keccak256(b"seal")
    tower.send(tower.disputes.challenge(first.opening(seal), tower.bond(first.bid, 1)))
    assert [each.name for each in mine.read(tower)] == [(other, True)], "its bond is paid"
    localnet.anvil.mine(301)
    assert mine.read(tower) == (), "no game can be opened any more"


def test_a_game_is_refused_that_would_take_what_is_pledged(localnet: Localnet, tower: Chain) -> None:
    audited, wrong = drawn(localnet, 1), post_job(localnet, 2)
    commit(tower, audited)
    price, limits = tower.bond(wrong.bid, 1), Limits(*(Wei(10**20) for _ in range(4)))
    pledges = Pledges()

    def refused(coin: int) -> str:
        localnet.anvil.call("anvil_setBalance", "0x" + tower.address.hex(), hex(coin))
        purse = read_purse(tower, wrong.bid, 1, limits)
        pledged = pledges.beside(tower, wrong.bid.lease_id(), 0)
        return counted(purse, pledged, pledges.outgoing(tower)).why_not()

    purse = read_purse(tower, wrong.bid, 1, limits)
    enough = price + purse.gas
    assert "games of audits that are committed to" in refused(enough)
    assert refused(enough + bond_ahead(tower, audited.bid, 1)) == ""
    with pledges.paying("another", Wei(1), Wei(0)):
        assert refused(enough + bond_ahead(tower, audited.bid, 1)), "another game's bond is on its way"
    assert replace(purse, pressing=True).why_not() == ""


@pytest.mark.trio
async def test_no_demand_takes_it_either(localnet: Localnet, tower: Chain) -> None:
    audited = drawn(localnet, 1)
    commit(tower, audited)
    ahead, bond = bond_ahead(tower, audited.bid, 1), Wei(10**15)
    sends = KeySends(AsyncChain(tower))
    demand = Call(tower.address, b"", "Delivery.demand", bond)
    localnet.anvil.call("anvil_setBalance", "0x" + tower.address.hex(), hex(ahead + bond - 1))
    with pytest.raises(InputError, match="games of audits that are committed to may take"):
        await sends.send(demand, "")
    localnet.anvil.call("anvil_setBalance", "0x" + tower.address.hex(), hex(ahead + 2 * bond))
    assert (await sends.send(demand, "")).block
