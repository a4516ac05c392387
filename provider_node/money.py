"""The owner's own transactions: stake, unbond, withdraw. Blocking; used by commands."""

from pathlib import Path
from typing import Any

from protocol.auction.money import Unit
from protocol.chain.cash import Holder
from protocol.crypto import address_of
from protocol.runtime.keystore import load_account
from protocol.types import Amount, InputError, parse_address, to_hex
from provider_node.accounts import purse_of
from provider_node.config import ProviderConfig
from provider_node.identity import connect
from provider_node.registration import Owner, add_stake

Report = tuple[dict[str, Any], str]


def hand_of(
    config: ProviderConfig, wallet: str | None, password_file: Path | None, contract: str | None = None
) -> Owner:
    """Unlock the owner's wallet and connect with it. The chain's figures are checked before it is used.

    With `contract` that contract wallet is the owner, and the wallet a session key of it.
    """
    name = wallet or config.owner_wallet or config.operator
    configured = config.owner_password_file or config.password_file
    file = password_file or (Path(configured).expanduser() if configured else None)
    key = bytes(load_account(name, file).key)
    chain = connect(config, key)
    chain.check()
    if contract is None:
        return Owner(chain, key, address_of(key))
    owner = parse_address(contract, "--contract")
    if not chain.node.code(owner):
        raise InputError(f"there is no contract at {to_hex(owner)}")
    return Owner(chain, key, owner)


def add(
    config: ProviderConfig, hand: Owner, amount: str, max_per_lease: str | None, max_locked: str | None
) -> Report:
    """Add to the stake and set caps. One that is not named stays, unless it was just the whole stake.

    So at first the whole stake may be locked, and nobody raises by the way what a thief could lose.
    """
    purse = purse_of(config.price, hand.chain)
    token, unit = purse.token, purse.unit
    more = unit.parse(amount, "amount")
    before = hand.chain.stake(hand.address, token)
    whole = Amount(before.staked + more)

    def cap(named: str | None, flag: str, now: Amount) -> Amount:
        return unit.parse(named, flag) if named else whole if now == before.staked else now

    per_lease = cap(max_per_lease, "--max-per-lease", before.max_per_lease)
    in_all = cap(max_locked, "--max-locked", before.max_locked)
    if more:
        add_stake(hand, purse, more, per_lease, in_all)
    else:
        hand.send(hand.chain.staking.set_caps(token, per_lease, in_all))
    doubts = doubts_of(per_lease, in_all, before.locked, unit)
    row = {
        "owner": to_hex(hand.address),
        "token": unit.symbol,
        "staked": unit.plain(whole),
        "max_per_lease": unit.plain(per_lease),
        "max_locked": unit.plain(in_all),
        "warnings": doubts,
    }
    caps = f"up to {unit.show(per_lease)} per lease, {unit.show(in_all)} in all"
    kept = [
        flag
        for flag, named, sum_ in (
            ("--max-per-lease", max_per_lease, per_lease),
            ("--max-locked", max_locked, in_all),
        )
        if not named and sum_ != whole
    ]
    said = f" (kept as it was; {' and '.join(kept)} would change it)" if kept else ""
    return row, "\n".join([f"{unit.show(whole)} staked; leases may lock {caps}{said}", *doubts])


def doubts_of(per_lease: Amount, in_all: Amount, locked: Amount, unit: Unit) -> list[str]:
    """Return what these caps do that their owner may not have meant; a typo in one ends all bidding."""
    found = []
    if in_all < per_lease:
        found.append(f"no lease can lock {unit.show(per_lease)}: all together may lock {unit.show(in_all)}")
    if in_all <= locked:
        found.append(f"no bid is made for now: {unit.show(locked)} are locked, all that may be")
    return found


def take(config: ProviderConfig, hand: Owner, amount: str | None) -> Report:
    """Begin to unbond `amount`, or claim what is due if there is none."""
    purse = purse_of(config.price, hand.chain)
    chain, token, unit = hand.chain, purse.token, purse.unit
    stake = chain.stake(hand.address, token)
    if amount is None:
        if not stake.unbonding:
            raise InputError("nothing is being unbonded", "run: gavel provider unstake AMOUNT")
        if chain.clock() <= stake.release_at:
            raise InputError(f"the delay ends after block {stake.release_at}, now is {chain.clock()}")
        hand.send(chain.staking.claim_unbonded(token, hand.address))
        row: dict[str, Any] = {
            "claimed": unit.plain(stake.unbonding),
            "token": unit.symbol,
            "to": to_hex(hand.address),
        }
        return row, f"{unit.show(stake.unbonding)} paid to {to_hex(hand.address)}"
    wanted = unit.parse(amount, "amount")
    free = stake.staked - stake.locked
    if not wanted:
        raise InputError("nothing would be unbonded: the amount is 0", "name more than 0, or --claim")
    if wanted > free:
        over = f"{unit.show(free)} can be unbonded, not {unit.show(wanted)}"
        if not stake.locked:
            raise InputError(over)
        raise InputError(
            f"{over}: {unit.show(stake.locked)} of {unit.show(stake.staked)} are locked behind leases",
            "drain the provider, and wait until its leases are over",
        )
    if stake.unbonding and chain.clock() > stake.release_at:
        raise InputError(
            f"{unit.show(stake.unbonding)} can be claimed now, and would wait again with what is added",
            "run gavel provider unstake --claim first",
        )
    hand.send(chain.staking.unbond(token, wanted))
    after = chain.stake(hand.address, token)
    row = {
        "unbonding": unit.plain(after.unbonding),
        "token": unit.symbol,
        "release_at": after.release_at,
        "staked": unit.plain(after.staked),
    }
    human = f"{unit.show(after.unbonding)} can be claimed after block {after.release_at}"
    if stake.unbonding:
        earlier = f"{unit.show(stake.unbonding)} of it were due after block {stake.release_at}"
        human += f"; {earlier}: the delay began again for all"
    return row, human


def take_coin(hand: Owner, to: str | None) -> Report:
    """Pay out the coin that lost games left to the owner."""
    receiver = parse_address(to, "--to") if to else hand.address
    unit = Unit("coin", 18)
    won = Amount(_holder(hand).cash_coin(receiver))
    row = {"withdrawn_coin": unit.plain(won), "to": to_hex(receiver)}
    return row, f"{unit.show(won)} paid to {to_hex(receiver)}"


def cash(config: ProviderConfig, hand: Owner, amount: str | None, to: str | None) -> Report:
    """Turn credits into tokens: `amount`, or all."""
    purse = purse_of(config.price, hand.chain)
    unit = purse.unit
    receiver = parse_address(to, "--to") if to else hand.address
    wanted = None if amount is None else unit.parse(amount, "amount")
    paid = _holder(hand).cash(purse.token, unit, wanted, receiver)
    row = {"withdrawn": unit.plain(paid), "token": unit.symbol, "to": to_hex(receiver)}
    return row, f"{unit.show(paid)} paid to {to_hex(receiver)}"


def _holder(hand: Owner) -> Holder:
    return Holder(hand.chain, hand.key, hand.address if hand.is_contract else None)
