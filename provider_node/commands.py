"""`gavel provider`: run a provider, look at it, and handle its money."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from protocol.runtime.settings import Settings, pass_settings

_wallet = click.option(
    "--wallet", help="Wallet of the owner; else owner_wallet of the config file, else the operator's."
)
_password_file = click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the wallet's password, readable by you alone; else asked.",
)
_contract = click.option("--contract", help="Contract wallet that is the owner; --wallet is its session key.")
_operator = click.option("--operator", help="Wallet of the operator key; else the config's.")
_addrs = click.option(
    "--addr",
    "addrs",
    multiple=True,
    help="Multiaddr ending in /p2p/<peer id>, as status shows it; else those of the running daemon.",
)
_token = click.option("--token", help="Symbol of the token; else price.token of the config file.")


def _config_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that override the config file."""
    for option in (
        click.option("--data-dir", help="Folder of journal and artifacts."),
        click.option("--set", "sets", multiple=True, metavar="NAME=VALUE", help="Any other setting."),
    ):
        command = option(command)
    return command


@click.group()
def provider() -> None:
    """Run a provider: bid on jobs, execute them, be paid by the block."""


@provider.command()
@click.option("--operator", help="Wallet of the operator key.")
@click.option("--owner-wallet", help="Wallet of the owner: the daemon registers and stakes by itself.")
@click.option("--password-file", help="File with the passwords of both wallets.")
@click.option(
    "--listen", multiple=True, metavar="MULTIADDR", help="Where to listen, e.g. /ip4/0.0.0.0/tcp/4001."
)
@click.option("--cpu-per-hour", help="Price of an hour of the processor, in whole tokens.")
@click.option(
    "--device", "devices", multiple=True, metavar="DEVICE", help="Use only this, e.g. cuda:0; repeatable."
)
@click.option("--metrics-port", type=int, help="Port of /metrics and /healthz on loopback.")
@_config_options
@pass_settings
def run(
    settings: Settings,
    *,
    operator: str | None,
    owner_wallet: str | None,
    password_file: str | None,
    listen: tuple[str, ...],
    cpu_per_hour: str | None,
    devices: tuple[str, ...],
    metrics_port: int | None,
    data_dir: str | None,
    sets: tuple[str, ...],
) -> int:
    """Run the daemon until Ctrl-C, SIGTERM, or until it is drained."""
    from functools import partial

    from protocol.runtime.logs import setup_logs
    from protocol.runtime.signals import run_daemon
    from provider_node.daemon import run_provider
    from provider_node.folder import data_dir as folder_of
    from provider_node.parts import Parts
    from provider_node.status import status as status_of

    config = _load(
        settings,
        sets,
        operator=operator,
        owner_wallet=owner_wallet,
        password_file=password_file,
        data_dir=data_dir,
        metrics_port=metrics_port,
        **{
            "net.listen": listen or None,
            "price.cpu_per_hour": cpu_per_hour,
            "machine.devices": devices or None,
        },
    )
    level = "debug" if settings.debug else config.log_level
    setup_logs("provider", folder_of(config) / "logs", level, json_console=settings.json)

    def started(parts: Parts) -> None:
        row = status_of(parts)
        settings.emit(row, f"provider {row['owner']} is up on {row['network']}; stop it with Ctrl-C")

    return run_daemon(partial(run_provider, config, started))


@provider.command(short_help="Name the operator key on chain.")
@_operator
@_addrs
@click.option(
    "--introduction",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What `introduce` printed where the operator's wallet is; else that wallet is unlocked here.",
)
@_wallet
@_contract
@_password_file
@_config_options
@pass_settings
def register(
    settings: Settings,
    *,
    operator: str | None,
    addrs: tuple[str, ...],
    introduction: Path | None,
    wallet: str | None,
    contract: str | None,
    password_file: Path | None,
    data_dir: str | None,
    sets: tuple[str, ...],
) -> None:
    """Name the operator key and publish what the provider has (owner's key)."""
    from protocol.types import to_hex
    from provider_node.introduction import introduced_to, read_introduction
    from provider_node.money import hand_of

    if introduction and (operator or addrs):
        raise click.UsageError("--introduction holds operator and addresses already")
    config = _load(settings, sets, data_dir=data_dir, operator=operator)
    hand = hand_of(config, wallet, password_file, contract)
    if introduction:
        signed = read_introduction(introduction, hand.chain, hand.address)
    else:
        signed = introduced_to(hand, config, addrs)
    receipt = hand.send(hand.chain.escrow.register(signed))
    answer = {"owner": to_hex(hand.address), "operator": to_hex(signed.signer), "tx": to_hex(receipt.tx)}
    settings.emit(answer, f"operator {answer['operator']} acts for owner {answer['owner']}")


@provider.command(short_help="Print what an owner on another machine registers.")
@_operator
@click.option("--owner", help="Address of the owner that it is for; else the config's.")
@_addrs
@_config_options
@pass_settings
def introduce(
    settings: Settings,
    *,
    operator: str | None,
    owner: str | None,
    addrs: tuple[str, ...],
    data_dir: str | None,
    sets: tuple[str, ...],
) -> None:
    """Print what an owner on another machine registers this provider with (operator's key)."""
    from protocol.types import to_hex
    from provider_node.introduction import introduce_here

    signed = introduce_here(_load(settings, sets, data_dir=data_dir, operator=operator), owner, addrs)
    text = to_hex(signed.encode())
    settings.emit({"owner": signed.message.owner, "operator": signed.signer, "introduction": text}, text)


@provider.command(short_help="Show the daemon, its stake and balances.")
@_config_options
@pass_settings
def status(settings: Settings, data_dir: str | None, sets: tuple[str, ...]) -> int:
    """Show the daemon, its stake and its balances; the exit code is 1 if it does not run."""
    from protocol.runtime.exit_codes import ExitCode
    from provider_node.report import status_report

    row, human = status_report(_load(settings, sets, data_dir=data_dir))
    settings.emit(row, human)
    return ExitCode.OK if row["running"] else ExitCode.NO


@provider.command()
@_config_options
@pass_settings
def leases(settings: Settings, data_dir: str | None, sets: tuple[str, ...]) -> None:
    """List leases: from the running daemon, else from the chain."""
    from provider_node.report import leases_report

    rows, human = leases_report(_load(settings, sets, data_dir=data_dir))
    settings.emit(rows, human)


@provider.command(short_help="Show what was earned and lost, from the chain.")
@_config_options
@pass_settings
def earnings(settings: Settings, data_dir: str | None, sets: tuple[str, ...]) -> None:
    """Show what was earned, lost and can be withdrawn, from the chain."""
    from provider_node.report import earnings_report

    row, human = earnings_report(_load(settings, sets, data_dir=data_dir))
    settings.emit(row, human)


@provider.command(short_help="Take no new jobs, and end when all leases are over.")
@click.option("--cancel", is_flag=True, help="Bid again.")
@_config_options
@pass_settings
def drain(settings: Settings, cancel: bool, data_dir: str | None, sets: tuple[str, ...]) -> None:
    """Take no new jobs; the daemon ends once every open lease is over."""
    from provider_node.control import ask
    from provider_node.folder import data_dir as folder_of

    answer = ask(folder_of(_load(settings, sets, data_dir=data_dir)), "drain", cancel=cancel)
    left = "one open bid or lease" if answer["leases"] == 1 else f"{answer['leases']} open bids and leases"
    settings.emit(answer, f"draining: it ends after {left}" if answer["draining"] else "bidding again")


@provider.command(short_help="Take new jobs again after a contradiction.")
@_config_options
@pass_settings
def resume(settings: Settings, data_dir: str | None, sets: tuple[str, ...]) -> None:
    """Take new jobs again, after the machine contradicted one of its own results and was mended.

    A daemon whose re-run of a challenged item differs from what it posted takes no new jobs, also after a
    restart: a machine that computes wrongly loses one bond after the other.
    """
    from provider_node.control import ask
    from provider_node.folder import data_dir as folder_of

    answer = ask(folder_of(_load(settings, sets, data_dir=data_dir)), "resume")
    said = f"bidding again; before: {answer['was']}" if answer["was"] else "it was bidding already"
    settings.emit(answer, said)


@provider.command(short_help="Add to the stake, and set its caps.")
@click.argument("amount")
@click.option(
    "--max-per-lease", help="Most that one lease may lock; else as before, at first the whole stake."
)
@click.option(
    "--max-locked", help="Most that all leases together may lock; else as before, at first the whole stake."
)
@_token
@_wallet
@_contract
@_password_file
@_config_options
@pass_settings
def stake(
    settings: Settings,
    *,
    amount: str,
    max_per_lease: str | None,
    max_locked: str | None,
    token: str | None,
    wallet: str | None,
    contract: str | None,
    password_file: Path | None,
    data_dir: str | None,
    sets: tuple[str, ...],
) -> None:
    """Add AMOUNT whole tokens to the owner's stake and set its caps; 0 sets the caps alone."""
    from provider_node.money import add, hand_of

    config = _load(settings, sets, data_dir=data_dir, **{"price.token": token})
    row, human = add(
        config, hand_of(config, wallet, password_file, contract), amount, max_per_lease, max_locked
    )
    settings.emit(row, human)


@provider.command(short_help="Take tokens out of the stake, in two steps.")
@click.argument("amount", required=False)
@click.option("--claim", is_flag=True, help="Pay out what was unbonded before, its delay being over.")
@_token
@_wallet
@_contract
@_password_file
@_config_options
@pass_settings
def unstake(
    settings: Settings,
    *,
    amount: str | None,
    claim: bool,
    token: str | None,
    wallet: str | None,
    contract: str | None,
    password_file: Path | None,
    data_dir: str | None,
    sets: tuple[str, ...],
) -> None:
    """Begin to take AMOUNT whole tokens out of the stake, or --claim what is due."""
    from provider_node.money import hand_of, take

    if (amount is None) == (not claim):
        both = " and not both" if claim else ""
        raise click.UsageError(f"give an amount, or --claim{both}")
    config = _load(settings, sets, data_dir=data_dir, **{"price.token": token})
    row, human = take(config, hand_of(config, wallet, password_file, contract), amount)
    settings.emit(row, human)


@provider.command(short_help="Turn credits into tokens, or take won coin.")
@click.argument("amount", required=False)
@click.option("--to", help="Address that gets the tokens; else the owner.")
@click.option("--coin", is_flag=True, help="Instead, pay out the coin that lost games left to the owner.")
@_token
@_wallet
@_contract
@_password_file
@_config_options
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
    data_dir: str | None,
    sets: tuple[str, ...],
) -> None:
    """Turn the owner's credits in the Escrow into tokens: AMOUNT, or all of them."""
    from provider_node.money import cash, hand_of, take_coin

    config = _load(settings, sets, data_dir=data_dir, **{"price.token": token})
    if coin:
        if amount is not None:
            raise click.UsageError("--coin pays out all of it: it takes no AMOUNT")
        row, human = take_coin(hand_of(config, wallet, password_file, contract), to)
        settings.emit(row, human)
        return
    row, human = cash(config, hand_of(config, wallet, password_file, contract), amount, to)
    settings.emit(row, human)


def _load(settings: Settings, sets: tuple[str, ...], **flags: Any) -> Any:
    """Return the effective config: flags over environment over file over defaults."""
    from protocol.runtime.config import load_config
    from provider_node.config import ProviderConfig

    for each in sets:
        name, found, value = each.partition("=")
        if not found:
            raise click.UsageError(f"--set takes NAME=VALUE, not {each!r}")
        flags[name] = value
    return load_config(
        ProviderConfig, "provider", settings.config, {"network": settings.network, **flags}
    ).value
