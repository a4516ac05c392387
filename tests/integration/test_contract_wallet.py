"""ERC-1271 contract wallets as clients and as owners, on a real chain: money moves as for plain keys."""

from dataclasses import replace
from pathlib import Path

import pytest

from client_sdk.funding import opening_calls
from client_sdk.wallet import Wallet
from protocol.auction.money import Unit
from protocol.chain.errors import Revert
from protocol.chain.localnet import Localnet
from protocol.chain.networks_file import write_deployment
from protocol.chain.views import LeaseState
from protocol.crypto import address_of
from protocol.messages import Bid, sign
from protocol.runtime.keystore import store_key
from protocol.types import Blocks, InputError, to_hex
from provider_node import money
from provider_node.config import ProviderConfig
from provider_node.introduction import introduce
from provider_node.registration import ensure_registered
from tests.chain_helpers import CLIENT, OPERATOR, OWNER, STRANGER, UNIT, make_bid, ready_provider, sign_bid
from tests.contract_wallet import deploy_wallet, set_session, signs_for

LOC = Unit("LOC", 18)


def contract_client(net: Localnet, tokens: int = 50 * UNIT) -> Wallet:
    session = net.keys[CLIENT]
    return Wallet(session, deploy_wallet(net, address_of(session), tokens))


def money_of(net: Localnet, wallet: Wallet) -> tuple[int, int]:
    chain = net.chain()
    return chain.token_balance(0, wallet.client), chain.credits(0, wallet.client)


def open_by(net: Localnet, wallet: Wallet, bid: Bid) -> list[str]:
    """Open as the SDK does; return what was sent."""
    chain = net.chain(CLIENT)
    calls = opening_calls(chain, wallet, LOC, bid, sign_bid(net, bid))
    for call in calls:
        chain.send(wallet.through(call))
    return [call.what for call in calls]


def test_client_opens_by_pull_closes_and_opens_from_the_refund(localnet: Localnet) -> None:
    ready_provider(localnet)
    wallet, chain = contract_client(localnet), localnet.chain(CLIENT)
    bid = replace(make_bid(localnet), client=wallet.client)
    deposit = bid.deposit()
    assert open_by(localnet, wallet, bid) == ["LOC.approve", "Escrow.openLeaseFromWallet"]
    assert money_of(localnet, wallet) == (50 * UNIT - deposit, 0)
    assert chain.allowance(0, wallet.client, chain.escrow.address) == 0
    # Closed before its start: all comes back but the show-up sum, as credits of the contract.
    chain.send(wallet.through(chain.escrow.close_by_client(bid)))
    assert chain.lease(bid.lease_id()).state is LeaseState.CLIENT_CLOSED
    tokens, credits_ = money_of(localnet, wallet)
    assert tokens == 50 * UNIT - deposit
    assert deposit * 9 // 10 < credits_ < deposit
    cheaper = replace(bid, capacity_nonce=2, max_blocks=Blocks(20))
    assert open_by(localnet, wallet, cheaper) == ["Escrow.openLease"]
    assert money_of(localnet, wallet) == (tokens, credits_ - cheaper.deposit())
    # It tops up from its credits, and turns the rest into tokens.
    chain.send(wallet.through(chain.escrow.top_up(cheaper, 3)))
    assert chain.lease(cheaper.lease_id()).funded_blocks == 23
    rest = chain.credits(0, wallet.client)
    chain.send(wallet.through(chain.escrow.withdraw_credits(0, wallet.client, rest)))
    assert money_of(localnet, wallet) == (tokens + rest, 0)


def test_only_the_contract_and_its_keys_act_for_the_client(localnet: Localnet) -> None:
    ready_provider(localnet)
    wallet, chain = contract_client(localnet), localnet.chain(CLIENT)
    bid = replace(make_bid(localnet), client=wallet.client)
    signature = sign_bid(localnet, bid)
    # What the session key signs on the network is the wallet's own signature, until it is sent away.
    digest, said = (offer := sign(bid, chain.domain, wallet.key)).digest, offer.signature
    assert signs_for(localnet, wallet.client, digest, said)
    assert not signs_for(localnet, wallet.client, digest, signature)
    # The session key itself is not the client, however well it is known to the wallet.
    with pytest.raises(Revert, match="Escrow_NotClient"):
        chain.send(chain.escrow.open_lease(bid, signature))
    stranger = Wallet(localnet.keys[STRANGER], wallet.contract)
    with pytest.raises(InputError):
        localnet.chain(STRANGER).send(stranger.through(chain.escrow.open_lease(bid, signature)))
    # What the Escrow has against a call comes back through the wallet as it is.
    with pytest.raises(Revert, match="Escrow_TooFewCredits"):
        chain.send(wallet.through(chain.escrow.open_lease(bid, signature)))
    open_by(localnet, wallet, bid)
    localnet.chain(0).send(set_session(wallet.client, wallet.peer, False))
    assert not signs_for(localnet, wallet.client, digest, said)
    with pytest.raises(InputError):
        chain.send(wallet.through(chain.escrow.close_by_client(bid)))
    assert chain.lease(bid.lease_id()).state is LeaseState.OPENED


@pytest.fixture
def config(tmp_path: Path, localnet: Localnet, monkeypatch: pytest.MonkeyPatch) -> ProviderConfig:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    file = tmp_path / "networks.yaml"
    write_deployment(file, "local", localnet.network.deployments[0], rpc_urls=[localnet.anvil.url])
    password = tmp_path / "password"
    password.write_text("x")
    password.chmod(0o600)
    store_key("session", localnet.keys[OWNER], "x", light=True)
    return ProviderConfig(grid_zone="DE", owner_wallet="session", password_file=str(password))


def test_owner_registers_stakes_earns_and_unbonds(localnet: Localnet, config: ProviderConfig) -> None:
    owner = deploy_wallet(localnet, address_of(localnet.keys[OWNER]), 100 * UNIT)
    hand = money.hand_of(config, None, None, to_hex(owner))
    chain, operator = localnet.chain(OPERATOR), localnet.chain(OPERATOR).address
    addrs = ("/ip4/127.0.0.1/tcp/1",)
    wanted = introduce(config, owner, localnet.keys[OPERATOR], addrs, chain.domain)
    assert ensure_registered(chain, owner, wanted, hand) == "registered now"
    assert [(each.owner, each.operator) for each in chain.registrations()] == [(owner, operator)]
    _, said = money.add(config, hand, "60", "20", None)
    assert said.startswith("60 LOC staked; leases may lock up to 20 LOC")
    with pytest.raises(InputError, match="staking takes 41 LOC"):
        money.add(config, hand, "41", None, None)
    # A lease on its bid, signed by the operator, runs and is paid to the contract.
    client = localnet.chain(CLIENT)
    bid = replace(make_bid(localnet), owner=owner)
    client.send(client.token(0).approve(client.escrow.address, bid.deposit()))
    client.send(client.escrow.open_lease_from_wallet(bid, sign_bid(localnet, bid)))
    assert chain.stake(owner, 0).locked == bid.bond
    chain.send(chain.escrow.start(bid))
    chain.send(chain.escrow.post_result(owner, bid.struct_hash(), b"\7" * 32))
    localnet.anvil.mine(bid.challenge_window + 1)
    chain.send(chain.escrow.finalize(bid))
    earned = chain.credits(0, owner)
    assert earned == bid.completion_fee + chain.lease(bid.lease_id()).paid_blocks * bid.rate_per_block
    before = chain.token_balance(0, owner)
    money.cash(config, hand, None, None)
    assert chain.token_balance(0, owner) == before + earned
    # The stake goes out after its delay, to the contract.
    with pytest.raises(InputError, match="nothing is being unbonded"):
        money.take(config, hand, None)
    money.take(config, hand, "60")
    localnet.anvil.mine(chain.stake(owner, 0).release_at - chain.clock() + 1)
    money.take(config, hand, None)
    assert chain.token_balance(0, owner) == 100 * UNIT + earned
    assert chain.stake(owner, 0).staked == 0


def test_an_address_without_a_contract_is_no_owner(localnet: Localnet, config: ProviderConfig) -> None:
    nobody = to_hex(localnet.chain(STRANGER).address)
    with pytest.raises(InputError, match=f"there is no contract at {nobody}"):
        money.hand_of(config, None, None, nobody)
