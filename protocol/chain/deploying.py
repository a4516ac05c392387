"""What `gavel deploy` does: reads the terms off the command line, deploys, writes the addresses back."""

from collections.abc import Sequence
from pathlib import Path

from protocol.chain.deploy import deploy
from protocol.chain.deploy_terms import DisputeTerms, Seat, TokenTerms, default_dispute_terms, default_terms
from protocol.chain.judges import Judge, of_tapes
from protocol.chain.networks import FURTHER, Deployment, Network
from protocol.chain.networks_file import load_network, user_file, write_deployment
from protocol.chain.node import Node
from protocol.chain.sender import Sender
from protocol.chain.token_option import FORM, listed_tokens
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
    with_disputes: bool,
    min_grace: int | None,
    longest_lease_seconds: float,
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
    clocks = default_dispute_terms(network) if with_disputes else None
    terms = default_terms(
        network, listed, seats, min_grace, longest_lease_seconds=longest_lease_seconds, disputes=clocks
    )
    made = deploy(
        network,
        sender,
        terms,
        name,
        settings.say,
        judges=_judges(network, clocks, listed),
    )
    target = file or user_file()
    write_deployment(target, network.name, made)
    settings.emit(
        {
            "network": network.name,
            "escrow": made.escrow,
            "staking": made.staking,
            **{field: address for field in FURTHER if (address := getattr(made, field)) is not None},
            "block": made.block,
            "tokens": [{"symbol": t.symbol, "address": t.address} for t in made.tokens],
            "file": str(target),
        },
        f"{_table(made)}\nwritten to {target}",
    )


def _judges(network: Network, clocks: DisputeTerms | None, tokens: Sequence[TokenTerms]) -> list[Judge]:
    if clocks is None:
        return []
    for token in tokens:
        if not token.coin_price:
            raise InputError(
                f"token {to_hex(token.address)} needs a price in coins, for what a lost game pays",
                f"--token {FORM}, or --no-disputes",
            )
    return of_tapes(network, clocks, tokens)


def _table(made: Deployment) -> str:
    fields = [(field, getattr(made, field)) for field in ("escrow", "staking", *FURTHER)]
    return "\n".join(f"{field.capitalize()} {to_hex(where)}" for field, where in fields if where is not None)


def _seat(text: str) -> Seat:
    address, _, kind = text.partition(",")
    if kind not in _KINDS:
        raise InputError(f"--judge must be ADDRESS,KIND with a kind from 1 to 8, found {text[:60]!r}")
    return Seat(parse_address(address, "--judge address"), int(kind))
