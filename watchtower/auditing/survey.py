"""The audits that concern this watchtower, as the chain has them now. Blocking."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from protocol.chain.audit_events import Abstained, Called, Earned, Reached, RewardTaken
from protocol.chain.audit_reads import AuditorView
from protocol.chain.client import Chain
from protocol.chain.events import topic_of
from protocol.chain.marks import Marks, after
from protocol.chain.node import BlockHead, Tag
from protocol.chain.rpc import RpcRefused
from protocol.chain.views import LeaseState, OpenedLease
from protocol.dispute.audits import Audit, Part, Sight, Stage, Task, may_draw
from protocol.dispute.records import Conviction
from protocol.games.audit_runs import Name
from protocol.games.audit_sight import read_sight
from protocol.types import Address, Amount, BlockNo, Blocks, InputError, LeaseId, TransientError, to_hex

log = logging.getLogger(__name__)

_ENDINGS = 16
"""Told at a time: after a gap there may be many, and the next block does not wait."""


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
    copied: bool = False
    """Whether it agreed with what was public when it committed: that is not paid."""

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
    owed: tuple[Amount, ...]


@dataclass(frozen=True, slots=True)
class _Standing:
    """An audit as a block has it."""

    name: Name
    audit: Audit
    tasks: tuple[Task, ...]

    def part(self, me: Address) -> Part | None:
        return next((task.part for task in self.tasks if task.auditor == me), None)

    def copied(self, me: Address) -> bool:
        return any(t.auditor == me and t.late and t.found == self.audit.found for t in self.tasks)

    def is_over_for(self, me: Address) -> bool:
        """Whether the auditor was not drawn, or has nothing to do or to get any more."""
        if self.audit.stage in (Stage.NONE, Stage.CALLED):
            return False
        return self.audit.stage is Stage.OVER or self.part(me) in (None, Part.DONE)


@dataclass
class Survey:
    """Looks at the audits of one deployment. What is over it reads no more, once that is confirmed.

    All audits are read with few requests, and only those that have drawn the auditor one by one, so a look
    after months of business takes no longer than others. `told`: whose end an earlier process has told.
    """

    me: Address
    told: set[Name] = field(default_factory=set)
    _done: set[Name] = field(default_factory=set)
    """Over, as a confirmed block says: the newest one may be undone."""
    _marks: Marks = ()
    """The newest block that anything of that rests on."""
    _endings: dict[Name, _Standing] = field(default_factory=dict)
    """What is done, and not told."""
    _leases: dict[LeaseId, OpenedLease] = field(default_factory=dict)

    def look(self, chain: Chain, head: BlockHead) -> Look:
        """Return what concerns the auditor, what is due first at the front; `head` is the newest block.

        `TransientError` without a node.
        """
        self._check_marks(chain)
        auditor = chain.auditor(self.me)
        concerned = bool(auditor.since) or self._was_drawn(chain)
        standings = self._unfinished(chain) if concerned else ()
        self._confirm(chain, [each for each in standings if each.is_over_for(self.me)])
        drawn = [
            each for each in standings if each.part(self.me) is not None and not each.is_over_for(self.me)
        ]
        called = [each for each in standings if each.audit.stage is Stage.CALLED]
        found = [*self._drawn(chain, drawn), *self._called(chain, called, auditor)]
        self.told -= {each.name for each in found}
        owed = tuple(chain.audit_credit(token, self.me) for token in range(len(chain.deployment.tokens)))
        return Look(head, auditor, tuple(found), owed)

    def endings(self, chain: Chain) -> tuple[Ending, ...]:
        """Return what came of audits that are over for good, some at a time, until `tell`.

        Nothing depends on it: it is asked for when whatever has a clock is under way.
        """
        return tuple(self._ending(chain, each) for each in list(self._endings.values())[:_ENDINGS])

    def tell(self, ended: Sequence[Ending]) -> None:
        """Take it that these were written down."""
        for each in ended:
            self.told.add(each.name)
            self._endings.pop(each.name, None)

    def is_following(self, name: Name) -> bool:
        """Whether anything may still be to do about an audit, if only to tell of its end."""
        return name not in self._done or name in self._endings

    def _check_marks(self, chain: Chain) -> None:
        """Begin anew if what counted as confirmed is no part of the chain any more."""
        scanner = chain.scanner
        if self._marks and not scanner.ground.standing(self._marks, scanner.confirmed_head()):
            self._done.clear()
            self._endings.clear()
            self._marks = ()

    def _confirm(self, chain: Chain, over: Sequence[_Standing]) -> None:
        """Be done with what a confirmed block, too, says to be over."""
        at = chain.scanner.confirmed_head()
        if not over or at < chain.deployment.block:
            return
        try:
            standings = _standings(chain, [each.name for each in over], at)
        except RpcRefused as error:  # the node has that block's state no more: it is read again
            log.info("what is confirmed of audits cannot be read: %s", error)
            return
        for each in standings:
            if each.is_over_for(self.me):
                self._done.add(each.name)
                if each.part(self.me) is not None and each.name not in self.told:
                    self._endings[each.name] = each
        head = chain.node.head(at)
        self._marks = after((), head) if head else self._marks

    def _was_drawn(self, chain: Chain) -> bool:
        """Whether an audit ever drew this auditor: a reward may be left after its stake was taken."""
        topics = (topic_of(chain.audits.abi, "Assigned"), None, None, bytes(12) + self.me)
        return bool(chain.scanner.all(topics))

    def _unfinished(self, chain: Chain) -> tuple[_Standing, ...]:
        called = chain.scanner.all((topic_of(chain.audits.abi, "Called"),))
        names = dict.fromkeys((each.lease, each.by_client) for each in called if isinstance(each, Called))
        return _standings(chain, [name for name in names if name not in self._done])

    def _drawn(self, chain: Chain, standings: Sequence[_Standing]) -> Iterator[Seen]:
        for each in sorted(standings, key=lambda each: each.audit.commit_until):
            try:
                opened = self._lease(chain, each.name[0])
                sight = read_sight(chain, opened.bid, each.name[1])
            except InputError as error:  # one audit's trouble is not the others': silence is punished
                log.warning("the audit of lease %s cannot be read: %s", to_hex(each.name[0]), error)
                continue
            if sight is not None:
                yield Seen(each.name, opened, sight)

    def _called(self, chain: Chain, standings: Sequence[_Standing], auditor: AuditorView) -> Iterator[Seen]:
        """Audits that may draw the auditor. Anybody orders as many as it pays for: none is read by itself."""
        leases = [each.name[0] for each in standings]
        if not leases:
            return
        now, block, clocks = chain.clock(), chain.draw_height(), chain.audit_clocks
        for each, view, verdict in zip(standings, chain.leases(leases), chain.verdicts(leases), strict=True):
            opened, audit = self._lease(chain, each.name[0]), each.audit
            if may_draw(auditor.since, auditor.left_at, opened.bid, view.started_at, audit.called_at):
                sight = Sight(
                    audit=audit,
                    tasks=each.tasks,
                    clocks=clocks,
                    now=now,
                    block=block,
                    window_end=BlockNo(view.last_beat + opened.bid.challenge_window),
                    holds=view.freezes,
                    convicted=verdict.how is not Conviction.NONE or view.state is LeaseState.CONVICTED,
                    ran=Blocks(view.last_beat - view.started_at),
                )
                yield Seen(each.name, opened, sight)

    def _lease(self, chain: Chain, lease: LeaseId) -> OpenedLease:
        if lease not in self._leases:
            self._leases = {each.lease: each for each in chain.leases_of()}
        if lease not in self._leases:
            raise TransientError("the chain changed while audits were read")
        return self._leases[lease]

    def _ending(self, chain: Chain, each: _Standing) -> Ending:
        (lease, by_client), abi = each.name, chain.audits.abi
        opened = self._lease(chain, lease)
        names = ("Reached", "Earned", "RewardTaken", "Abstained")
        topics = (tuple(topic_of(abi, name) for name in names), lease)
        # No audit is older than its lease.
        events = chain.scanner.between(opened.block, chain.block_number(), topics)
        ends = {
            event.at.tx for event in events if isinstance(event, Reached) and event.by_client == by_client
        }
        own = [event for event in events if getattr(event, "auditor", None) == self.me]
        return Ending(
            each.name,
            opened.bid.owner,
            opened.bid.token,
            each.audit.item,
            Amount(sum(e.fee for e in own if isinstance(e, Earned) and e.at.tx in ends)),
            Amount(sum(e.amount for e in own if isinstance(e, RewardTaken))),
            any(isinstance(e, Abstained) and e.by_client == by_client for e in own),
            each.copied(self.me),
        )


def _standings(chain: Chain, names: Sequence[Name], tag: Tag = "latest") -> tuple[_Standing, ...]:
    found = zip(names, chain.audits_now(names, tag), chain.tasks_now(names, tag), strict=True)
    return tuple(_Standing(*each) for each in found)
