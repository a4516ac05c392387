"""What `gavel deploy` does: reads the terms off the command line, deploys, writes the addresses back."""

from decimal import Decimal, InvalidOperation
from pathlib import Path

from protocol.chain.codec import decode_values
from protocol.chain.deploy import TokenTerms, create_local_token, default_terms, deploy
from protocol.chain.localnet import NAME, RESERVE, SHOW_UP
from protocol.chain.networks import Network
from protocol.chain.networks_file import load_network, user_file, write_deployment
from protocol.chain.node import Node
from protocol.chain.sender import Sender
from protocol.chain.staking import TokenCalls
from protocol.runtime.keystore import load_account
from protocol.runtime.settings import Settings
from protocol.types import Amount, InputError, parse_address, to_hex


def deploy_command(
    settings: Settings,
    *,
    wallet: str,
    password_file: Path | None,
    tokens: tuple[str, ...],
    judges: tuple[str, ...],
    min_grace: int | None,
    name: str,
    file: Path | None,
) -> None:
    """Deploy to `settings.network`; see `gavel deploy --help`."""
    if not settings.network:
        raise InputError("name the network to deploy to", "--network NAME")
    network = load_network(settings.network, file if file is not None and file.exists() else None)
    sender = Sender(Node.of(network), network, bytes(load_account(wallet, password_file).key))
    listed = [_token_terms(network, text) for text in tokens] or [_fresh_token(network, sender)]
    owners = [parse_address(judge, "judge") for judge in judges]
    made = deploy(network, sender, default_terms(network, listed, owners, min_grace), name, settings.say)
    target = file or user_file()
    write_deployment(target, network.name, made)
    settings.emit(
        {
            "network": network.name,
            "escrow": made.escrow,
            "staking": made.staking,
            "block": made.block,
            "tokens": [{"symbol": t.symbol, "address": t.address} for t in made.tokens],
            "file": str(target),
        },
        f"Escrow {to_hex(made.escrow)}\nStaking {to_hex(made.staking)}\nwritten to {target}",
    )


def _fresh_token(network: Network, sender: Sender) -> TokenTerms:
    if network.name != NAME:
        raise InputError("name the token to list", "--token ADDRESS,RESERVE, repeat it for more")
    return TokenTerms(create_local_token(sender), RESERVE, SHOW_UP)


def _token_terms(network: Network, text: str) -> TokenTerms:
    parts = text.split(",")
    if not 2 <= len(parts) <= 4:
        raise InputError(f"--token must be ADDRESS,RESERVE[,SHOWUP[,BPS]], found {text!r}")
    address = parse_address(parts[0], "--token address")
    call = TokenCalls(address).decimals()
    decimals = decode_values(["uint8"], Node.of(network).call(call), call.what)[0]
    reserve, show_up = (_amount(part, decimals) for part in [*parts[1:3], "0"][:2])
    if len(parts) < 4:
        return TokenTerms(address, reserve, show_up)
    if not parts[3].isdecimal() or int(parts[3]) > 10_000:
        raise InputError(f"--token BPS must be 0 to 10000, found {parts[3]!r}")
    return TokenTerms(address, reserve, show_up, int(parts[3]))


def _amount(text: str, decimals: int) -> Amount:
    try:
        value = Decimal(text).scaleb(decimals)
    except InvalidOperation:
        value = Decimal(-1)
    if not value.is_finite() or value < 0 or value != int(value):
        raise InputError(f"{text!r} is not a sum in whole tokens with at most {decimals} decimals")
    return Amount(int(value))
