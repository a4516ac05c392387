"""`gavel wallet`: make, list, import and use the keys in `$GAVEL_HOME/keys`, and move their money."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from protocol.runtime.settings import Settings, pass_settings
from protocol.types import to_checksum

if TYPE_CHECKING:
    from protocol.runtime.client_config import ClientConfig
    from protocol.runtime.commands.chain_views import PayerOptions

_password_file = click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the password, readable by you alone; else GAVEL_PASSWORD_FILE, else asked.",
)
_light = click.option("--light", is_flag=True, help="Weak but quick key derivation, for tests and demos.")


@click.group()
def wallet() -> None:
    """Make, list, import and use keys (keystore v3); move their money in and out of the Escrow."""


@wallet.command()
@click.argument("name", default="default")
@_password_file
@_light
@pass_settings
def new(settings: Settings, name: str, password_file: Path | None, light: bool) -> None:
    """Make a new key and store it encrypted under NAME."""
    from protocol.runtime.keystore import create_key, read_password

    password = read_password(password_file, f"Password for the new wallet {name}", confirm=True)
    key = create_key(name, password, light)
    human = f"{to_checksum(key.address)}\n{key.path}: back it up; without file and password its money is lost"
    settings.emit({"name": name, "address": to_checksum(key.address), "path": str(key.path)}, human)


@wallet.command(name="list")
@pass_settings
def list_(settings: Settings) -> None:
    """List names and addresses."""
    from protocol.runtime.keystore import list_keys

    rows = [{"name": key.name, "address": to_checksum(key.address)} for key in list_keys()]
    human = "\n".join(f"{row['address']}  {row['name']}" for row in rows)
    settings.emit(rows, human or "no wallets yet; gavel wallet new makes one")


@wallet.command(short_help="Print the address of a wallet.")
@click.argument("name", required=False)
@pass_settings
def address(settings: Settings, name: str | None) -> None:
    """Print the address of a wallet, else of the one that pays; needs no password."""
    from protocol.runtime.keystore import find_key, payer_name

    if name is None:
        config = _config(settings)
        name = config.wallet or payer_name(config.network)
    text = to_checksum(find_key(name).address)
    settings.emit({"address": text}, text)


@wallet.command(name="import")
@click.argument("name")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the private key in hex, or a keystore file; else the key is asked for.",
)
@_password_file
@_light
@pass_settings
def import_(
    settings: Settings, name: str, source: Path | None, password_file: Path | None, light: bool
) -> None:
    """Store an existing private key under NAME. The key never stands on the command line."""
    from protocol.runtime.keystore import find_key, parse_key, read_password, read_private, store_key, unlock
    from protocol.types import InputError

    if source is None:
        if not sys.stdin.isatty():
            raise InputError("no private key given", "name its file with --from")
        text = click.prompt("Private key (hex)", hide_input=True, err=True)
    else:
        text = read_private(source).decode(errors="replace").strip()
    if text.startswith("{") and source is not None:
        sealed = find_key(str(source))
        private_key = bytes(unlock(sealed, read_password(password_file, f"Password of {source}")).key)
    else:
        private_key = parse_key(text)
    password = read_password(password_file, f"Password for the wallet {name}", confirm=True)
    key = store_key(name, private_key, password, light)
    settings.emit({"name": name, "address": to_checksum(key.address), "path": str(key.path)}, str(key.path))


@wallet.command(short_help="Show coin, tokens and credits.")
@click.argument("name", required=False)
@pass_settings
def balance(settings: Settings, name: str | None) -> None:
    """Show coin, tokens and credits of a wallet (or of any 0x address), else of the one that pays."""
    from protocol.runtime.commands.chain_views import balances
    from protocol.runtime.keystore import find_key, payer_name
    from protocol.types import parse_address

    config = _config(settings)
    name = name or config.contract or config.wallet or payer_name(config.network)
    account = parse_address(name) if name.startswith("0x") else find_key(name).address
    found = {"address": to_checksum(account), **balances(config.network, account)}
    lines = [f"{found['address']} on {found['network']}", f"  coin     {found['coin']}"]
    for symbol, sums in found["tokens"].items():
        lines.append(f"  {symbol:8} {sums['wallet']}  (credits in escrow: {sums['credits']})")
    if not found["tokens"]:
        lines.append("  no tokens or credits: this network has no contracts yet")
    settings.emit(found, "\n".join(lines))


_payer = (
    click.option("--wallet", help="Name or file; else client.yaml's, or default (local-client on localnet)."),
    click.option("--contract", help="Contract wallet whose money it is; --wallet is its session key."),
    _password_file,
)
_token = click.option("--token", help="Symbol of a listed token.  [default: the first]")


def _pays(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_payer):
        command = option(command)
    return command


@wallet.command(short_help="Turn tokens into credits in the Escrow.")
@click.argument("amount")
@_token
@_pays
@pass_settings
def deposit(
    settings: Settings,
    *,
    amount: str,
    token: str | None,
    wallet: str | None,
    contract: str | None,
    password_file: Path | None,
) -> None:
    """Turn AMOUNT of tokens into credits in the Escrow, which leases are opened from."""
    from protocol.runtime.commands.chain_views import buy_credits

    settings.emit(*buy_credits(_payer_of(settings, wallet, password_file, contract, token), amount))


@wallet.command(short_help="Turn credits back into tokens, or take coin.")
@click.argument("amount", required=False)
@click.option("--to", help="Who receives it, a 0x address; else the wallet itself.")
@click.option("--coin", is_flag=True, help="Pay out the coin that games left to the wallet, not credits.")
@_token
@_pays
@pass_settings
def withdraw(
    settings: Settings,
    *,
    amount: str | None,
    to: str | None,
    coin: bool,
    token: str | None,
    wallet: str | None,
    contract: str | None,
    password_file: Path | None,
) -> None:
    """Turn credits in the Escrow back into tokens: AMOUNT, or all of them. Refunds come as credits."""
    from protocol.runtime.commands.chain_views import cash_coin, cash_credits

    payer = _payer_of(settings, wallet, password_file, contract, token)
    if not coin:
        settings.emit(*cash_credits(payer, amount, to))
    elif amount is not None or token is not None:
        raise click.UsageError("--coin pays out all of it: it takes no AMOUNT and no --token")
    else:
        settings.emit(*cash_coin(payer, to))


@wallet.command()
@click.argument("name")
@click.argument("text")
@_password_file
@pass_settings
def sign(settings: Settings, name: str, text: str, password_file: Path | None) -> None:
    """Sign TEXT (EIP-191), to prove that you own the wallet NAME."""
    from eth_account.messages import encode_defunct

    from protocol.runtime.keystore import load_account

    signed = load_account(name, password_file).sign_message(encode_defunct(text=text))
    settings.emit({"signature": bytes(signed.signature)}, "0x" + bytes(signed.signature).hex())


def _config(settings: Settings) -> "ClientConfig":
    from protocol.runtime.client_config import client_config

    return client_config(settings)


def _payer_of(
    settings: Settings,
    wallet: str | None,
    password_file: Path | None,
    contract: str | None,
    token: str | None,
) -> "PayerOptions":
    """Return whose money is moved: what the flags say, else what `client.yaml` and the environment do."""
    from protocol.runtime.commands.chain_views import PayerOptions

    config = _config(settings)
    file = Path(config.password_file).expanduser() if config.password_file else None
    return PayerOptions(
        config.network,
        wallet or config.wallet or None,
        password_file or file,
        contract or config.contract or None,
        token,
    )
