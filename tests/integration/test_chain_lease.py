"""A lease's whole life through the adapter, on a real node with the real contracts."""

import pytest

from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.chain.events import Beat, Ended, LeaseOpened, ResultPosted, Started, ToppedUp, Withdrawn
from protocol.chain.localnet import Localnet
from protocol.chain.logs import Follower
from protocol.chain.views import LeaseState, ProviderHistory
from protocol.types import ZERO_ADDRESS, Amount, Blocks, Hash32, InputError
from tests.chain_helpers import (
    OPERATOR,
    STRANGER,
    UNIT,
    make_bid,
    make_service_bid,
    ready_client,
    ready_provider,
    sign_bid,
)

ROOT = Hash32(b"\2" * 32)


def test_a_job_is_opened_run_paid_and_made_final(localnet: Localnet) -> None:
    provider, client, operator = ready_provider(localnet), ready_client(localnet), localnet.chain(OPERATOR)
    bid = make_bid(localnet)
    follower = Follower.from_now(client)

    client.send(client.escrow.open_lease(bid, sign_bid(localnet, bid)))
    lease = bid.lease_id()
    assert client.lease(lease).state is LeaseState.OPENED
    assert client.credits(0, client.address) == 100 * UNIT - bid.deposit()
    assert client.stake(provider.address, 0).locked == bid.bond
    assert client.nonce_used(provider.address, bid.capacity_nonce)

    operator.send(operator.escrow.start(bid))
    started = client.lease(lease).started_at
    localnet.anvil.mine(4)
    operator.send(operator.escrow.beat(bid.owner, [bid.struct_hash()]))
    view = client.lease(lease)
    assert view.paid_blocks == view.last_beat - started == 5
    assert client.money(bid).accrued == 5 * bid.rate_per_block

    client.send(client.escrow.top_up(bid, Blocks(10)))
    assert client.lease(lease).funded_blocks == bid.max_blocks + 10
    before = client.token_balance(0, provider.address)
    operator.send(operator.escrow.withdraw([bid]))
    assert client.token_balance(0, provider.address) - before == 5 * bid.rate_per_block

    operator.send(operator.escrow.post_result(bid.owner, bid.struct_hash(), ROOT))
    assert client.result(lease) == ROOT
    localnet.anvil.mine(bid.challenge_window + 1)
    stranger = localnet.chain(STRANGER)
    stranger.send(stranger.escrow.finalize(bid))

    final = client.lease(lease)
    assert final.state is LeaseState.FINALIZED
    assert not final.state.live
    assert client.stake(provider.address, 0).locked == 0
    paid = final.paid_blocks * bid.rate_per_block + bid.completion_fee
    left = bid.deposit() + 10 * bid.rate_per_block - paid
    assert client.credits(0, client.address) == 100 * UNIT - paid
    assert client.history(provider.address) == ProviderHistory(1, 1, 0, 0, 0, 0, 0)

    batch = follower.poll()
    assert batch is not None
    kinds = [LeaseOpened, Started, Beat, ToppedUp, Withdrawn, ResultPosted, Ended]
    assert [type(event) for event in batch.events] == kinds
    opened, ended = batch.events[0], batch.events[-1]
    assert isinstance(opened, LeaseOpened)
    assert opened.bid == bid
    assert isinstance(ended, Ended)
    assert (ended.outcome, ended.to_client, ended.burnt) == (LeaseState.FINALIZED, left, 0)


def test_what_a_restarted_role_needs_is_on_the_chain(localnet: Localnet) -> None:
    provider, client = ready_provider(localnet), ready_client(localnet)
    bids = [make_bid(localnet, nonce=nonce, bond=Amount(2 * UNIT)) for nonce in (7, 8)]
    for bid in bids:
        client.send(client.escrow.open_lease(bid, sign_bid(localnet, bid)))
    fresh = localnet.chain()
    found = fresh.leases_of(owner=provider.address)
    assert [each.bid for each in found] == bids
    assert [each.lease for each in fresh.leases_of(client=client.address)] == [b.lease_id() for b in bids]
    assert fresh.leases_of(owner=client.address) == ()
    assert {view.state for view in fresh.leases([b.lease_id() for b in bids])} == {LeaseState.OPENED}
    assert fresh.unused_nonce(provider.address, 7) == 9
    (registered,) = fresh.registrations()
    assert registered.operator == localnet.chain(OPERATOR).address
    assert registered.registration is not None
    assert registered.registration.grid_zone == "DE"
    provider.send(provider.escrow.set_operator(client.address))
    provider.send(provider.escrow.cancel_nonces(provider.address, [300]))
    assert fresh.operators_of([provider.address, client.address]) == [client.address, ZERO_ADDRESS]
    assert fresh.operator_of(provider.address) == client.address
    assert fresh.history(provider.address).nonces_cancelled == 1


def test_a_permit_saves_the_allowance(localnet: Localnet) -> None:
    provider, client = ready_provider(localnet), localnet.chain(1)
    bid = make_service_bid(localnet)
    permit = client.permit(localnet.keys[1], 0, bid.deposit(), client.escrow.address)
    before = client.token_balance(0, client.address)
    client.send(client.escrow.open_lease_with_permit(bid, sign_bid(localnet, bid), permit))
    assert before - client.token_balance(0, client.address) == bid.deposit()
    assert client.allowance(0, client.address, client.escrow.address) == 0
    assert client.stake(provider.address, 0).locked == bid.bond


def test_stake_comes_back_after_the_delay(localnet: Localnet) -> None:
    provider = ready_provider(localnet, stake=5 * UNIT)
    provider.send(provider.staking.unbond(0, Amount(2 * UNIT)))
    with pytest.raises(Revert) as refusal:
        provider.send(provider.staking.claim_unbonded(0, provider.address))
    assert refusal.value.name == "Staking_TooEarly"
    localnet.anvil.mine(provider.limits().unbonding_delay + 1)
    before = provider.token_balance(0, provider.address)
    provider.send(provider.staking.claim_unbonded(0, provider.address))
    assert provider.token_balance(0, provider.address) - before == 2 * UNIT
    assert provider.stake(provider.address, 0).staked == 3 * UNIT


def test_reverts_arrive_typed_and_in_one_clear_line(localnet: Localnet) -> None:
    ready_provider(localnet)
    client = ready_client(localnet, credits_=UNIT // 2)
    bid = make_bid(localnet)
    with pytest.raises(Revert) as refusal:
        client.send(client.escrow.open_lease(bid, sign_bid(localnet, bid)))
    assert refusal.value.name == "Escrow_TooFewCredits"
    assert refusal.value.evidence["needed"] == bid.deposit()
    assert refusal.value.evidence["available"] == UNIT // 2
    assert "Escrow.openLease refused: Escrow_TooFewCredits: account 0x" in str(refusal.value)
    with pytest.raises(Revert, match="Escrow_NotClient"):
        localnet.chain(STRANGER).send(client.escrow.open_lease(bid, sign_bid(localnet, bid)))
    with pytest.raises(Revert, match="state NONE"):
        client.send(client.escrow.close_by_client(bid))


def test_check_tells_what_networks_yaml_has_wrong(localnet: Localnet) -> None:
    from dataclasses import replace

    from protocol.chain.networks import Clock

    localnet.chain().check()
    with pytest.raises(InputError, match="clock must be 'block'"):
        Chain.connect(replace(localnet.network, clock=Clock.TIMESTAMP)).check()
    wrong = replace(localnet.deployment, escrow=localnet.chain(1).address)
    with pytest.raises(InputError, match="no contract at escrow"):
        Chain.connect(localnet.network, deployment=wrong).check()
    tokens = (replace(localnet.deployment.tokens[0], address=localnet.chain(1).address),)
    with pytest.raises(InputError, match="tokens must be"):
        Chain.connect(localnet.network, deployment=replace(localnet.deployment, tokens=tokens)).check()
    tokens = (replace(localnet.deployment.tokens[0], decimals=6),)
    with pytest.raises(InputError, match="has 18 decimals"):
        Chain.connect(localnet.network, deployment=replace(localnet.deployment, tokens=tokens)).check()
