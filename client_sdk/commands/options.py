"""Options that several commands of the client take; else `client.yaml` and the environment say them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from protocol.runtime.settings import Settings


def _else_configured(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def value_of(context: click.Context, option: click.Parameter, given: Any) -> Any:
        from protocol.runtime.client_config import client_config

        if given is not None:
            return given
        text = getattr(client_config(context.find_root().ensure_object(Settings)), name) or None
        return Path(text).expanduser() if text and isinstance(option.type, click.Path) else text

    return value_of


wallet_option = click.option(
    "--wallet",
    callback=_else_configured("wallet"),
    help="Wallet that pays: name or file; else the one named default (local-client on localnet).",
)
password_option = click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_else_configured("password_file"),
    help="File with the wallet's password; else GAVEL_PASSWORD_FILE, else asked.",
)
contract_option = click.option(
    "--contract",
    callback=_else_configured("contract"),
    help="Contract wallet that pays; --wallet is its session key.",
)
budget_option = click.option(
    "--demand-budget",
    callback=_else_configured("demand_budget"),
    help="Most coin to spend on demanding outputs on chain that nobody serves.  "
    "[default: 0.1; 0 for a private job]",
)
