"""What to do next about one audit: what is seen of it goes in, one move comes out.

| stage | auditor | provider |
|---|---|---|
| CALLED | `Draw`; `Redraw` once the hash is gone | the same |
| DRAWN | `RunItem`, `Commit` or `Abstain`, `Reveal`, `Finish` | the same, but for `Abstain` |
| CONTESTED | who accuses: `Challenge`, then `Close` | `Close` |
| SILENT | `SettleLease` after the claim period, then `TakeReward` | - |

Whoever would earn nothing and risk nothing does nothing. If another judge convicted the lease, `Finish` and
`Close` end the audit.

An auditor has the job from the provider, and silence costs it stake: one that cannot get or run the job
abstains. It tries as long as it can, and keeps the time that a transaction may take. So does one that could
play no game: what it commits to it may have to defend (ADR 049). And one whose own run came to what the
provider has shown in the lease's other audit: agreeing is not paid (ADR 053). It runs the item all the same:
who finds something else accuses, and is paid. A trace that a game has shown is no reason: a provider would
escape every audit by showing it, since outputs may be false behind a true one.
"""

from dataclasses import dataclass

from protocol.dispute.audits.names import Answer, Audit, AuditClocks, Part, Roots, Stage, Task
from protocol.types import ZERO_HASH, Address, BlockNo, Blocks, Hash32

_NEVER = BlockNo(1 << 64)
_HASHES = 256
"""Blocks whose hash the chain still knows."""
_TRACE_FACTOR = 6
"""Times its length that a lease adds to the clock for a trace."""
_LAST = 2
"""Readings left at the last moment to send an answer."""


@dataclass(frozen=True, slots=True)
class Sight:
    """An audit, its lease, and what is known of the drawn item.

    `now` is the clock, `block` the height that draws are counted in.
    """

    audit: Audit
    tasks: tuple[Task, ...]
    clocks: AuditClocks
    now: BlockNo
    block: BlockNo
    window_end: BlockNo
    """Last reading at which a game can be opened."""
    holds: int
    """Games, demands and audits that hold the lease."""
    own: Roots | None = None
    """Of one's own run of the item; None: not run yet."""
    failed: bool = False
    """Whether a try to get the job and run the item has failed."""
    unable: bool = False
    """Whether no game about the item could be played here: it takes too long, or the bond is lacking."""
    public: bool = False
    """Whether the provider has shown in the lease's other audit what one's own run came to."""
    shown: Roots | None = None
    """What the provider revealed."""
    game_trace: Hash32 = ZERO_HASH
    """The trace that the provider shows in a game about what it revealed; zero: in none yet."""
    playing: bool = False
    """Whether the accusation is in the hands of whoever plays one's games."""
    convicted: bool = False
    """Whether a judge sentenced the lease, or it ended as convicted."""
    claim_until: BlockNo = _NEVER
    """Last reading of the claim period of a lease that is sentenced."""
    settled: bool = False
    ran: Blocks = Blocks(0)  # noqa: RUF009 - a number
    """From the lease's start to its result."""

    @property
    def games_end(self) -> BlockNo:
        """Last reading at which a game about the lease can be under way (RULES 13)."""
        return BlockNo(self.window_end + self.clocks.game_span + _TRACE_FACTOR * self.ran)


@dataclass(frozen=True, slots=True)
class Draw:
    """Draw auditors and item."""


@dataclass(frozen=True, slots=True)
class Redraw:
    """Have another block draw."""


@dataclass(frozen=True, slots=True)
class RunItem:
    """Execute the item and make its trace's root."""

    item: int


@dataclass(frozen=True, slots=True)
class Commit:
    """Commit to `roots`. `task` is None for the provider."""

    task: int | None
    roots: Roots


@dataclass(frozen=True, slots=True)
class Abstain:
    """Give the task up, before anything is committed to: the job cannot be had or run here, or agreeing with
    what it comes to is not paid."""

    task: int


@dataclass(frozen=True, slots=True)
class Reveal:
    """Open the commitment to `roots`."""

    task: int | None
    roots: Roots


@dataclass(frozen=True, slots=True)
class Finish:
    """Have the contract compare."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Open a game about the item, whose root under the result is this."""

    item: int
    item_root: Hash32


@dataclass(frozen=True, slots=True)
class Close:
    """Have a contested audit decided."""

    shown: Roots


@dataclass(frozen=True, slots=True)
class SettleLease:
    """End the lease as convicted and fix the shares."""


@dataclass(frozen=True, slots=True)
class TakeReward:
    """Take a part of the conviction's reward."""

    task: int


Move = (
    Draw
    | Redraw
    | RunItem
    | Commit
    | Abstain
    | Reveal
    | Finish
    | Challenge
    | Close
    | SettleLease
    | TakeReward
)


def auditor_move(sight: Sight, me: Address) -> Move | None:
    """What the auditor `me` does next; None: nothing, or nothing yet."""
    audit = sight.audit
    if audit.stage is Stage.CALLED:
        return _drawing(sight)
    task = next((i for i, each in enumerate(sight.tasks) if each.auditor == me), None)
    if task is None:
        return None
    part = sight.tasks[task].part
    match audit.stage:
        case Stage.DRAWN if part is not Part.DONE:
            return _answering(sight, task, _DONE[part])
        case Stage.CONTESTED if part is Part.ACCUSING:
            return _accusing(sight)
        case Stage.SILENT if part is Part.REWARDED and sight.settled:
            return TakeReward(task)
        case Stage.SILENT if part is Part.REWARDED and sight.now > sight.claim_until:
            return SettleLease()
        case _:
            return None


def provider_move(sight: Sight) -> Move | None:
    """What the provider does next; None: nothing, or nothing yet.

    It draws and finishes too: until the audit is over, it is not paid.
    """
    match sight.audit.stage:
        case Stage.CALLED:
            return _drawing(sight)
        case Stage.DRAWN:
            return _answering(sight, None, sight.audit.answer)
        case Stage.CONTESTED if sight.shown is not None and _decided(sight):
            return Close(sight.shown)
        case _:
            return None


def payer_move(sight: Sight) -> Move | None:
    """What who paid may do, lest the audit hold the lease for ever. Auditors and provider come first."""
    match sight.audit.stage:
        case Stage.CALLED:
            return _drawing(sight)
        case Stage.DRAWN if sight.convicted or _can_finish(sight):
            return Finish()
        case Stage.CONTESTED if sight.shown is not None and _decided(sight):
            return Close(sight.shown)
        case _:
            return None


_DONE = {
    Part.ASSIGNED: Answer.NONE,
    Part.COMMITTED: Answer.COMMITTED,
    **{part: Answer.REVEALED for part in Part if part > Part.COMMITTED},
}


def _drawing(sight: Sight) -> Move | None:
    audit = sight.audit
    if sight.convicted:
        return Finish()
    # Nodes try a transaction on the newest block first, so its hash must be known there already.
    if sight.block <= audit.draw_block:
        return None
    late = sight.now > audit.called_at + sight.clocks.draw
    return Redraw() if late or sight.block - audit.draw_block > _HASHES else Draw()


def _answering(sight: Sight, task: int | None, done: Answer) -> Move | None:
    audit, now = sight.audit, sight.now
    if sight.convicted:
        return Finish()
    reveal_until = audit.commit_until + sight.clocks.reveal
    if done is Answer.NONE and now <= audit.commit_until:
        if sight.own:
            return Abstain(task) if task is not None and sight.public else Commit(task, sight.own)
        return Abstain(task) if task is not None and _gives_up(sight) else RunItem(audit.item)
    opening = audit.committed > audit.assigned or now > audit.commit_until
    # Without the roots no commitment can be opened: they are found again by running the item again. At once:
    # the time to reveal may be too short for that.
    if done is Answer.COMMITTED and now <= reveal_until:
        if sight.own is None:
            return RunItem(audit.item)
        if opening:
            return Reveal(task, sight.own)
    return Finish() if _can_finish(sight) else None


def accuses(sight: Sight, me: Address) -> bool:
    """Say whether what `me` has revealed is not what the provider has: half of its stake is at risk."""
    return any(
        task.auditor == me and (task.part is Part.ACCUSING or _contradicts(sight, number))
        for number, task in enumerate(sight.tasks)
    )


def prepares(sight: Sight, me: Address) -> bool:
    """Say whether `me` will have to accuse as soon as the contract has compared.

    Until then no game is opened, but the run that it begins with can be made.
    """
    shown = sight.shown  # None: its event is not confirmed yet
    if sight.audit.stage is not Stage.DRAWN or shown is None or sight.convicted:
        return False
    return accuses(sight, me) and not _contradicted(sight, shown)


def _contradicts(sight: Sight, task: int) -> bool:
    audit, own = sight.audit, sight.tasks[task]
    revealed = audit.answer is Answer.REVEALED and own.part is Part.REVEALED
    return audit.stage is Stage.DRAWN and revealed and own.found != audit.found


def _gives_up(sight: Sight) -> bool:
    """Whether what is left of the time for commitments is kept for a transaction.

    Half of the clock is the chain's worst forced-inclusion delay: who has tried in vain waits no longer. A
    try that is under way, or that nobody has made since a restart, has until the last eighth.
    """
    clock, left = sight.clocks.commit, sight.audit.commit_until - sight.now
    return sight.unable or left <= max(_LAST, clock // (2 if sight.failed else 8))


def _can_finish(sight: Sight) -> bool:
    audit = sight.audit
    until = audit.commit_until
    if audit.answer is not Answer.NONE:
        until = BlockNo(until + sight.clocks.reveal)
    return audit.opened > audit.assigned or sight.now > until


def _accusing(sight: Sight) -> Move | None:
    shown = sight.shown
    if shown is None:
        return None  # its event is not confirmed yet
    if _contradicted(sight, shown) or _decided(sight):
        return Close(shown)
    # Not before the comparison: until then nothing holds a trace that a game shows against the revealed one.
    # The contract leaves `contest` of the window after it. Also without the own run: the game repeats it.
    if not sight.playing and sight.now <= sight.window_end:
        return Challenge(sight.audit.item, shown.item)
    return None


def _contradicted(sight: Sight, shown: Roots) -> bool:
    """Whether the provider has shown two traces of the item (RULES 8)."""
    return sight.game_trace not in (ZERO_HASH, shown.trace)


def _decided(sight: Sight) -> bool:
    """Whether the contract's `close` has an end to go to."""
    over = sight.now > sight.window_end
    alone = sight.holds == 1 or sight.now > sight.games_end
    return sight.convicted or (over and alone)
