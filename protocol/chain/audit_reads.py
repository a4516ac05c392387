"""State of Audits, typed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from protocol.chain.audits import CONTRACT, AuditCalls
from protocol.chain.calls import Call, Due
from protocol.chain.delivery_reads import DeliveryReads
from protocol.chain.node import Tag
from protocol.dispute.audits import Answer, Audit, AuditClocks, Part, Stage, Task, fee_of
from protocol.dispute.windows import Judging
from protocol.messages import Bid
from protocol.types import Address, Amount, BlockNo, Blocks, InputError, LeaseId


@dataclass(frozen=True, slots=True)
class AuditorView:
    """An auditor; `left_at` is zero while it is enrolled, `since` if it never was or has taken its stake."""

    stake: Amount
    since: BlockNo
    left_at: BlockNo
    busy: int
    """Audits that it is drawn for and that are not over."""
    place: int


@dataclass(frozen=True, slots=True)
class AuditPrices:
    """What the deployment fixed for all audits, beside the clocks."""

    stake_token: int
    stake: Amount
    leave_delay: Blocks
    percent: int
    """Of an item's price."""
    fixed_fees: tuple[Amount, ...]
    """Beside it, in each listed token."""


class AuditReads(DeliveryReads):
    """Reads the audits of one deployment. `InputError` if it has no Audits."""

    @cached_property
    def audits(self) -> AuditCalls:
        """The calls of the deployment's Audits."""
        address = self.deployment.audits
        if address is None:
            raise InputError(
                f"deployment {self.deployment.name!r} of {self.network.name!r} has no Audits",
                "results can be audited only on a deployment with one",
            )
        return AuditCalls(address)

    def audit(self, lease: LeaseId, by_client: bool) -> Audit:
        """Return one audit; stage NONE if there is no such."""
        return self.audits_now([(lease, by_client)])[0]

    def audits_now(self, names: Sequence[tuple[LeaseId, bool]], tag: Tag = "latest") -> tuple[Audit, ...]:
        """Return many audits in one request, in order, as of a block."""
        calls = [self._audit_call("auditOf", *name) for name in names]
        return tuple(self.node.views(calls, self._audit_of, tag))

    def tasks_now(
        self, names: Sequence[tuple[LeaseId, bool]], tag: Tag = "latest"
    ) -> tuple[tuple[Task, ...], ...]:
        """Return the parts of many audits in one request, in order, as of a block."""
        calls = [self._audit_call("tasksOf", *name) for name in names]
        return tuple(self.node.views(calls, self._tasks_of, tag))

    def audit_tasks(self, lease: LeaseId, by_client: bool) -> tuple[Task, ...]:
        """Return the parts of an audit, the assigned ones first."""
        return self.tasks_now([(lease, by_client)])[0]

    def auditor(self, account: Address) -> AuditorView:
        """Return how an auditor stands."""
        return AuditorView(*self._audits("auditorOf", account)[0])

    def answer_due(self, audit: Audit, token: int, amount: int, *, opens: bool) -> Due:
        """Return the clock of a commitment to an audit, or of its opening, where silence costs a sum."""
        clocks, end = self.audit_clocks, audit.commit_until
        since, until = (end, end + clocks.reveal) if opens else (end - clocks.commit, end)
        return Due.between(since, until, self.worth(token, amount))

    def draw_height(self) -> BlockNo:
        """Return the height that draws are counted in, which on some rollups is another chain's."""
        return BlockNo(self._audits("height")[0])

    def auditors_at(self, reading: BlockNo) -> int:
        """Return how many auditors were enrolled at a clock reading."""
        return int(self._audits("countAt", max(reading, 0))[0])

    def audit_credit(self, token: int, account: Address) -> Amount:
        """Return fees and refunds that `account` can withdraw."""
        return Amount(self._audits("owedOf", token, account)[0])

    def audit_fee(self, bid: Bid, items: int) -> Amount:
        """Return what one auditor of a job of that many items costs."""
        prices = self.audit_prices
        return fee_of(bid, items, prices.percent, prices.fixed_fees[bid.token])

    @property
    def audit_clocks(self) -> AuditClocks:
        """Spans of all audits."""
        return self._audit_terms[0]

    @property
    def audit_prices(self) -> AuditPrices:
        """Stakes and prices of all audits."""
        return self._audit_terms[1]

    def judging(self) -> Judging:
        """Return the clocks of this deployment's judges of tapes."""
        has = self.deployment
        demand = self.delivery_terms.demand_clock if has.delivery is not None else Blocks(0)
        return Judging(demand, self.audit_clocks if has.audits is not None else None)

    @cached_property
    def _audit_terms(self) -> tuple[AuditClocks, AuditPrices]:
        _, _, token, stake, *spans, delay, percent, fees = self._audits("terms")[0]
        return AuditClocks(*spans), AuditPrices(token, stake, delay, percent, tuple(map(Amount, fees)))

    def _audit_of(self, answer: bytes) -> Audit:
        [(stage, found, *rest)] = self.audits.abi.results("auditOf", answer)
        return Audit(Stage(stage), Answer(found), *rest)

    def _tasks_of(self, answer: bytes) -> tuple[Task, ...]:
        (found,) = self.audits.abi.results("tasksOf", answer)
        return tuple(Task(payer, Part(part), who, root, late) for payer, part, late, who, root in found)

    def _audits(self, function: str, *args: Any) -> tuple[Any, ...]:
        call = self._audit_call(function, *args)
        return self.node.view(call, partial(self.audits.abi.results, function))

    def _audit_call(self, function: str, *args: Any) -> Call:
        calls = self.audits
        return Call(calls.address, calls.abi.call_data(function, *args), f"{CONTRACT}.{function}")
