"""What `gavel deploy` does: reads the terms off the command line, deploys, writes the addresses back."""

from collections.abc import Sequence
from pathlib import Path

import yaml

from protocol.chain.deploy import deploy
from protocol.chain.deploy_terms import DisputeTerms, Seat, TokenTerms, default_dispute_terms, default_terms
from protocol.chain.judges import Judge, of_tapes
from protocol.chain.networks import FURTHER, Deployment, Network
from protocol.chain.networks_file import (
    deployment_yaml,
    load_network,
    require_writable,
    user_file,
    write_deployment,
)
from protocol.chain.node import Node
from protocol.chain.sender import Sender
from protocol.chain.token_option import FORM, listed_tokens
from protocol.runtime.keystore import load_account
from protocol.runtime.settings import Settings
from protocol.types import GavelError, InputError, parse_address, to_hex

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
    target = file or user_file()
    require_writable(target)
    sender = Sender(Node.of(network), network, bytes(load_account(wallet, password_file).key))
    seats = [_seat(text) for text in judges]
    listed = listed_tokens(network, sender, tokens)
    clocks = default_dispute_terms(network) if with_disputes else None
    terms = default_terms(
        network, listed, seats, min_grace, longest_lease_seconds=longest_lease_seconds, disputes=clocks
    )
    judged = _judges(network, clocks, listed)
    saved: list[Deployment] = []

    def save(made: Deployment) -> None:
        _save(target, network, made)
        saved.append(made)

    try:
        made = deploy(network, sender, terms, name, settings.say, judges=judged, stands=save)
    except GavelError as error:
        if saved:
            error.message = (
                f"{error.message}; what was deployed is written to {target}: {', '.join(saved[0].table())}"
            )
        raise
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
        "\n".join([*made.table(), f"written to {target}"]),
    )


def _save(target: Path, network: Network, made: Deployment) -> None:
    """Write the addresses to the file; if that fails now, give them in the error, for the user to write."""
    try:
        write_deployment(target, network.name, made)
    except GavelError as error:
        entry = yaml.safe_dump(
            [deployment_yaml(made)], sort_keys=False, default_flow_style=True, width=100_000
        )
        raise InputError(
            f"the contracts stand, but {error.message}",
            f"under networks.{network.name} of a networks file put   deployments: {entry.strip()}",
        ) from error


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


def _seat(text: str) -> Seat:
    address, _, kind = text.partition(",")
    if kind not in _KINDS:
        raise InputError(f"--judge must be ADDRESS,KIND with a kind from 1 to 8, found {text[:60]!r}")
    return Seat(parse_address(address, "--judge address"), int(kind))
