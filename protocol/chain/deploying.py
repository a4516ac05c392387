"""What `gavel deploy` does: reads the terms off the command line, deploys, writes the addresses back."""

from pathlib import Path

from protocol.chain.deploy import deploy
from protocol.chain.deploy_terms import Seat, default_terms
from protocol.chain.networks_file import load_network, user_file, write_deployment
from protocol.chain.node import Node
from protocol.chain.sender import Sender
from protocol.chain.token_option import listed_tokens
from protocol.runtime.keystore import load_account
from protocol.runtime.settings import Settings
from protocol.types import InputError, parse_address, to_hex

_KINDS = tuple(str(kind) for kind in range(1, 9))


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
    listed = listed_tokens(network, sender, tokens)
    seats = [_seat(text) for text in judges]
    made = deploy(network, sender, default_terms(network, listed, seats, min_grace), name, settings.say)
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


def _seat(text: str) -> Seat:
    address, _, kind = text.partition(",")
    if kind not in _KINDS:
        raise InputError(f"--judge must be ADDRESS,KIND with a kind from 1 to 8, found {text[:60]!r}")
    return Seat(parse_address(address, "--judge address"), int(kind))
