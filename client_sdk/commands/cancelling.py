"""Ending a job from the command line: the transaction alone, whoever follows the lease sees it."""

from pathlib import Path

from client_sdk.home import ClientHome
from client_sdk.record import load_record
from client_sdk.wallet import open_wallet
from protocol.chain.client import Chain
from protocol.chain.networks_file import load_network
from protocol.chain.views import LeaseState
from protocol.runtime.client_config import network_of
from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.settings import Settings
from protocol.types import InputError, parse_address

_WHY_NOT = {
    LeaseState.NONE: "its lease is not on chain; if it was sent for a moment ago, try again in a minute",
    LeaseState.CLOSING: "it is closing already",
    LeaseState.POSTED: "a result is posted: from then on nobody can close",
}


def cancel_job(
    settings: Settings, name: str, wallet: str | None, password_file: Path | None, contract: str | None
) -> int:
    """Close the lease of a job; `InputError` says why it cannot be closed."""
    network = load_network(network_of(settings))
    folder = ClientHome.of(network.name).job(name)
    record = load_record(folder)
    lease = record.lease_id
    if lease is None:
        raise InputError(f"job {folder.id} has no lease: {record.text or record.state}")
    paying = parse_address(contract, "--contract") if contract else None
    opened = open_wallet(wallet, password_file, paying, network.name)
    if opened.client != parse_address(record.client):
        raise InputError(f"job {folder.id} is paid by {record.client}", "name that wallet with --wallet")
    chain = Chain.connect(network, opened.key)
    bid, view = record.terms, chain.lease(lease)
    if view.state not in (LeaseState.OPENED, LeaseState.RUNNING, LeaseState.SERVING):
        said = _WHY_NOT.get(view.state, f"it has ended: {view.state.name.lower().replace('_', ' ')}")
        raise InputError(f"job {folder.id} cannot be cancelled: {said}")
    costs = chain.show_up(bid)[0] if view.state is LeaseState.OPENED else 0
    chain.send(opened.through(chain.escrow.close_by_client(bid)))
    after = chain.lease(lease)
    if after.state is LeaseState.CLOSING:
        text = f"closing: a result posted by block {after.deadline} still counts, else the rest comes back"
    else:
        text = f"closed; it cost {record.unit.show(costs)}, the rest came back as credits"
    state = after.state.name.lower()
    settings.emit({"job": folder.id, "lease": record.lease, "state": state, "deadline": after.deadline}, text)
    return ExitCode.OK
