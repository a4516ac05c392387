"""Follow results, re-run a share of them, prove on chain what is wrong."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from protocol.runtime.settings import Settings, pass_settings

if TYPE_CHECKING:
    from protocol.chain.client import Chain


@click.group()
def watchtower() -> None:
    """Follow results, re-run a share of them, prove on chain what is wrong."""


@watchtower.command()
@click.option("--wallet", help="Wallet that pays bonds and gas of games; its key is the node's identity.")
@click.option("--password-file", help="File with the wallet's password.")
@click.option("--share-percent", type=float, help="Part of all results that is re-run.")
@click.option(
    "--provider",
    "providers",
    multiple=True,
    metavar="0xADDRESS",
    help="Owner address of a provider (see gavel market) whose every result is re-run; repeatable.",
)
@click.option(
    "--end-idle/--no-end-idle",
    default=None,
    help="End games of others whose clock ran out, and settle convictions; on by default.",
)
@click.option("--device", help="What re-runs are made on: cpu, or cuda:0 and so on.")
@click.option("--data-dir", help="Folder of verdicts, games and artifacts.")
@click.option("--metrics-port", type=int, help="Port of /metrics and /healthz on loopback.")
@click.option("--log-level", help="debug, info, warning or error.")
@pass_settings
def run(settings: Settings, /, **options: object) -> int:
    """Watch until Ctrl-C.

    A wrong result is proven on chain.

    A game takes a bond in the chain's coin and about half a million gas; a million is set aside. The bond
    comes back when the provider is convicted, less what was paid out of it for answers by then; a lost
    game costs all of it.

    The wallet should hold enough for two games. What it lacks, and what the limits bond_per_game,
    bond_per_day, gas_per_game and gas_per_day do not allow, is said by `status`.

    A wallet that is enrolled (`gavel watchtower enrol`) also plays every audit that draws it.
    """
    from protocol.chain.networks_file import load_network
    from protocol.runtime.config import load_config
    from protocol.runtime.keystore import load_account
    from protocol.runtime.logs import setup_logs
    from protocol.runtime.metrics import Metrics
    from protocol.runtime.signals import run_daemon
    from watchtower.config import WatchtowerConfig
    from watchtower.daemon import watch
    from watchtower.folders import data_dir as folder_of

    given = {name: value for name, value in options.items() if value not in (None, ())}
    flags = {"network": settings.network, **given}
    if settings.debug:
        flags["log_level"] = "debug"
    config = load_config(WatchtowerConfig, "watchtower", settings.config, flags).value
    network = load_network(config.network)
    password = Path(config.password_file).expanduser() if config.password_file else None
    key = bytes(load_account(config.wallet, password).key)
    setup_logs("watchtower", folder_of(config) / "logs", config.log_level, json_console=settings.json)
    return run_daemon(lambda: watch(config, network, key, Metrics()))


_wallet = click.option("--wallet", help="The watchtower's wallet; else the configured one.")
_password = click.option("--password-file", help="File with the wallet's password.")


@watchtower.command()
@_wallet
@_password
@click.option("--yes", "-y", is_flag=True, help="Stake without asking.")
@pass_settings
def enrol(settings: Settings, *, wallet: str | None, password_file: str | None, yes: bool) -> int:
    """Stake, and be paid for audits.

    Leases that are opened later may draw the wallet as an auditor; who is drawn is paid for agreeing too.
    `gavel watchtower run` with the same wallet plays every audit by itself. While enrolled it must stay up:
    whoever is drawn and silent loses an eighth of the stake.
    """
    from protocol.runtime.exit_codes import ExitCode
    from watchtower.auditing.enrolment import check_enrolment, terms_of
    from watchtower.auditing.enrolment import enrol as join

    chain = _owner(settings, wallet, password_file)
    check_enrolment(chain)
    settings.say(terms_of(chain))
    if not yes and not settings.agreed("Stake and enrol?", "--yes stakes"):
        settings.emit({"enrolled": False}, "nothing was staked")
        return ExitCode.NO
    settings.emit(*join(chain))
    return ExitCode.OK


@watchtower.command()
@_wallet
@_password
@pass_settings
def leave(settings: Settings, *, wallet: str | None, password_file: str | None) -> None:
    """Leave the list of auditors; then take the stake.

    The first call leaves, and says when another one can take the stake. Audits that have drawn the wallet
    already go on: keep `gavel watchtower run` up until they are over.
    """
    from watchtower.auditing.enrolment import leave as part

    settings.emit(*part(_owner(settings, wallet, password_file)))


def _owner(settings: Settings, wallet: str | None, password_file: str | None) -> "Chain":
    """Unlock the watchtower's wallet and connect with it."""
    from protocol.chain.client import Chain
    from protocol.chain.networks_file import load_network
    from protocol.runtime.config import load_config
    from protocol.runtime.keystore import load_account
    from watchtower.config import WatchtowerConfig

    flags = {"network": settings.network, "wallet": wallet, "password_file": password_file}
    config = load_config(WatchtowerConfig, "watchtower", settings.config, flags).value
    network = load_network(config.network)
    password = Path(config.password_file).expanduser() if config.password_file else None
    chain = Chain.connect(network, bytes(load_account(config.wallet, password).key))
    chain.check()
    return chain


@watchtower.command(short_help="List results, games and audits, and where each stands.")
@click.option("--data-dir", help="Folder of the watchtower.")
@pass_settings
def status(settings: Settings, data_dir: str | None) -> int:
    """List what was found, and where each game and audit stands.

    The exit code is 1 if a result was wrong, else 2 if a file is damaged, which is named.
    """
    from dataclasses import asdict

    from protocol.runtime.config import load_config
    from protocol.runtime.exit_codes import ExitCode
    from protocol.types import InputError
    from watchtower.auditing.notes import Notes
    from watchtower.config import WatchtowerConfig
    from watchtower.folders import AUDITS
    from watchtower.folders import data_dir as folder_of
    from watchtower.standings import Standings
    from watchtower.telling import told
    from watchtower.verdicts import Finding, Verdicts

    config = load_config(WatchtowerConfig, "watchtower", settings.config, {"data_dir": data_dir}).value
    damage = list[InputError]()
    found = Verdicts(folder_of(config) / "verdicts").all(damage.append)
    standings = Standings(folder_of(config) / "games").all(damage.append)
    lines = told(found, standings)
    notes = Notes(folder_of(config) / AUDITS)
    auditor, audits = notes.auditor(damage.append), notes.all(damage.append)
    lines += [auditor.sentence()] if auditor else []
    lines += [note.sentence() for note in audits]
    damaged = [str(each) for each in damage]
    plain = {
        "verdicts": [asdict(each) for each in found],
        "leases": [asdict(each) for each in standings],
        "auditor": asdict(auditor) if auditor else None,
        "audits": [asdict(each) for each in audits],
        "damaged": damaged,
    }
    settings.emit(plain, "\n".join(lines + damaged))
    if any(v.finding is Finding.MISMATCH for v in found):
        return ExitCode.NO
    return ExitCode.INPUT if damaged else ExitCode.OK
