"""Following a job on the terminal: table, question, state changes, result."""

import json
import sys
from collections.abc import Callable
from typing import Any

from client_sdk.clients import SyncClient
from client_sdk.commands.table import quote_table
from client_sdk.home import ClientHome
from client_sdk.job import Job
from client_sdk.leases import SyncAuction, SyncLease
from client_sdk.offering import Heard
from client_sdk.outcome import AuctionLostError, Quote
from client_sdk.progress import Kind, Progress
from client_sdk.record import OPENING, load_record
from protocol.auction.money import Unit
from protocol.runtime.client_config import network_of
from protocol.runtime.exit_codes import ExitCode
from protocol.runtime.settings import Settings

_SOON_S = 180


def run_job(
    settings: Settings, client: SyncClient, job: Job, max_price: str, *, yes: bool, wait: bool | None
) -> int:
    """Offer, ask, open and follow a job; return the exit code."""
    settings.say("preparing the job" if not job.title else f"preparing: {job.title}")
    try:
        auction = client.auction(job, max_price, heard=_counter(settings))
    except AuctionLostError as error:
        _tell_refusals(settings, error)
        raise
    _show(settings, client, auction)
    best = question(auction.quotes[0], client.unit)
    if not yes and not settings.agreed(best, "--yes takes the best bid"):
        auction.decline()
        settings.emit({"job": auction.job, "state": "declined"}, "nothing was opened, nothing was paid")
        return ExitCode.NO
    try:
        lease = auction.open()
    except KeyboardInterrupt:
        return _left_alone(settings, auction.job)
    settings.say(f"job {lease.job}, lease {lease.id}")
    return follow_job(settings, client, lease, wait=wait)


def follow_job(settings: Settings, client: SyncClient, lease: SyncLease, *, wait: bool | None) -> int:
    """Show a lease's events until its result is there, or (as `wait` says) until it is final."""
    if not lease.id:
        status = lease.status
        settings.emit(status, f"job {lease.job}: no lease came of it: {status['text']}")
        return ExitCode.NO
    try:
        return _followed(settings, client, lease, wait)
    except KeyboardInterrupt:
        return _left_alone(settings, lease.job)


def _left_alone(settings: Settings, job: str) -> int:
    record = load_record(ClientHome.of(network_of(settings)).job(job))
    on = f"gavel job result {job} goes on with it, gavel job cancel {job} ends it"
    if not record.lease:
        text = f"no lease was opened: gavel job result {job} goes on with the job, and opens one"
    elif record.state == OPENING:
        text = f"the lease may still be opened without you: gavel job status {job} looks, {on}"
    else:
        text = f"the lease goes on without you: {on}"
    settings.say(f"\n{text}")
    return ExitCode.INTERRUPTED


def _followed(settings: Settings, client: SyncClient, lease: SyncLease, wait: bool | None) -> int:
    show = _shower(settings, client)
    final = wait
    for event in lease.events():
        show(event)
        if event.kind is Kind.RESULT:
            final = _is_near(client, lease) if wait is None else wait
            if not final:
                break
    result = lease.result()
    if final is None:  # it was there before this process began
        final = _is_near(client, lease)
    answer: dict[str, Any] = {**lease.status, **result.as_json()}
    lines = [result.summary, f"result:  {result.path}", f"receipt: {result.receipt}"]
    lines += [] if final else [answer["audit"]]
    if final:
        money = lease.final()
        answer |= money
        lines.append(f"paid {money.get('paid')}, refunded {money.get('refunded')} {client.symbol}")
        lines.append(money.get("audit", ""))
    else:
        lines.append(f"not final yet; gavel job result {lease.job} waits for that")
    settings.emit(answer, "\n".join(line for line in lines if line))
    return ExitCode.OK


def _counter(settings: Settings) -> Heard:
    """Return what tells a user how long bids are still taken: once, or on a terminal each second anew."""
    live = sys.stderr.isatty() and not settings.json
    said = False

    def heard(quotes: int, declined: int, left: float) -> None:
        nonlocal said
        if live:
            line = f"  bids are taken for {left:.0f} s more: {quotes} so far, {declined} declined"
            print(f"\r{line:<78}", end="" if left > 1 else "\n", file=sys.stderr, flush=True)
        elif not said:
            settings.say(f"bids are taken for {left:.0f} s")
        said = True

    return heard


def _is_near(client: SyncClient, lease: SyncLease) -> bool:
    return client.seconds_to_final(lease) <= _SOON_S


def _show(settings: Settings, client: SyncClient, auction: SyncAuction) -> None:
    if settings.json:
        _json_line({"event": "quotes", "job": auction.job, "quotes": [vars(q) for q in auction.quotes]})
        return
    settings.say(quote_table(auction.quotes, client.unit))
    for refusal in auction.refusals:
        settings.say(f"  not from {refusal.provider}: {refusal.reason}")


def question(best: Quote, unit: Unit) -> str:
    """Return what is asked before money is spent; sums are rounded up, as in the table."""

    def about(text: str) -> str:
        return unit.about(unit.parse(text, "a quote"))

    audits = f", and pay {about(best.audits)} for audits" if best.audits != "0" else ""
    return f"Open the bid of {best.provider[:10]} for at most {about(best.price)}{audits}?"


def _tell_refusals(settings: Settings, error: AuctionLostError) -> None:
    for refusal in error.refusals:
        settings.say(f"  not from {refusal.provider}: {refusal.reason}")


def _shower(settings: Settings, client: SyncClient) -> Callable[[Progress], None]:
    live = sys.stderr.isatty() and not settings.json

    def show(event: Progress) -> None:
        if settings.json:
            _json_line({"event": event.kind.value, **event.as_json(), "cost": client.plain(event.cost)})
            return
        line = f"  {client.unit.short(event.cost):>10} {client.symbol}  {event.text}"
        if live and event.kind is Kind.COST:
            # On a terminal the running cost stays on one line, which the next event replaces.
            print(f"\r{line:<78}", end="", file=sys.stderr, flush=True)
            return
        settings.say(f"\r{line:<78}" if live else line)

    return show


def _json_line(value: dict[str, Any]) -> None:
    """Write an event to stderr: stdout holds the answer alone."""
    print(json.dumps(value, default=str), file=sys.stderr, flush=True)
