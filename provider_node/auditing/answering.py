"""Answers audits of our results: at every new height, whatever `provider_move` says.

Nothing is remembered that has to be right: an audit is read from the chain, its salt is made from the
operator's key, and what was forgotten of a run is run again. So outages, restarts and re-organisations need
no case of their own. Runs are kept on disk all the same: the time to reveal may be too short for another one.
"""

import logging
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from operator import itemgetter

import msgspec
import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.calls import Call, Due
from protocol.chain.errors import Revert
from protocol.dispute.audits import (
    Answer,
    Close,
    Commit,
    Draw,
    Finish,
    Move,
    Opening,
    Redraw,
    Reveal,
    Roots,
    RunItem,
    Sight,
    commitment,
    provider_move,
)
from protocol.dispute.delivery import PostedItem
from protocol.dispute.names import Case
from protocol.engines.worker.dispute_records import Item
from protocol.games.audit_runs import AuditRuns, Name, Run
from protocol.games.audit_sight import read_sight, salt_of
from protocol.games.bench import Bench
from protocol.games.line import Line
from protocol.games.pace import patience
from protocol.games.turns import Claim, Seats
from protocol.lease.provider_types import ProviderLease, Stage
from protocol.runtime.child import ChildOptions
from protocol.runtime.logs import about
from protocol.runtime.loop import Loop
from protocol.types import (
    ZERO_HASH,
    BlockNo,
    BrokenInvariant,
    GavelError,
    Hash32,
    LeaseId,
    TransientError,
    Verification,
)
from provider_node.defence.items import Items
from provider_node.defence.tracer import Made, open_tracer
from provider_node.defence.waiting import Waiting
from provider_node.sending import Sending
from provider_node.watcher import KIND as LEASE
from provider_node.watcher import Watcher

log = logging.getLogger(__name__)

_READS = Seats(8, 16, 0.0)
"""Jobs that are read at once, to hold them to their ids, or fetched anew where the disk has damaged them.
Each takes one of the daemon's 40 threads meanwhile."""


@dataclass
class Auditing:
    """Looks and answers while `run` runs. `seen`: open audits, as last read."""

    chain: AsyncChain
    loop: Loop
    watcher: Watcher
    sending: Sending
    items: Items
    options: ChildOptions
    """Of the children that execute."""
    key: bytes
    """Of the operator: makes salts."""
    kept: AuditRuns
    running: Line = field(default_factory=Line)
    """What is executed at once, and takes the memory that there is for defending results."""
    trouble: str = ""
    """Why some audit cannot be read or answered, or empty."""
    seen: dict[Name, Sight] = field(default_factory=dict)
    _runs: dict[Name, Run] = field(default_factory=dict)
    _doubts: dict[Name, int] = field(default_factory=dict)
    """Runs that contradicted the result."""
    _busy: set[Name] = field(default_factory=set)
    _reading: Bench = field(default_factory=lambda: Bench(_READS))
    _waiting: Waiting = field(default_factory=Waiting)
    _scopes: dict[Name, tuple[Hash32, trio.CancelScope]] = field(default_factory=dict)
    """Of which draw they are, and what ends them."""
    _looked: object = None

    async def run(self) -> None:
        """Look whenever there is a new height, until cancelled."""
        await self.watcher.ready()
        async with trio.open_nursery() as nursery:
            while True:
                await self.look(nursery)
                await trio.sleep(self.watcher.poll_s)

    async def look(self, nursery: trio.Nursery) -> None:
        """Read both audits of every lease that is held up; begin what is to be done."""
        posted = dict(self._held())
        looking = (self.watcher.height, tuple(sorted(posted)))
        if looking == self._looked:
            return
        self._reading.look(self.watcher.height)
        seen, trouble = dict[Name, Sight](), ""
        due: list[tuple[BlockNo, Name, ProviderLease]] = []
        for lease, state in posted.items():
            for name in ((lease, True), (lease, False)):
                try:
                    sight = await self.chain.run(read_sight, state.bid, name[1])
                except GavelError as error:  # the other leases' clocks run all the same
                    trouble = str(error)
                    continue
                if sight is not None:
                    seen[name] = sight
                    due.append((sight.audit.commit_until, name, state))
        for _, name, state in sorted(due, key=itemgetter(0)):
            await trio.to_thread.run_sync(self._recall, name, state, seen[name])
            self._begin(nursery, name, state, seen[name])
        if not trouble:
            for name, (_, scope) in self._scopes.items():
                if name not in seen:
                    scope.cancel()  # the audit is over, or a re-organisation undid it
        self.seen = seen
        await self._forget()
        self._looked = None if trouble else looking
        self._say(trouble)

    def _recall(self, name: Name, state: ProviderLease, sight: Sight) -> None:
        """Take an earlier process's run from the disk, if it opens what was committed to."""
        audit, known = sight.audit, self._runs.get(name)
        if known is not None and known.item == audit.item:
            return
        run = self.kept.of(name, audit.item)
        if run is None or run.opening is None:
            return
        salt = salt_of(self.key, audit.seed)
        sealed = commitment(run.roots, state.bid.owner, name[0], audit.seed, salt)
        if audit.answer is not Answer.COMMITTED or sealed == audit.found:
            self._runs[name] = run

    async def _forget(self) -> None:
        """Drop the runs of leases that are forgotten: no re-org brings their audits back."""
        leases = self.loop.states(LEASE)  # the loop's, and what runs came to, change in this thread alone
        self._runs = {name: run for name, run in self._runs.items() if name[0] in leases}
        await trio.to_thread.run_sync(self._drop, leases.keys())

    def _drop(self, leases: Collection[bytes]) -> None:
        for name in self.kept.names():
            if name[0] not in leases:
                self.kept.forget(name)

    def _held(self) -> Iterator[tuple[LeaseId, ProviderLease]]:
        for id, state in self.loop.states(LEASE).items():
            posted = state.chain.stage == Stage.POSTED and state.chain.frozen
            if posted and state.bid.verification == Verification.TAPE:
                yield LeaseId(id), state

    def _begin(self, nursery: trio.Nursery, name: Name, state: ProviderLease, sight: Sight) -> None:
        run = self._runs.get(name)
        # A re-organisation may have drawn another item.
        own = run.roots if run and run.item == sight.audit.item else None
        move = provider_move(replace(sight, own=own))
        drawn, scope = self._scopes.get(name, (sight.audit.seed, None))
        if scope is not None and drawn != sight.audit.seed:
            scope.cancel()  # a re-organisation replaced the draw: its run comes to nothing
        if move is not None and name not in self._busy:
            self._busy.add(name)
            nursery.start_soon(self._do, name, state, sight, move)

    async def _do(self, name: Name, state: ProviderLease, sight: Sight, move: Move) -> None:
        with about(lease=name[0].hex()):
            try:
                if isinstance(move, RunItem):
                    with trio.CancelScope() as scope:
                        self._scopes[name] = (sight.audit.seed, scope)
                        self._runs[name] = run = await self._executed(name, state, sight)
                        await trio.to_thread.run_sync(self.kept.keep, name, run)
                else:
                    step = type(move).__name__.lower()
                    log.info("audit by %s: %s", "the client" if name[1] else "strangers", step)
                    call = self._call(name, state, move, sight)
                    if isinstance(move, Commit | Reveal):
                        call = call.by(await self._due(state, sight, opens=isinstance(move, Reveal)))
                    # What is not in a block by then goes on being sent, and it is looked anew what is due:
                    # somebody else may have drawn, and a clock run by now.
                    with trio.move_on_after(patience(self.chain.blocking.network)):
                        await self.sending.send(
                            call, f"audit {name[0].hex()} {name[1]} {step} {sight.audit.cause}"
                        )
            except Revert as error:
                # Somebody else was quicker, or the lease is sentenced: the chain will say.
                log.info("a move in an audit was refused: %s", error)
            except GavelError as error:
                self._say(str(error))
            finally:
                self._looked = None
                self._busy.discard(name)
                self._scopes.pop(name, None)

    async def _executed(self, name: Name, state: ProviderLease, sight: Sight) -> Run:
        item, audit = sight.audit.item, sight.audit
        doubts, due = self._doubts.get(name, 0), _due_by(sight)
        seconds = sight.clocks.commit * self.items.block_ms / 1_000
        read = partial(self._read, name[0], state, sight, doubts)
        # What is read, or served, slowly takes no run's place.
        drawn, made = await self._reading.work(Claim(state.bid.client, due, seconds), read)
        async with self.running.place(due, self.items.memory_of(name[0])):
            if self.watcher.height > due:
                raise TransientError("an audit's clock is over: its run would only keep others waiting")
            left = audit.commit_until + sight.clocks.reveal - self.watcher.height
            drawn = msgspec.structs.replace(drawn, time_limit=max(left, 1) * self.items.block_ms / 1_000)
            took_s = self.items.audited_ms(name[0]) / 1_000
            # A child of its own: another audit's long run must not make this one late.
            async with open_tracer(self.options) as tracer:
                with self._waiting.within(name, took_s, drawn.time_limit):
                    found = await tracer.roots(drawn, made)
        if found.differs:
            # If this run is at fault and not the result, its trace would convict a right result: run again.
            self._doubts[name] = doubts + 1
            raise TransientError(f"item {item} comes out otherwise than it was posted")
        roots = Roots(Hash32(found.trace_root), Hash32(found.item_root))
        posted = PostedItem(tuple(map(Hash32, found.roots)), tuple(map(Hash32, found.proof)))
        return Run(item, roots, Opening(roots.trace, posted, tuple(map(Hash32, found.end))))

    async def _read(
        self, lease: LeaseId, state: ProviderLease, sight: Sight, doubts: int
    ) -> tuple[Item, Made]:
        if state.result is None:
            raise GavelError("the journal does not know the lease's outputs")
        held = self.items.held
        made = Made(await held.outputs(lease, state), held.noted(lease), state.result.output_root)
        case = Case(lease, state.bid.job_hash, sight.audit.item, ZERO_HASH)
        return await self.items.of(case, 0, doubts), made

    async def _due(self, state: ProviderLease, sight: Sight, *, opens: bool) -> Due:
        bid, audit = state.bid, sight.audit
        return await self.chain.run(lambda each: each.answer_due(audit, bid.token, bid.bond, opens=opens))

    def _call(self, name: Name, state: ProviderLease, move: Move, sight: Sight) -> Call:
        calls, bid, (lease, mine) = self.chain.blocking.audits, state.bid, name
        seed = sight.audit.seed
        salt = salt_of(self.key, seed)
        match move:
            case Commit(_, roots):
                return calls.commit_as_provider(
                    bid, mine, seed, commitment(roots, bid.owner, lease, seed, salt)
                )
            case Reveal():
                opening = self._runs[name].opening
                if opening is None:
                    raise BrokenInvariant("a provider's run has no opening")
                return calls.reveal_as_provider(bid, mine, opening, salt)
            case Draw():
                return calls.draw(bid, mine)
            case Redraw():
                return calls.redraw(bid, mine)
            case Finish():
                return calls.finish(bid, mine)
            case Close(shown):
                return calls.close(bid, mine, shown)
            case _:
                raise BrokenInvariant(f"a provider does not {type(move).__name__}")

    def _say(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            log.warning("audits: %s", trouble)
        self.trouble = trouble


def _due_by(sight: Sight) -> BlockNo:
    """Return by when a run of the item is needed: to commit, or, once that is done, to reveal."""
    until = sight.audit.commit_until
    return until if sight.audit.answer is Answer.NONE else BlockNo(until + sight.clocks.reveal)
