"""Steps that tests on a real chain share: a staked provider, a client with credits, a signed bid."""

from dataclasses import replace

from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet
from protocol.messages import Bid, sign
from protocol.types import ZERO_HASH, Amount, BlockNo, Blocks, Hash32, LeaseClass
from tests.registrations import registration_of

UNIT = 10**18
CLIENT, OWNER, OPERATOR, STRANGER = 1, 2, 3, 4
"""Accounts by the role that these helpers give them."""


def ready_provider(
    net: Localnet, stake: int = 100 * UNIT, owner: int = OWNER, operator: int = OPERATOR
) -> Chain:
    """Stake, register and name the operator; return the owner's chain."""
    chain = net.chain(owner)
    chain.send(chain.token(0).approve(chain.staking.address, Amount(stake)))
    chain.send(chain.staking.stake(0, Amount(stake), Amount(stake), Amount(stake)))
    operator_address = net.chain(operator).address
    registration = registration_of(chain.address, operator_address)
    chain.send(chain.escrow.register(sign(registration, chain.domain, net.keys[operator])))
    return chain


def ready_client(net: Localnet, credits_: int = 100 * UNIT, client: int = CLIENT) -> Chain:
    """Buy credits; return the client's chain."""
    chain = net.chain(client)
    chain.send(chain.token(0).approve(chain.escrow.address, Amount(credits_)))
    chain.send(chain.escrow.deposit(0, chain.address, Amount(credits_)))
    return chain


def make_bid(
    net: Localnet, nonce: int = 1, client: int = CLIENT, owner: int = OWNER, **changes: object
) -> Bid:
    """Return a bid for a job of up to 100 blocks at 0.01 token, that can be opened for 1,000 blocks."""
    chain = net.chain()
    bid = Bid(
        client=net.chain(client).address,
        rate_per_block=Amount(UNIT // 100),
        owner=net.chain(owner).address,
        completion_fee=Amount(UNIT // 10),
        job_hash=Hash32(b"\1" * 32),
        delegates=ZERO_HASH,
        bond=Amount(10 * UNIT),
        capacity_nonce=nonce,
        expiry=BlockNo(chain.clock() + 1_000),
        start_deadline=Blocks(50),
        grace=Blocks(10),
        max_blocks=Blocks(100),
        top_up_cap=Blocks(200),
        result_deadline=Blocks(100),
        challenge_window=Blocks(20),
        trace_allowance=Blocks(5),
        token=0,
        lease_class=LeaseClass.JOB,
        verification=0,
        flags=0,
    )
    return replace(bid, **changes)  # type: ignore[arg-type]


def make_service_bid(net: Localnet, nonce: int = 1) -> Bid:
    """Return the same for a service, which owes no result and so has no terms about one."""
    return make_bid(
        net,
        nonce,
        lease_class=LeaseClass.SERVICE,
        completion_fee=Amount(0),
        result_deadline=Blocks(0),
        challenge_window=Blocks(0),
        trace_allowance=Blocks(0),
    )


def sign_bid(net: Localnet, bid: Bid, operator: int = OPERATOR) -> bytes:
    """Return the operator's signature over a bid."""
    return sign(bid, net.chain().domain, net.keys[operator]).signature
