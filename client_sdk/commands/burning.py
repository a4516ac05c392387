"""Burning a job's completion fee from the command line."""

from pathlib import Path

from client_sdk.burning import burn_fee, check_burn, terms_of
from client_sdk.home import ClientHome
from client_sdk.record import load_record
from client_sdk.wallet import open_wallet
from client_sdk.worker import WorkerLimits
from protocol.chain.client import Chain
from protocol.chain.networks_file import load_network
from protocol.runtime.client_config import client_config, network_of
from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.settings import Settings
from protocol.store.artifacts import Artifacts
from protocol.types import InputError, parse_address


def burn_job_fee(
    settings: Settings,
    name: str,
    *,
    yes: bool,
    wallet: str | None,
    password_file: Path | None,
    contract: str | None,
) -> int:
    """Burn the fee of a job's lease, after asking; `InputError` says why it cannot be burnt."""
    network = load_network(network_of(settings))
    home = ClientHome.of(network.name)
    folder = home.job(name)
    record = load_record(folder)
    if record.lease_id is None:
        raise InputError(f"job {folder.id} has no lease: {record.text or record.state}")
    paying = parse_address(contract, "--contract") if contract else None
    opened = open_wallet(wallet, password_file, paying, network.name)
    chain, bid = Chain.connect(network, opened.key), record.terms
    check_burn(chain, opened, bid)
    store = Artifacts(home.artifacts)
    try:
        terms = terms_of(
            store.path(record.job_spec.program),
            store.path(record.job_spec.inputs),
            WorkerLimits.of(client_config(settings)),
        )
    finally:
        store.close()
    fee = record.unit.show(bid.completion_fee)
    asked = f"Burn {fee} of the provider's fee and {fee} of your credits?"
    if not yes and not settings.agreed(asked, "--yes burns"):
        settings.emit({"job": folder.id, "burnt": "0"}, "nothing was burnt")
        return ExitCode.NO
    burn_fee(chain, opened, bid, terms)
    text = f"the completion fee of {fee} burns when the lease becomes final; {fee} of credits burnt now"
    settings.emit(
        {"job": folder.id, "lease": record.lease, "burnt": record.unit.plain(bid.completion_fee)}, text
    )
    return ExitCode.OK
