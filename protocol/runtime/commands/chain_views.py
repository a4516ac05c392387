"""What `wallet` and `doctor` ask a chain: the one place of this room that looks at `protocol.chain`."""

import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocol.runtime.doctor import Finding
from protocol.types import Address, GavelError, InputError, parse_address, to_hex

if TYPE_CHECKING:
    from protocol.auction.money import Unit
    from protocol.chain.cash import Holder

DEFAULT_NETWORK = "local"
_AHEAD_S, _OLD_S = 30, 300
"""What the newest block of a public chain may be off by; beyond the second, gossip drops messages."""


def check_anvil() -> Finding:
    """Look for anvil, which only the local network needs."""
    from protocol.chain.anvil import find_anvil

    try:
        return Finding("anvil", "ok", find_anvil())
    except GavelError as error:
        return Finding("anvil", "warn", error.message, error.advice)


def check_network(name: str | None) -> Finding:
    """Find out whether the network's nodes answer, are of the right chain, and hold the contracts."""
    from protocol.chain.client import Chain
    from protocol.chain.networks_file import load_network

    wanted = name or DEFAULT_NETWORK
    try:
        chain = Chain.connect(load_network(wanted))
        chain.check()
        head = chain.node.head()
    except GavelError as error:
        # Nobody asked for this network by name: not having one is no fault of the machine.
        local = "start one with: gavel localnet" if wanted == DEFAULT_NETWORK else "check networks.yaml"
        return Finding("network", "fail" if name else "warn", error.message, error.advice or local)
    if head is None:
        return Finding("network", "fail" if name else "warn", f"{wanted}: its node has no newest block")
    said = f"{wanted}: chain {chain.network.chain_id}, block {head.number}"
    # A local chain's time is what its user makes it.
    flaw = "" if chain.network.may_restart else clock_flaw(head.timestamp, time.time())
    if flaw:
        advice = "a clock that is minutes wrong hears no offers, bids or answers: run an NTP client"
        return Finding("network", "warn", f"{said}; {flaw}", advice)
    return Finding("network", "ok", said)


def clock_flaw(newest: int, now: float) -> str:
    """Return why a clock that reads `now` and a newest block of that time do not go together, if so.

    Both in Unix seconds. Blocks are never made ahead of time, by any clock that counts.
    """
    age = int(now - newest)
    if age < -_AHEAD_S:
        return f"its newest block is {-age} s ahead of this machine's clock, which is late"
    if age > _OLD_S:
        return f"its newest block is {age} s old: its node has stopped, or this machine's clock is ahead"
    return ""


def balances(network: str, account: Address) -> dict[str, Any]:
    """Return the account's native coin and, per listed token, its balance and credits in Escrow.

    Where there are no contracts yet, the coin alone: they are deployed with it. Sums are decimal text in
    whole units. Raises what the chain adapter raises if it does not answer.
    """
    from protocol.chain.client import Chain
    from protocol.chain.networks_file import load_network
    from protocol.chain.node import Node

    known = load_network(network)
    found: dict[str, Any] = {"network": known.name, "coin": whole(Node.of(known).balance(account), 18)}
    if not known.deployments:
        return {**found, "tokens": {}}
    chain, tokens = Chain.connect(known), {}
    for index, token in enumerate(chain.deployment.tokens):
        tokens[token.symbol] = {
            "wallet": whole(chain.token_balance(index, account), token.decimals),
            "credits": whole(chain.credits(index, account), token.decimals),
        }
    return {**found, "tokens": tokens}


@dataclass(frozen=True)
class PayerOptions:
    """Whose money is moved: the wallet's, or the contract wallet's that it may act for."""

    network: str
    wallet: str | None
    password_file: Path | None
    contract: str | None
    token: str | None = None


def buy_credits(payer: PayerOptions, amount: str) -> tuple[dict[str, Any], str]:
    """Turn tokens into credits; return the answer as a row and in words."""
    holder, token, unit = _opened(payer)
    wanted = unit.parse(amount, "amount")
    holder.buy(token, unit, wanted)
    held = holder.chain.credits(token, holder.address)
    row = {"deposited": unit.plain(wanted), "credits": unit.plain(held), "token": unit.symbol}
    return row, f"{unit.show(wanted)} deposited; {unit.show(held)} of credits in escrow"


def cash_credits(payer: PayerOptions, amount: str | None, to: str | None) -> tuple[dict[str, Any], str]:
    """Turn credits into tokens: `amount`, or all; return the answer as a row and in words."""
    holder, token, unit = _opened(payer)
    receiver = parse_address(to, "--to") if to else holder.address
    wanted = None if amount is None else unit.parse(amount, "amount")
    paid = holder.cash(token, unit, wanted, receiver)
    row = {"withdrawn": unit.plain(paid), "token": unit.symbol, "to": to_hex(receiver)}
    return row, f"{unit.show(paid)} paid to {to_hex(receiver)}"


def cash_coin(payer: PayerOptions, to: str | None) -> tuple[dict[str, Any], str]:
    """Pay out the coin that games left to the wallet; return the answer as a row and in words."""
    holder, _, _ = _opened(payer)
    receiver = parse_address(to, "--to") if to else holder.address
    paid = whole(holder.cash_coin(receiver), 18)
    return {"withdrawn_coin": paid, "to": to_hex(receiver)}, f"{paid} coin paid to {to_hex(receiver)}"


def _opened(payer: PayerOptions) -> tuple["Holder", int, "Unit"]:
    from protocol.chain.cash import Holder, token_named
    from protocol.chain.client import Chain
    from protocol.chain.networks_file import load_network
    from protocol.runtime.keystore import load_payer

    found = load_network(payer.network)
    contract = parse_address(payer.contract, "--contract") if payer.contract else None
    key = bytes(load_payer(payer.wallet, payer.password_file, found.name).key)
    chain = Chain.connect(found, key)
    chain.check()
    return (Holder(chain, key, contract), *token_named(chain, payer.token))


def whole(units: int, decimals: int) -> str:
    """Return a sum of smallest units as a decimal number of whole ones, exactly."""
    if units < 0:
        raise InputError(f"a balance cannot be {units}")
    text = format(Decimal(units).scaleb(-decimals), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
