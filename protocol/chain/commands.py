"""`gavel deploy` and `gavel localnet`."""

from pathlib import Path

import click

from protocol.runtime.settings import Settings, pass_settings

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--wallet", required=True, metavar="NAME", help="Wallet that pays; holds no power afterwards.")
@click.option("--password-file", type=_FILE, help="File with the wallet's password.")
@click.option(
    "--token",
    "tokens",
    multiple=True,
    metavar="ADDRESS,RESERVE[,SHOWUP[,BPS[,COINS]]]",
    help="Token to list, sums in whole tokens, and what one is worth in the chain's coin, without which no "
    "dispute can be priced (--no-disputes); repeatable, in the order of their numbers.",
)
@click.option(
    "--judge", "judges", multiple=True, metavar="ADDRESS,KIND", help="Further judge of a verification kind."
)
@click.option(
    "--disputes/--no-disputes",
    default=True,
    show_default=True,
    help="Create Referee, Disputes, Delivery and Audits, too.",
)
@click.option("--min-grace", type=click.IntRange(1, 65535), help="Lowest grace of a bid, in clock units.")
@click.option(
    "--longest-lease",
    type=click.FloatRange(min=1),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="Longest lease whose result can be judged: window and unbonding follow from it.",
)
@click.option("--name", default="v1", show_default=True, help="Name of the deployment.")
@click.option("--networks", "file", type=_FILE, help="Networks file that the addresses are written to.")
@pass_settings
def deploy(
    settings: Settings,
    *,
    wallet: str,
    password_file: Path | None,
    tokens: tuple[str, ...],
    judges: tuple[str, ...],
    disputes: bool,
    min_grace: int | None,
    longest_lease: float,
    name: str,
    file: Path | None,
) -> None:
    """Put the contracts on a chain and write their addresses back."""
    from protocol.chain import deploying

    deploying.deploy_command(
        settings,
        wallet=wallet,
        password_file=password_file,
        tokens=tokens,
        judges=judges,
        with_disputes=disputes,
        min_grace=min_grace,
        longest_lease_seconds=3_600 * longest_lease,
        name=name,
        file=file,
    )


@click.command()
@click.option("--block-time", default=1, show_default=True, type=click.IntRange(1), help="Seconds per block.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port; by default the system chooses.")
@click.option("--state", type=_FILE, help="File in which the chain is kept between runs.")
@click.option("--networks", "file", type=_FILE, help="Networks file for the entry; else the user's own.")
@pass_settings
def localnet(
    settings: Settings, *, block_time: int, port: int, state: Path | None, file: Path | None
) -> None:
    """Run a local chain with contracts and funded wallets until Ctrl-C."""
    from protocol.chain import localnet_command

    localnet_command.run(settings, block_time=block_time, port=port, state=state, file=file)
