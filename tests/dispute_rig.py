"""A deployment with Disputes on the tests' local chain, and a posted result to argue about.

The job is made of hashes alone: enough for a game as far as its first reveals, which compute nothing.
"""

from dataclasses import dataclass, replace

from protocol.chain.client import Chain
from protocol.chain.deploy import deploy
from protocol.chain.deploy_terms import DisputeTerms, TokenTerms, default_terms
from protocol.chain.judges import disputes
from protocol.chain.localnet import Localnet
from protocol.crypto import keccak256
from protocol.dispute import moves
from protocol.dispute.names import Case, Job, Program
from protocol.messages import Bid
from protocol.types import Amount, Blocks, Hash32, Verification, Wei
from tests.chain_helpers import (
    CLIENT,
    OPERATOR,
    STRANGER,
    UNIT,
    make_bid,
    ready_client,
    ready_provider,
    sign_bid,
)

NODES, OUTPUTS = 40, 1
"""39 inner nodes: six levels, of which a trace shows five and a reveal the last."""
TERMS = DisputeTerms(Blocks(30), Blocks(10), Blocks(10), tip=Wei(10**9), data_fee=Wei(3))


@dataclass(frozen=True)
class Rig:
    """The chain, and one lease whose result is posted."""

    net: Localnet
    bid: Bid
    job: Job
    item_root: Hash32

    @property
    def challenger(self) -> Chain:
        """Somebody who has nothing to do with the lease."""
        return self.net.chain(STRANGER)

    @property
    def operator(self) -> Chain:
        """The provider's key."""
        return self.net.chain(OPERATOR)

    @property
    def case(self) -> Case:
        """What games here are about."""
        return Case(self.bid.lease_id(), self.job.hash, 0, self.item_root)

    def opening(self, seal: Hash32) -> moves.Challenge:
        """A challenge of the only item."""
        return moves.Challenge(self.bid, self.job, 0, self.item_root, (), seal)

    def trace(self, game_by: Chain, seal: Hash32, children: tuple[Hash32, ...]) -> moves.PostTrace:
        """The provider's trace for somebody's game."""
        owner, bid_hash = self.bid.owner, self.bid.struct_hash()
        return moves.PostTrace(owner, bid_hash, self.case, game_by.address, seal, children)


def with_disputes(localnet: Localnet) -> Localnet:
    """Deploy anew, with Disputes and short clocks."""
    network, sender = localnet.network, localnet.chain(0).sender
    token = TokenTerms(localnet.deployment.tokens[0].address, Amount(UNIT), coin_price=Wei(10**15))
    terms = default_terms(network, [token], longest_window_seconds=600, disputes=TERMS)
    judges = [disputes(network, TERMS, terms.tokens)]
    made = deploy(network, sender, terms, name="games", judges=judges)
    return replace(localnet, network=replace(network, deployments=(made,)))


def posted(localnet: Localnet) -> Rig:
    """Open, start and post a job of one item."""
    net = with_disputes(localnet)
    ready_provider(net)
    ready_client(net)
    return post_job(net)


def post_job(net: Localnet, nonce: int = 1) -> Rig:
    """The same under any deployment, where provider and client are ready."""
    client = net.chain(CLIENT)
    roots = (Hash32(keccak256(name)) for name in (b"inputs", b"constants", b"nodes"))
    job = Job(Program(1, 0, NODES, OUTPUTS, *roots), keccak256(b"input"), 1)
    kind, window = int(Verification.TAPE), Blocks(300)
    bid = make_bid(net, nonce, job_hash=job.hash, verification=kind, challenge_window=window)
    client.send(client.escrow.open_lease(bid, sign_bid(net, bid)))
    operator, item_root = net.chain(OPERATOR), keccak256(b"item")
    operator.send(operator.escrow.start(bid))
    operator.send(operator.escrow.post_result(bid.owner, bid.struct_hash(), item_root))
    return Rig(net, bid, job, item_root)
