"""The client's audit of a job: ordered once the result is posted, helped along, its refund fetched."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from client_sdk.record import Record
from client_sdk.results import Results, Wanted
from client_sdk.sending import Purse
from protocol.chain.audit_events import Abstained, Earned, Reached, Returned, Revealed
from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.chain.events import topic_of
from protocol.chain.views import LeaseState, LeaseView
from protocol.dispute.audits import (
    Audit,
    Close,
    Draw,
    Finish,
    Redraw,
    Roots,
    Sight,
    Stage,
    list_reading,
    payer_move,
)
from protocol.dispute.records import Conviction
from protocol.engines.worker.dispute_records import JobTermsArgs, JobTermsResult
from protocol.engines.worker.game_wire import JOBS
from protocol.games.asking import ask, reading
from protocol.games.audit_sight import read_sight
from protocol.messages import Bid
from protocol.runtime.retry import backoff
from protocol.types import Amount, InputError, TransientError, several

log = logging.getLogger(__name__)

_POLL_S = 0.5
_ORDER_S = 60.0
_PATIENCE_S = 60.0
_LIVE = frozenset({LeaseState.OPENED, LeaseState.RUNNING, LeaseState.CLOSING})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an audit. Sums are in the token's smallest unit."""

    ordered: int
    drawn: int
    paid: Amount
    """To auditors."""
    refunded: Amount
    convicted: bool
    abstained: int = 0
    """Of those drawn: who could not get the job or run it in time, or found what was public already."""
    late: int = 0
    """Of those drawn: who agreed with what was public already, and was not paid."""
    accused: int = 0
    """Of those drawn: who found another result than the provider's."""


@dataclass
class Auditing:
    """Buys one job's audit while `run` runs. All it needs to go on after a restart is on the chain."""

    results: Results
    purse: Purse
    record: Callable[[], Record]
    wanted: Callable[[], Wanted]
    tell: Callable[[str], None]
    done: Callable[[Outcome], None]
    over: str = ""
    """Why nothing more is done; empty while something may be."""
    last: str = ""
    """What was said last."""
    _ordered: trio.Event = field(default_factory=trio.Event)
    _over: trio.Event = field(default_factory=trio.Event)
    _due: dict[tuple[type, int], int] = field(default_factory=dict)
    """The block in which a move was first seen to be due."""

    async def ordered(self) -> None:
        """Wait, for a while at most, until the audit is ordered or will not be."""
        if self.record().audits:
            with trio.move_on_after(_ORDER_S):
                await self._ordered.wait()

    async def finished(self) -> None:
        """Wait, for a while at most, until the audit is over and its refund is here."""
        if self.record().audits:
            with trio.move_on_after(_ORDER_S):
                await self._over.wait()

    async def run(self) -> None:
        """Order, and follow the audit to its end."""
        try:
            if self.record().audits:
                await self._follow()
        finally:
            self._ordered.set()
            self._over.set()

    async def _follow(self) -> None:
        seen, failures = None, 0
        while not self.over:
            try:
                head = await self.purse.chain.run(lambda chain: chain.node.head())
                if head != seen:
                    await self._turn()
                    seen, failures = head, 0
            except Revert as error:
                log.info("a move in the audit was refused: %s", error)
            except TransientError as error:
                log.info("the audit cannot be followed now: %s", error)
                failures += 1
            except InputError as error:
                if self._ordered.is_set():  # it runs: what is refused in this block, another one may allow
                    self._warn(f"the audit goes on, though something cannot be done now: {error}")
                    failures += 1
                else:
                    self._end(f"no audit: {error}")
            if not self.over:
                await trio.sleep(backoff(failures) if failures else _POLL_S)

    async def _turn(self) -> None:
        chain, bid = self.purse.chain, self.record().terms
        view = await chain.run(Chain.lease, bid.lease_id())
        if view.state is LeaseState.NONE or view.state in _LIVE:
            return
        audit = await chain.run(Chain.audit, bid.lease_id(), True)
        if audit.stage is Stage.NONE:
            if view.state is not LeaseState.POSTED:
                self._end("no audit: the lease ended without one")
            else:
                await self._order(bid, view)
            return
        self._ordered.set()
        if audit.stage in (Stage.OVER, Stage.SILENT):
            await self._finish(bid, audit)
            return
        sight = await chain.run(read_sight, bid, True)
        if sight is not None:
            await self._help(bid, sight)

    async def _order(self, bid: Bid, view: LeaseView) -> None:
        """Pay for the auditors. `InputError` with the reason if that is no use, or not possible any more."""
        chain, tasks, unit = self.purse.chain, self.record().audits, self.record().unit
        enrolled = await chain.run(Chain.auditors_at, list_reading(bid, view.started_at))
        if not enrolled:
            raise InputError(
                "nobody was enrolled as an auditor a start deadline before the lease was started"
            )
        await self._none_pending()
        spec, store = self.wanted().spec, self.results.store
        args = JobTermsArgs(str(store.path(spec.program)), str(store.path(spec.inputs)))
        terms = await ask(self.results.child, args, JobTermsResult)
        with reading(self.results.child, args.OP):
            job = JOBS.decode(terms.job)
        fee = await chain.run(Chain.audit_fee, bid, spec.item_count)
        calls, cost = chain.blocking.audits, Amount(tasks * fee)
        name = f"audit {bid.lease_id().hex()}"
        token = chain.blocking.token(bid.token)
        try:
            await self.purse.send(token.approve(calls.address, cost), f"{name} approve")
            await self.purse.send(calls.order(bid, job, tasks), f"{name} order")
        except Revert as error:
            raise InputError(error.message, error.advice) from error  # the next block changes nothing
        self._say(
            f"ordered {_audits(tasks)} for {unit.about(cost)}, {unit.about(fee)} for each that is drawn"
        )

    async def _none_pending(self) -> None:
        """Wait for what an earlier process sent: an order that is on its way would be paid for twice."""
        node, peer = self.purse.chain.blocking.node, self.purse.wallet.peer
        sent = await self.purse.chain.run(lambda _: node.nonce(peer, "pending"))
        if sent > await self.purse.chain.run(lambda _: node.nonce(peer, "latest")):
            raise TransientError("a transaction of this wallet is still on its way")

    async def _help(self, bid: Bid, sight: Sight) -> None:
        """Do what is overdue: it is auditors' and provider's business first, but the lease waits for it."""
        move = payer_move(sight)
        if move is None:
            return
        patience = min(self.purse.chain.blocking.network.span(_PATIENCE_S), sight.clocks.draw // 3)
        due = self._due.setdefault((type(move), sight.audit.draw_block), sight.now)
        if sight.now < due + patience:
            return
        await self.purse.send(
            self._call(bid, move), f"audit {type(move).__name__} {bid.lease_id().hex()} {due}"
        )

    def _call(self, bid: Bid, move: object) -> Call:
        calls = self.purse.chain.blocking.audits
        match move:
            case Draw():
                return calls.draw(bid, True)
            case Redraw():
                return calls.redraw(bid, True)
            case Close(shown):
                return calls.close(bid, True, shown)
            case _:
                assert isinstance(move, Finish)
                return calls.finish(bid, True)

    async def _finish(self, bid: Bid, audit: Audit) -> None:
        outcome = await self.purse.chain.run(read_outcome, bid, audit, self.purse.address)
        owed = await self.purse.chain.run(Chain.audit_credit, bid.token, self.purse.address)
        if owed:
            call = self.purse.chain.blocking.audits.withdraw(bid.token, self.purse.address)
            await self.purse.send(call, f"audit withdraw {bid.lease_id().hex()}")
        self.done(outcome)
        self._end(sentence_of(outcome, self.record()))

    def _end(self, why: str) -> None:
        self.over = why
        self._ordered.set()
        self._say(why)

    def _warn(self, text: str) -> None:
        if text != self.last:
            self._say(text)

    def _say(self, text: str) -> None:
        self.last = text
        self.tell(text)


def read_outcome(chain: Chain, bid: Bid, audit: Audit, payer: bytes) -> Outcome:
    """Return what came of the client's audit, from its events; blocking."""
    lease, abi, by_client = bid.lease_id(), chain.audits.abi, int(True).to_bytes(32, "big")
    ends = chain.scanner.all((topic_of(abi, "Reached"), lease, by_client))
    txs = {each.at.tx for each in ends if isinstance(each, Reached)}
    earned = chain.scanner.all((topic_of(abi, "Earned"), lease))
    paid = sum(each.fee for each in earned if isinstance(each, Earned) and each.at.tx in txs)
    returned = chain.scanner.all((topic_of(abi, "Returned"), lease, bytes(12) + payer))
    refunded = sum(each.fee for each in returned if isinstance(each, Returned))
    given_up = chain.scanner.all((topic_of(abi, "Abstained"), lease, by_client))
    abstained = sum(isinstance(each, Abstained) for each in given_up)
    tasks = chain.audit_tasks(lease, True)
    late = sum(task.late and task.found == audit.found for task in tasks)
    auditors = {task.auditor for task in tasks}
    shown = chain.scanner.all((topic_of(abi, "Revealed"), lease, by_client))
    accused = sum(
        isinstance(each, Revealed)
        and each.by in auditors
        and Roots(each.trace_root, each.item_root).found != audit.found
        for each in shown
    )
    convicted = chain.verdict(lease).how is not Conviction.NONE
    sums = Amount(paid), Amount(refunded)
    return Outcome(audit.tasks, audit.assigned, *sums, convicted, abstained, late, accused)


def sentence_of(outcome: Outcome, record: Record) -> str:
    """Say what came of an audit."""
    unit = record.unit
    said = f"audit over: {outcome.drawn} of {_audits(outcome.ordered)} drawn, {unit.show(outcome.paid)} paid"
    if outcome.refunded:
        said += f", {unit.show(outcome.refunded)} back"
    if outcome.accused:
        said += f"; {_audits(outcome.accused)} found another result"
    if outcome.convicted:
        return said + ": the provider is convicted"
    if outcome.accused:
        said += ", and could not prove it"
    gone, late = outcome.abstained, outcome.late
    if gone:
        said += (
            f"; {_audits(gone)} abstained: the provider did not serve the job, it ran too long for them, or "
        )
        said += "what it comes to was public already"
    if late:
        said += f"; {_audits(late)} agreed with what was public already, unpaid: that proves nothing"
    if outcome.drawn and not outcome.paid:
        silent = "" if outcome.accused else ": no auditor answered"
        said += "; nobody has checked the result" if gone or late else silent
        said += "; run items again yourself, with gavel job verify"
    return said


def _audits(count: int) -> str:
    return several(count, "auditor")
