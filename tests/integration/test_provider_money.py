"""Registering, staking and cashing on a real chain, and what the owner is told to mend."""

from pathlib import Path

import pytest

from protocol.auction.money import Unit
from protocol.chain.localnet import Localnet
from protocol.types import InputError, to_hex
from provider_node import money
from provider_node.config import ProviderConfig
from provider_node.introduction import introduce
from provider_node.registration import Owner, Purse, ensure_registered, ensure_staked
from tests.chain_helpers import OPERATOR, OWNER, UNIT

PURSE = Purse(0, Unit("LOC", 18))


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProviderConfig:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    return ProviderConfig(grid_zone="DE")


def hand_of(net: Localnet) -> Owner:
    chain = net.chain(OWNER)
    return Owner(chain, net.keys[OWNER], chain.address)


def test_without_the_owners_key_the_command_is_named(localnet: Localnet, config: ProviderConfig) -> None:
    owner, chain = localnet.chain(OWNER).address, localnet.chain()
    wanted = introduce(config, owner, localnet.keys[OPERATOR], (), chain.domain)
    with pytest.raises(InputError, match=r"has no operator.*gavel provider introduce") as found:
        ensure_registered(chain, owner, wanted, None)
    assert to_hex(owner) in str(found.value)
    with pytest.raises(InputError, match=r"has no stake in LOC.*gavel provider stake"):
        ensure_staked(chain, owner, PURSE, None, None)


def test_with_the_owners_key_it_registers_and_stakes_once(localnet: Localnet, config: ProviderConfig) -> None:
    hand = hand_of(localnet)
    chain, owner, key = localnet.chain(), hand.address, localnet.keys[OPERATOR]
    wanted = introduce(config, owner, key, ("/ip4/127.0.0.1/tcp/1",), chain.domain)
    assert ensure_registered(chain, owner, wanted, hand) == "registered now"
    assert ensure_registered(chain, owner, wanted, hand) == "registered"
    moved = introduce(config, owner, key, ("/ip4/127.0.0.1/tcp/2",), chain.domain)
    assert ensure_registered(chain, owner, moved, hand) == "registered now"
    assert [each.registration for each in chain.registrations()] == [moved.message]
    # Another machine's daemon, with another operator key and no owner's key, says what is wrong.
    with pytest.raises(InputError, match="has another operator"):
        ensure_registered(
            chain, owner, introduce(config, owner, localnet.keys[OWNER], (), chain.domain), None
        )
    sums = (10 * UNIT, 4 * UNIT, 8 * UNIT)
    assert ensure_staked(chain, owner, PURSE, sums, hand) == "staked 10 LOC"
    before = chain.block_number()
    assert ensure_staked(chain, owner, PURSE, sums, hand) == "staked 10 LOC"
    assert chain.block_number() == before
    assert ensure_staked(chain, owner, PURSE, (10 * UNIT, UNIT, UNIT), hand) == "caps set"
    stake = chain.stake(owner, 0)
    assert (stake.staked, stake.max_per_lease, stake.max_locked) == (10 * UNIT, UNIT, UNIT)
    with pytest.raises(InputError, match="staking takes"):
        ensure_staked(chain, owner, PURSE, (10**9 * UNIT, UNIT, UNIT), hand)


def test_stake_goes_in_and_out_again(localnet: Localnet, config: ProviderConfig) -> None:
    hand = hand_of(localnet)
    held = hand.chain.token_balance(0, hand.address)
    row, human = money.add(config, hand, "10", "2.5", None)
    assert (row["staked"], row["max_per_lease"], row["max_locked"]) == ("10", "2.5", "10")
    assert "2.5 LOC per lease" in human
    with pytest.raises(InputError, match="nothing is being unbonded"):
        money.take(config, hand, None)
    with pytest.raises(InputError, match="nothing would be unbonded: the amount is 0"):
        money.take(config, hand, "0")
    with pytest.raises(InputError, match=r"10 LOC can be unbonded, not 11 LOC$"):
        money.take(config, hand, "11")
    row, _ = money.take(config, hand, "4")
    assert (row["unbonding"], row["staked"]) == ("4", "6")
    with pytest.raises(InputError, match="the delay ends after block"):
        money.take(config, hand, None)
    localnet.anvil.mine(hand.chain.limits().unbonding_delay + 1)
    row, _ = money.take(config, hand, None)
    assert row["claimed"] == "4"
    assert hand.chain.token_balance(0, hand.address) == held - 6 * UNIT


def test_unbonding_more_says_that_the_delay_begins_again(localnet: Localnet, config: ProviderConfig) -> None:
    """Who unbonds a little each day would never get anything out, and would not know why."""
    hand = hand_of(localnet)
    money.add(config, hand, "10", None, None)
    first, human = money.take(config, hand, "4")
    assert "wait" not in human
    localnet.anvil.mine(3)
    row, human = money.take(config, hand, "2")
    assert row["release_at"] > first["release_at"]
    assert f"4 LOC of it were due after block {first['release_at']}: the delay began again" in human
    localnet.anvil.mine(hand.chain.limits().unbonding_delay + 1)
    with pytest.raises(InputError, match=r"6 LOC can be claimed now, and would wait again.*unstake --claim"):
        money.take(config, hand, "1")
    assert money.take(config, hand, None)[0]["claimed"] == "6"
    assert "were due" not in money.take(config, hand, "1")[1]


def test_adding_stake_keeps_the_caps_that_it_does_not_name(
    localnet: Localnet, config: ProviderConfig
) -> None:
    """What a thief of the operator key could lose for the owner must not rise by the way (RULES 7)."""
    hand = hand_of(localnet)

    def caps() -> tuple[int, int]:
        stake = hand.chain.stake(hand.address, 0)
        return stake.max_per_lease, stake.max_locked

    money.add(config, hand, "10", None, None)
    assert caps() == (10 * UNIT, 10 * UNIT)
    _, human = money.add(config, hand, "2", None, None)  # the whole stake it was, and stays
    assert (caps(), "kept" in human) == ((12 * UNIT, 12 * UNIT), False)
    money.add(config, hand, "0", "2", "6")
    _, human = money.add(config, hand, "5", None, None)
    assert caps() == (2 * UNIT, 6 * UNIT)
    assert "kept as it was; --max-per-lease and --max-locked would change it" in human
    money.add(config, hand, "0", "3", None)
    assert caps() == (3 * UNIT, 6 * UNIT)
    # Also if the stake has fallen below the cap meanwhile.
    money.take(config, hand, "15")
    money.add(config, hand, "20", None, None)
    assert caps() == (3 * UNIT, 6 * UNIT)
    money.add(config, hand, "0", "0", "0")
    money.add(config, hand, "1", None, None)
    assert caps() == (0, 0)


def test_credits_become_tokens(localnet: Localnet, config: ProviderConfig) -> None:
    hand = hand_of(localnet)
    with pytest.raises(InputError, match="has 0 LOC of credits"):
        money.cash(config, hand, None, None)
    chain = hand.chain
    chain.send(chain.token(0).approve(chain.escrow.address, 5 * UNIT))
    chain.send(chain.escrow.deposit(0, hand.address, 5 * UNIT))
    held = chain.token_balance(0, hand.address)
    assert chain.holdings(0, [hand.address]) == [held]  # no lease is opened from tokens and credits together
    assert money.cash(config, hand, "2", None)[0]["withdrawn"] == "2"
    stranger = localnet.chain(OPERATOR).address
    there = chain.token_balance(0, stranger)
    assert money.cash(config, hand, None, to_hex(stranger))[0]["withdrawn"] == "3"
    assert chain.token_balance(0, hand.address) == held + 2 * UNIT
    assert chain.token_balance(0, stranger) == there + 3 * UNIT
