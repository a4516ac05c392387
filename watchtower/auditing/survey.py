"""The audits that concern this watchtower, as the chain has them now. Blocking."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

from protocol.chain.audit_events import Abstained, Called, Earned, Reached, RewardTaken
from protocol.chain.audit_reads import AuditorView
from protocol.chain.client import Chain
from protocol.chain.events import topic_of
from protocol.chain.node import BlockHead
from protocol.chain.views import OpenedLease
from protocol.dispute.audits import Audit, Part, Sight, Stage, may_draw
from protocol.games.audit_sight import read_sight
from protocol.types import Address, Amount, InputError, LeaseId, TransientError, to_hex

log = logging.getLogger(__name__)

Name = tuple[LeaseId, bool]
"""An audit: its lease, and whether it is the client's."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An audit that is not over, and has drawn this auditor or may."""

    name: Name
    opened: OpenedLease
    sight: Sight

    def task(self, me: Address) -> int | None:
        """Return the auditor's own part, if it was drawn."""
        return next((i for i, each in enumerate(self.sight.tasks) if each.auditor == me), None)


@dataclass(frozen=True, slots=True)
class Ending:
    """What came of an audit that had drawn this auditor. Sums are in the lease's token."""

    name: Name
    owner: Address
    token: int
    item: int
    fee: Amount
    reward: Amount
    abstained: bool = False

    @property
    def outcome(self) -> str:
        """What it came to, in a word for metrics."""
        if self.abstained:
            return "abstained"
        return "paid" if self.fee else "unpaid"


@dataclass(frozen=True, slots=True)
class Look:
    """One look. `owed`: fees and refunds that wait to be withdrawn, by token."""

    head: BlockHead
    auditor: AuditorView
    open: tuple[Seen, ...]
    ended: tuple[Ending, ...]
    owed: tuple[Amount, ...]


@dataclass
class Survey:
    """Looks at the audits of one deployment. What is over it reads no more, unless a re-org comes."""

    me: Address
    _done: set[Name] = field(default_factory=set)
    _last: BlockHead | None = None
    _leases: dict[LeaseId, OpenedLease] = field(default_factory=dict)

    def look(self, chain: Chain, head: BlockHead) -> Look:
        """Return what concerns the auditor; `head` is the newest block. `TransientError` without a node."""
        if self._last is not None and chain.node.head(self._last.number) != self._last:
            self._done.clear()
        self._last = head
        auditor = chain.auditor(self.me)
        seen: list[Seen] = []
        ended: list[Ending] = []
        concerned = bool(auditor.since) or self._was_drawn(chain)
        for name, audit in self._unfinished(chain) if concerned else ():
            try:
                read = self._read(chain, name, audit, auditor)
            except InputError as error:  # one audit's trouble is not the others': silence is punished
                log.warning("the audit of lease %s cannot be read: %s", to_hex(name[0]), error)
                continue
            match read:
                case Seen() as found:
                    seen.append(found)
                case Ending() as found:
                    ended.append(found)
                    self._done.add(name)
                case None if audit.stage is not Stage.CALLED:
                    self._done.add(name)
        owed = tuple(chain.audit_credit(token, self.me) for token in range(len(chain.deployment.tokens)))
        return Look(head, auditor, tuple(seen), tuple(ended), owed)

    def _was_drawn(self, chain: Chain) -> bool:
        """Whether an audit ever drew this auditor: a reward may be left after its stake was taken."""
        topics = (topic_of(chain.audits.abi, "Assigned"), None, None, bytes(12) + self.me)
        return bool(chain.scanner.all(topics))

    def _unfinished(self, chain: Chain) -> Iterator[tuple[Name, Audit]]:
        called = chain.scanner.all((topic_of(chain.audits.abi, "Called"),))
        names = dict.fromkeys((each.lease, each.by_client) for each in called if isinstance(each, Called))
        wanted = [name for name in names if name not in self._done]
        yield from zip(wanted, chain.audits_now(wanted), strict=True)

    def _read(self, chain: Chain, name: Name, audit: Audit, auditor: AuditorView) -> Seen | Ending | None:
        opened = self._lease(chain, name[0])
        if audit.stage is Stage.CALLED:
            started = chain.lease(name[0]).started_at
            if not may_draw(auditor.since, auditor.left_at, opened.bid, started, audit.called_at):
                return None
        else:
            part = next((t.part for t in chain.audit_tasks(*name) if t.auditor == self.me), None)
            if part is None:
                return None
            if audit.stage is Stage.OVER or part is Part.DONE:
                return _ending(chain, name, audit, opened, self.me)
        sight = read_sight(chain, opened.bid, name[1])
        return Seen(name, opened, sight) if sight is not None else None

    def _lease(self, chain: Chain, lease: LeaseId) -> OpenedLease:
        if lease not in self._leases:
            self._leases = {each.lease: each for each in chain.leases_of()}
        if lease not in self._leases:
            raise TransientError("the chain changed while audits were read")
        return self._leases[lease]


def _ending(chain: Chain, name: Name, audit: Audit, opened: OpenedLease, me: Address) -> Ending:
    lease, abi, account = name[0], chain.audits.abi, bytes(12) + me
    by = int(name[1]).to_bytes(32, "big")
    ends = chain.scanner.all((topic_of(abi, "Reached"), lease, by))
    txs = {each.at.tx for each in ends if isinstance(each, Reached)}
    earned = chain.scanner.all((topic_of(abi, "Earned"), lease, account))
    fee = sum(each.fee for each in earned if isinstance(each, Earned) and each.at.tx in txs)
    taken = chain.scanner.all((topic_of(abi, "RewardTaken"), lease, account))
    reward = sum(each.amount for each in taken if isinstance(each, RewardTaken))
    given_up = chain.scanner.all((topic_of(abi, "Abstained"), lease, by, account))
    abstained = any(isinstance(each, Abstained) for each in given_up)
    sums = Amount(fee), Amount(reward)
    return Ending(name, opened.bid.owner, opened.bid.token, audit.item, *sums, abstained)
