"""Challenging a result from the command line: what is done line by line, what it cost, how to go on."""

from dataclasses import asdict
from pathlib import Path

from client_sdk.challenge import Challenged, Rerunning, challenge_receipt
from client_sdk.commands.logs import log_to_file
from client_sdk.evidence import find_evidence, read_evidence
from client_sdk.home import ClientHome
from client_sdk.wallet import open_wallet
from protocol.dispute.purse import COIN
from protocol.runtime.client_config import network_of
from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.settings import Settings
from protocol.types import Wei, parse_address, to_hex


def challenge_job(
    settings: Settings,
    name: str,
    max_bond: str,
    wallet: tuple[str | None, Path | None],
    rerun: Rerunning,
    *,
    delegates: tuple[str, ...] = (),
) -> int:
    """Challenge a result of a job or a receipt; `wallet` is name and password file. Return the exit code."""
    bond = Wei(COIN.parse(max_bond, "--max-bond"))
    path = find_evidence(name, network_of(settings))
    network = settings.network or read_evidence(path).network
    log_to_file(settings, network)
    opened = open_wallet(*wallet, network=network)
    try:
        found = challenge_receipt(
            path,
            ClientHome.of(network),
            opened,
            network=network,
            max_bond=bond,
            rerun=rerun,
            delegates=frozenset(parse_address(each, "--delegate") for each in delegates),
            say=settings.say,
        )
    except KeyboardInterrupt:
        settings.say(
            f"\na game that is open goes on without you, and is lost when your clock runs out: "
            f"gavel job challenge {name} goes on with it"
        )
        return ExitCode.INTERRUPTED
    plain = {
        "lease": to_hex(found.lease),
        "convicted": found.convicted,
        "text": found.text,
        "games": [asdict(game) for game in found.games],
    }
    settings.emit(plain, _told(found))
    return ExitCode.OK if found.convicted else ExitCode.NO


def _told(found: Challenged) -> str:
    if not found.games:
        return found.text
    return "\n".join(game.sentence() for game in found.games)
