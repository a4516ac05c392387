"""Status and lists: from files and one look at the chain, without a wallet or a node."""

import time
from typing import Any

from client_sdk.commands.table import columns
from client_sdk.home import ClientHome, JobFolder
from client_sdk.record import OPENING, Record, load_record
from protocol.chain.client import Chain
from protocol.chain.networks_file import load_network
from protocol.chain.views import LeaseView
from protocol.dispute.audits import Stage
from protocol.runtime.client_config import network_of
from protocol.runtime.settings import Settings
from protocol.types import BlockNo, TransientError, parse_address


def list_jobs(settings: Settings) -> None:
    """Print this client's jobs."""
    home = ClientHome.of(network_of(settings))
    found = [(folder, load_record(folder)) for folder in home.jobs()]
    rows = [
        (
            folder.id,
            time.strftime("%Y-%m-%d %H:%M", time.localtime(record.created)),
            record.state,
            f"{record.unit.short(record.cost)} {record.symbol}",
            record.lease[:10],
            record.title,
        )
        for folder, record in found
    ]
    text = columns(("job", "begun", "state", "cost", "lease", "title"), rows) if rows else "no jobs yet"
    settings.emit([_plain(folder, record) for folder, record in found], text)


def show_status(settings: Settings, name: str) -> None:
    """Print one job, and what the chain says of it now."""
    home = ClientHome.of(network_of(settings))
    folder = home.job(name)
    record = load_record(folder)
    known = _plain(folder, record)
    lines = [
        f"job {folder.id}: {record.title or 'untitled'}",
        f"state: {record.state}" + (f" ({record.text})" if record.text else ""),
        f"cost so far: {record.unit.plain(record.cost)} {record.symbol}",
    ]
    if record.lease:
        lines.append(f"lease: {record.lease}")
        try:
            chain, lines_of_chain = _on_chain(settings, record)
            known["chain"] = chain
            lines += lines_of_chain
        except TransientError as error:
            known["chain"] = {"error": str(error)}
            lines.append(f"on chain: unknown, {error}")
    if record.result:
        lines.append(f"result: {record.result}")
    if folder.receipt.exists():
        lines.append(f"receipt: {folder.receipt}")
    if record.lease and not record.over:
        ends = f", gavel job cancel {folder.id} ends it" if record.state in _CLOSABLE else ""
        lines.append(f"gavel job result {folder.id} goes on with it{ends}")
    settings.emit(known, "\n".join(lines))


_CLOSABLE = (OPENING, "opened", "running")
"""States (`telling.state_name`) in which a client can still close the lease."""

_AUDITS = {
    Stage.NONE: "not ordered",
    Stage.CALLED: "ordered, a later block draws",
    Stage.DRAWN: "item {item} is drawn, auditors and provider commit and reveal",
    Stage.CONTESTED: "an auditor found item {item} to differ, a game decides",
    Stage.SILENT: "the provider is convicted of what it owed in it",
    Stage.OVER: "over",
}


def _on_chain(settings: Settings, record: Record) -> tuple[dict[str, Any], list[str]]:
    network = load_network(settings.network or record.network)
    escrow = parse_address(record.escrow)
    deployment = next((each for each in network.deployments if each.escrow == escrow), None)
    if deployment is None:
        return {}, [f"on chain: the escrow {record.escrow} is no longer in network {network.name}"]
    chain = Chain.connect(network, deployment=deployment)
    lease = record.lease_id
    assert lease is not None, "asked only for jobs with a lease"
    view, now = chain.lease(lease), chain.clock()
    money = chain.money(record.terms)
    said = {
        "state": view.state.name.lower(),
        "clock": now,
        "paid_blocks": view.paid_blocks,
        "funded_blocks": view.funded_blocks,
        "deadline": view.deadline,
        "accrued": record.unit.plain(money.accrued),
        "held": record.unit.plain(money.held),
        "output_root": view.output_root,
    }
    lines = [f"on chain: {_sentence(view, record, now)}, {record.unit.show(money.accrued)} earned so far"]
    if record.audits and deployment.audits is not None:
        audit = chain.audit(lease, True)
        said["audit"] = audit.stage.name.lower()
        lines.append(f"audit by {record.audits} auditors: {_AUDITS[audit.stage].format(item=audit.item)}")
    return said, lines


def _sentence(view: LeaseView, record: Record, now: BlockNo) -> str:
    state = view.state.name.lower().replace("_", " ")
    if view.state.name == "NONE":
        return "no such lease, or not yet"
    if view.state.name == "OPENED":
        return f"{state}, to be started by block {view.opened_at + record.terms.start_deadline}, now is {now}"
    if view.state.name in ("RUNNING", "CLOSING"):
        return f"{state}, result due by block {view.deadline}, now is {now}"
    if view.state.name == "POSTED":
        return f"{state}, final after block {view.last_beat + record.terms.challenge_window}, now is {now}"
    return state


def _plain(folder: JobFolder, record: Record) -> dict[str, Any]:
    return {
        "job": folder.id,
        "title": record.title,
        "state": record.state,
        "text": record.text,
        "lease": record.lease,
        "cost": record.unit.plain(record.cost),
        "token": record.symbol,
        "audits": record.audits,
        "audits_paid": record.unit.plain(record.audits_paid),
        "audit": record.audits_text,
        "cap": record.unit.plain(record.cap),
        "result": record.result,
        "receipt": str(folder.receipt) if folder.receipt.exists() else "",
        "over": record.over,
        "created": record.created,
    }
