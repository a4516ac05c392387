"""What `wallet` and `doctor` ask a chain: the one place of this room that looks at `protocol.chain`."""

from decimal import Decimal
from typing import Any

from protocol.runtime.doctor import Finding
from protocol.types import Address, GavelError, InputError

DEFAULT_NETWORK = "local"


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
        block = chain.block_number()
    except GavelError as error:
        # Nobody asked for this network by name: not having one is no fault of the machine.
        local = "start one with: gavel localnet" if wanted == DEFAULT_NETWORK else "check networks.yaml"
        return Finding("network", "fail" if name else "warn", error.message, error.advice or local)
    return Finding("network", "ok", f"{wanted}: chain {chain.network.chain_id}, block {block}")


def balances(network: str | None, account: Address) -> dict[str, Any]:
    """Return the account's native coin and, per listed token, its balance and credits in Escrow.

    Sums are decimal text in whole units. Raises what the chain adapter raises if it does not answer.
    """
    from protocol.chain.client import Chain
    from protocol.chain.networks_file import load_network

    chain = Chain.connect(load_network(network or DEFAULT_NETWORK))
    found: dict[str, Any] = {"network": chain.network.name, "coin": whole(chain.balance(account), 18)}
    tokens = {}
    for index, token in enumerate(chain.deployment.tokens):
        tokens[token.symbol] = {
            "wallet": whole(chain.token_balance(index, account), token.decimals),
            "credits": whole(chain.credits(index, account), token.decimals),
        }
    return {**found, "tokens": tokens}


def whole(units: int, decimals: int) -> str:
    """Return a sum of smallest units as a decimal number of whole ones, exactly."""
    if units < 0:
        raise InputError(f"a balance cannot be {units}")
    text = format(Decimal(units).scaleb(-decimals), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
