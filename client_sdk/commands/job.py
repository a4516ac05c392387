"""Run a job on somebody else's machine, follow it, check its result."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from client_sdk.commands.options import budget_option, contract_option, password_option, wallet_option
from protocol.runtime.settings import Settings, pass_settings

if TYPE_CHECKING:
    from client_sdk.client import Connection

_wait = click.option(
    "--wait/--no-wait",
    "wait",
    default=None,
    help="Wait until the result is final. Without either: if that is less than three minutes away.",
)


@click.group()
def job() -> None:
    """Run a job on somebody else's machine, follow it, check its result."""


@job.command(short_help="Offer a job, take the best bid, follow it.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--max-price", required=True, help="Whole tokens for the whole job, fees and audits included.")
@click.option("--yes", "-y", is_flag=True, help="Take the best bid without asking.")
@click.option(
    "--audits",
    type=click.IntRange(0, 8),
    help="Pay so many auditors, drawn after the result is posted, to run an item again; else as in FILE.",
)
@wallet_option
@password_option
@contract_option
@_wait
@budget_option
@pass_settings
def run(
    settings: Settings,
    *,
    file: Path,
    max_price: str,
    yes: bool,
    audits: int | None,
    wallet: str | None,
    password_file: Path | None,
    contract: str | None,
    wait: bool | None,
    demand_budget: str | None,
) -> int:
    """Offer the job in FILE, take the best bid, show its progress, fetch and check the result."""
    from client_sdk.commands.running import run_job
    from client_sdk.job import load_job
    from protocol.auction.money import Unit, check_sum
    from protocol.chain.networks_file import load_network, newest
    from protocol.runtime.client_config import network_of

    # Before wallet and node: whoever mistypes a sum is told at once, without a password or a wait.
    check_sum(max_price, "--max-price")
    if demand_budget is not None:
        check_sum(demand_budget, "--demand-budget")
    described = load_job(file, {"audits": audits} if audits is not None else None)
    token = newest(load_network(network_of(settings))).tokens[0]
    unit = Unit(token.symbol, token.decimals)
    unit.parse(max_price, "--max-price")
    unit.parse(described.carbon_price, f"{file}: field carbon_price")
    with _connect(settings, wallet, password_file, contract, demand_budget) as client:
        return run_job(settings, client, described, max_price, yes=yes, wait=wait)


@job.command(name="list")
@pass_settings
def list_(settings: Settings) -> None:
    """List this client's jobs, oldest first."""
    from client_sdk.commands.showing import list_jobs

    list_jobs(settings)


@job.command(short_help="Show where a job stands.")
@click.argument("name", default="last")
@pass_settings
def status(settings: Settings, name: str) -> None:
    """Show where the job NAME (its id, its lease, or "last") stands, also on chain. Needs no password."""
    from client_sdk.commands.showing import show_status

    show_status(settings, name)


@job.command(short_help="Go on with a job: fetch and check its result.")
@click.argument("name", default="last")
@wallet_option
@password_option
@contract_option
@_wait
@budget_option
@pass_settings
def result(
    settings: Settings,
    *,
    name: str,
    wallet: str | None,
    password_file: Path | None,
    contract: str | None,
    wait: bool | None,
    demand_budget: str | None,
) -> int:
    """Go on with a job, also after this computer was off: fetch and check its result."""
    from client_sdk.commands.running import follow_job
    from client_sdk.home import ClientHome
    from protocol.runtime.client_config import network_of

    job = ClientHome.of(network_of(settings)).job(name).id  # before wallet and node, as above
    with _connect(settings, wallet, password_file, contract, demand_budget) as client:
        return follow_job(settings, client, client.resume(job), wait=wait)


@job.command(short_help="End a job early.")
@click.argument("name", default="last")
@wallet_option
@password_option
@contract_option
@pass_settings
def cancel(
    settings: Settings, name: str, wallet: str | None, password_file: Path | None, contract: str | None
) -> int:
    """End a job: before its start for the show-up sum, after it within one grace."""
    from client_sdk.commands.cancelling import cancel_job
    from client_sdk.commands.logs import log_to_file
    from protocol.runtime.client_config import network_of

    log_to_file(settings, network_of(settings))
    return cancel_job(settings, name, wallet, password_file, contract)


@job.command(name="top-up", short_help="Fund more blocks of a running job.")
@click.argument("name", default="last")
@click.option("--blocks", type=int, help="How many more blocks; else as many as the bid allows.")
@wallet_option
@password_option
@contract_option
@pass_settings
def top_up(
    settings: Settings,
    *,
    name: str,
    blocks: int | None,
    wallet: str | None,
    password_file: Path | None,
    contract: str | None,
) -> int:
    """Fund more paid blocks of a running job, up to what its bid allows; any wallet may."""
    from client_sdk.commands.logs import log_to_file
    from client_sdk.commands.topping import top_up_job
    from protocol.runtime.client_config import network_of

    log_to_file(settings, network_of(settings))
    return top_up_job(
        settings, name, blocks=blocks, wallet=wallet, password_file=password_file, contract=contract
    )


@job.command(name="burn-fee", short_help="Burn the fee of a result too large to be demanded.")
@click.argument("name", default="last")
@click.option("--yes", "-y", is_flag=True, help="Burn without asking.")
@wallet_option
@password_option
@contract_option
@pass_settings
def burn_fee(
    settings: Settings,
    *,
    name: str,
    yes: bool,
    wallet: str | None,
    password_file: Path | None,
    contract: str | None,
) -> int:
    """Burn the completion fee of a result too large to be demanded on chain, and as much of your credits.

    For a provider that holds a large result back to ask for more money. Within the challenge window only.
    """
    from client_sdk.commands.burning import burn_job_fee
    from client_sdk.commands.logs import log_to_file
    from protocol.runtime.client_config import network_of

    log_to_file(settings, network_of(settings))
    return burn_job_fee(
        settings, name, yes=yes, wallet=wallet, password_file=password_file, contract=contract
    )


@job.command(short_help="Check a receipt from chain and artifacts alone.")
@click.argument("receipt", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--rerun-percent", type=click.FloatRange(0, 100), default=0, help="Share of items to run again."
)
@pass_settings
def verify(settings: Settings, receipt: Path, rerun_percent: float) -> int:
    """Check a receipt again from chain and artifacts alone; the exit code is 1 if something is wrong."""
    from client_sdk.commands.logs import log_to_file
    from client_sdk.home import ClientHome
    from client_sdk.receipts import read_receipt
    from client_sdk.verify import verify_receipt
    from client_sdk.worker import WorkerLimits
    from protocol.runtime.client_config import client_config
    from protocol.runtime.exit_codes import ExitCode

    network = settings.network or read_receipt(receipt).network
    log_to_file(settings, network)
    home = ClientHome.of(network).root
    limits = WorkerLimits.of(client_config(settings))
    found = verify_receipt(receipt, home, network=network, rerun_percent=rerun_percent, limits=limits)
    lines = [f"{'ok   ' if each.holds else 'WRONG'} {each.name}: {each.detail}" for each in found.findings]
    plain = [{"name": each.name, "holds": each.holds, "detail": each.detail} for each in found.findings]
    settings.emit({"holds": found.holds, "findings": plain}, "\n".join(lines))
    return ExitCode.OK if found.holds else ExitCode.NO


@job.command(short_help="Run a result again and prove it if it is wrong.")
@click.argument("name", default="last")
@click.option(
    "--item", type=click.IntRange(0), metavar="N", help="Run this item alone again; else all of them."
)
@click.option(
    "--max-bond", metavar="COIN", default="1", show_default=True, help="Largest bond, in the chain's coin."
)
@click.option("--threads", type=click.IntRange(1), default=1, help="Processor threads of the re-run.")
@click.option(
    "--delegate",
    "delegates",
    multiple=True,
    metavar="0xADDRESS",
    help="For a delegate's wallet on a private lease: an address that its bid names, once for each of them.",
)
@wallet_option
@password_option
@pass_settings
def challenge(
    settings: Settings,
    *,
    name: str,
    item: int | None,
    max_bond: str,
    threads: int,
    delegates: tuple[str, ...],
    wallet: str | None,
    password_file: Path | None,
) -> int:
    """Run a result again and, if it is wrong, prove it on chain: the provider loses its bond.

    NAME is a job (its id, its lease, or "last") whose outputs this client checked, or a receipt file.

    A game takes a bond in the chain's coin and about half a million gas; a million is set aside. The bond
    comes back when the provider is convicted, less what was paid out of it for answers by then; a lost
    game costs all of it.

    The exit code is 1 if the result is right, or the game was lost. Broken off, the same command goes on with
    the game: its seal is made from the wallet's key, so nothing else has to be kept but what NAME names.
    """
    from client_sdk.challenge import Rerunning
    from client_sdk.commands.challenging import challenge_job
    from client_sdk.worker import WorkerLimits
    from protocol.runtime.client_config import client_config

    rerun = Rerunning(item, threads, limits=WorkerLimits.of(client_config(settings)))
    return challenge_job(settings, name, max_bond, (wallet, password_file), rerun, delegates=delegates)


def _connect(
    settings: Settings,
    wallet: str | None,
    password_file: Path | None,
    contract: str | None,
    demand_budget: str | None = None,
) -> "Connection":
    from client_sdk.client import Client
    from client_sdk.commands.logs import log_to_file
    from client_sdk.wallet import open_wallet
    from client_sdk.worker import WorkerLimits
    from protocol.runtime.client_config import client_config, network_of
    from protocol.types import parse_address

    log_to_file(settings, network_of(settings))

    # Opened here, not in the network's thread: the password may have to be asked for.
    paying = parse_address(contract, "--contract") if contract else None
    opened = open_wallet(wallet, password_file, paying, network_of(settings))
    settings.say(f"opening a node on network {network_of(settings)}")
    limits = WorkerLimits.of(client_config(settings))
    return Client.connect(network_of(settings), wallet=opened, demand_budget=demand_budget, worker=limits)
