"""Plays the audits that draw this watchtower: at every new block, whatever `auditor_move` says.

Nothing is remembered that has to be right: an audit is read from the chain, its salt is made from the
wallet's key, and what was forgotten of a run is run again. So outages, restarts and re-organisations need
no case of their own.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import trio

from protocol.auction.money import Unit
from protocol.chain.calls import Call, TxReceipt
from protocol.chain.errors import Revert
from protocol.crypto import keccak256
from protocol.dispute.audits import (
    Abstain,
    Challenge,
    Commit,
    Draw,
    Finish,
    Move,
    Part,
    Redraw,
    Reveal,
    Roots,
    RunItem,
    Stage,
    accuses,
    auditor_move,
    bound,
    commitment,
    prepares,
)
from protocol.games.audit_runs import Effort, Name, Run
from protocol.games.audit_sight import is_public, salt_of
from protocol.games.bench import Bench
from protocol.games.line import Line
from protocol.games.pace import patience, rest
from protocol.games.turns import Claim, Seats
from protocol.runtime.child import Child, open_child
from protocol.runtime.logs import about
from protocol.runtime.metrics import Metrics
from protocol.types import (
    Address,
    BlockNo,
    Blocks,
    BrokenInvariant,
    GavelError,
    Hash32,
    InputError,
    LeaseId,
    TransientError,
    to_hex,
)
from watchtower.auditing.moves import SHARED, call_of, due_of, effect_of, sentence_of, stake_due, waiting_for
from watchtower.auditing.notes import Notes
from watchtower.auditing.running import Job, Ran, Room, get_job, narrowness, reason_of, run_item, why_no_game
from watchtower.auditing.survey import Look, Seen, Survey
from watchtower.auditing.telling import audit_note, auditor_note, ending_note
from watchtower.obtaining import Rig
from watchtower.rerun import WORKER, games_memory, staked
from watchtower.spending import Spending

log = logging.getLogger(__name__)

_IDLE_S = 5.0
"""Many jobs are waited for at once: no idle child takes memory meanwhile."""
_DEEPEST = 256
"""Blocks by which a re-org may bring an audit back."""
_TURNS = 3
"""What any of several parties may send is spread over so many blocks, lest all of them pay for it."""
_ROOMY = Blocks(12)
"""A shorter draw clock leaves no time for that."""
_HELPLESS = "challenge is off, so it could not defend what it commits to"
_OFF = "the item comes out otherwise here, but challenge is off: half of the stake burns"
_FETCHES = Seats(32, 64, 0.0)
"""Jobs fetched at once. A slow server costs no more than one of these seats, and that only while nobody who
has more right to it wants it."""
_PUBLIC = "the provider has shown the same in the other audit already, so agreeing is not paid"
_VAIN = "what was committed to is not what the item comes to here now: it cannot be opened"


@dataclass(frozen=True)
class Court:
    """How games are opened about what an audit found, and whether one was, about an item of a lease.

    `prepare`: have the run made with which a game opens, as soon as it is certain that one will be needed.
    Both take how many seconds the item took here; 0: not known. `keep`: let go what was prepared about other
    items of leases than these.
    """

    accuse: Callable[[Seen, float], Awaitable[None]]
    accused: Callable[[LeaseId, int], bool]
    prepare: Callable[[Seen, float], None]
    keep: Callable[[Collection[tuple[LeaseId, int]]], None]
    traces: Callable[[], Mapping[tuple[LeaseId, int], int]]
    """Of items that games are under way about, what each takes in memory; 0: not known."""


@dataclass
class Auditing:
    """The auditor's desk while `run` runs. `court` is None where no games are played."""

    rig: Rig
    key: bytes
    notes: Notes
    spending: Spending
    metrics: Metrics
    court: Court | None
    doing: dict[Name, str] = field(default_factory=dict)
    """What is done or waited for in each audit."""
    _runs: dict[Name, Run] = field(default_factory=dict)
    _failed: dict[Name, tuple[Hash32, str]] = field(default_factory=dict)
    """For which draw, and why, the last try to get the job and run the item was in vain."""
    _due: dict[tuple[Name, str], int] = field(default_factory=dict)
    """The block in which a shared move was first seen to be due."""
    _vain: dict[Name, Hash32] = field(default_factory=dict)
    """Audits whose commitment no run of ours opens, with the draw."""
    _unable: dict[Name, Hash32] = field(default_factory=dict)
    """Audits about which no game could be played here, with the draw."""
    _public: dict[Name, Hash32] = field(default_factory=dict)
    """Audits of items that come to what the provider has shown already, with the draw."""
    _busy: set[Name] = field(default_factory=set)
    _fetching: Bench = field(default_factory=lambda: Bench(_FETCHES))
    _running: Line = field(default_factory=Line)
    _scopes: dict[Name, tuple[Hash32, trio.CancelScope]] = field(default_factory=dict)
    """Of which draw the runs under way are, and what ends them."""
    _written: dict[Name | None, object] = field(default_factory=dict)
    """Notes as they are on disk, since each is written durably, at a price; None: the auditor's own."""
    _withdrawing: bool = False
    _looked: object = None

    def __post_init__(self) -> None:
        self._survey = Survey(self.me, told=self.notes.told())
        self._open = self.metrics.gauge(
            "gavel_watchtower_audits_open", "Audits that have drawn this watchtower."
        )
        self._ended = self.metrics.counter(
            "gavel_watchtower_audits_total", "Audits of this watchtower that ended.", ["outcome"]
        )

    @property
    def me(self) -> Address:
        """The auditor."""
        return self.rig.chain.blocking.address

    async def run(self) -> None:
        """Look whenever there is a new block, until cancelled."""
        failures = 0
        async with trio.open_nursery() as nursery:
            while True:
                try:
                    await self.look(nursery)
                    failures = 0
                except BrokenInvariant:
                    raise
                except GavelError as error:
                    log.warning("audits cannot be read now: %s", error)
                    self._looked = None
                    failures += 1
                await trio.sleep(rest(self.rig.chain.blocking.network, failures))

    async def look(self, nursery: trio.Nursery) -> None:
        """Read all audits that concern us; begin what is to be done."""
        head = await self.rig.chain.run(lambda chain: chain.node.head())
        if head is None or head == self._looked:
            return
        self._looked = head
        look = await self.rig.chain.run(lambda chain: self._survey.look(chain, head))
        self._fetching.look(max((each.sight.now for each in look.open), default=0))
        for seen in look.open:  # those that are due first at the front
            await self._begin(nursery, seen)
        if self.court is not None:
            accusing = (each for each in look.open if accuses(each.sight, self.me))
            self.court.keep({(each.name[0], each.sight.audit.item) for each in accusing})
        drawn = [each for each in look.open if each.task(self.me) is not None]
        self._open.set(len(drawn))
        if any(look.owed) and not drawn and not self._withdrawing:
            self._withdrawing = True
            nursery.start_soon(self._withdraw, look)
        await self._note(look)
        self._forget()

    # -- one audit -------------------------------------------------------------------------------------

    async def _begin(self, nursery: trio.Nursery, seen: Seen) -> None:
        own = await trio.to_thread.run_sync(self._own, seen)
        item, seed = seen.sight.audit.item, seen.sight.audit.seed
        playing = self.court is None or self.court.accused(seen.name[0], item)
        failed = seen.name in self._failed and self._failed[seen.name][0] == seed
        unable = self.court is None or self._unable.get(seen.name) == seed
        public = self._public.get(seen.name) == seed
        sight = replace(seen.sight, own=own, failed=failed, unable=unable, public=public, playing=playing)
        move = auditor_move(sight, self.me)
        if self.court is not None and prepares(sight, self.me):
            effort = await trio.to_thread.run_sync(self._effort, seen.name, item)
            self.court.prepare(seen, effort.seconds)
        if seen.name in self._busy:
            # Whatever is under way ends before another move is made: what it has come to by then counts. But
            # a run for a draw that a re-organisation replaced comes to nothing.
            drawn, scope = self._scopes.get(seen.name, (seed, None))
            if scope is not None and (isinstance(move, Abstain) or drawn != seed):
                scope.cancel()
            return
        # An audit that drew nobody pays nobody for its end.
        unpaid = isinstance(move, Finish) and seen.sight.audit.stage is Stage.CALLED
        if isinstance(move, RunItem) and self._vain.get(seen.name) == seed:
            self.doing[seen.name] = _VAIN
        elif move is None or unpaid or self._others_turn(seen, move):
            alone = self.court is None and accuses(seen.sight, self.me)
            self.doing[seen.name] = _OFF if alone else waiting_for(seen, self._part(seen))
        else:
            self._busy.add(seen.name)
            nursery.start_soon(self._do, seen, move)

    def _part(self, seen: Seen) -> Part | None:
        task = seen.task(self.me)
        return None if task is None else seen.sight.tasks[task].part

    def _own(self, seen: Seen) -> Roots | None:
        """Our run of the drawn item, if it is known and opens what was committed to."""
        task, item = seen.task(self.me), seen.sight.audit.item
        if task is None:
            return None
        run = self._run_of(seen.name, item)
        roots = None if run is None else run.roots
        part = seen.sight.tasks[task]
        if roots is None or part.part is not Part.COMMITTED:
            return roots
        seed = seen.sight.audit.seed
        sealed = commitment(roots, self.me, seen.name[0], seed, salt_of(self.key, seed))
        return roots if bound(sealed, roots) == part.found else None

    def _run_of(self, name: Name, item: int) -> Run | None:
        known = self._runs.get(name)
        # A re-organisation may have drawn another item.
        return known if known and known.item == item else self.notes.runs.of(name, item)

    def _effort(self, name: Name, item: int) -> Effort:
        """What running the drawn item took here, as far as that is known. Blocking."""
        run = self._run_of(name, item)
        return Effort() if run is None else run.effort

    def _others_turn(self, seen: Seen, move: Move) -> bool:
        """Whether a move that others may make too is left to them in this block."""
        hurried = isinstance(move, Redraw) or (isinstance(move, Draw) and seen.sight.clocks.draw < _ROOMY)
        if hurried or not self._can_wait(seen, move):
            return False
        block = seen.sight.audit.draw_block + 1 if isinstance(move, Draw) else seen.sight.block
        due = self._due.setdefault((seen.name, effect_of(seen, move)), block)
        return seen.sight.block < due + keccak256(self.me + seen.name[0])[0] % _TURNS

    def _can_wait(self, seen: Seen, move: Move) -> bool:
        """Whether a move is paid out of the day's budget: not the end of an audit in which one accuses."""
        return isinstance(move, SHARED) and not (isinstance(move, Finish) and accuses(seen.sight, self.me))

    async def _do(self, seen: Seen, move: Move) -> None:
        with about(lease=to_hex(seen.name[0])):
            try:
                self._say(seen, await self._done(seen, move))
            except BrokenInvariant:
                raise
            except Revert as error:
                # Somebody else was quicker, or the lease is sentenced: the chain will say.
                log.info("a move in an audit was refused: %s", error)
            except GavelError as error:
                self._say(seen, str(error), logging.WARNING)
            finally:
                self._busy.discard(seen.name)
                self._looked = None

    async def _done(self, seen: Seen, move: Move) -> str:
        """Carry a move out; return what was done, or why it was not."""
        if isinstance(move, Commit) and (why := await self._why_not(seen, move.roots)):
            return why
        match move:
            case RunItem():
                return await self._try(seen)
            case Challenge(item):
                if self.court is not None:
                    effort = await trio.to_thread.run_sync(self._effort, seen.name, item)
                    await self.court.accuse(seen, effort.seconds)
                return f"item {item} comes out otherwise here: a game decides"
            case _:
                shared = self._can_wait(seen, move)
                why = self.spending.why_not() if shared else ""
                if why:
                    return f"waits: {why}"
                salt = salt_of(self.key, seen.sight.audit.seed)
                call = call_of(self.rig.chain.blocking, seen, move, salt)
                if isinstance(move, Commit | Abstain | Reveal):
                    call = call.by(await self.rig.chain.run(due_of, seen, move))
                elif isinstance(move, Finish) and not shared:
                    call = call.by(await self.rig.chain.run(stake_due, seen))
                # What is not in a block by then is looked at anew: somebody else may have drawn, and a clock
                # run by now.
                within = patience(self.rig.chain.blocking.network)
                receipt = await self._send(call, effect_of(seen, move), shared=shared, within=within)
                said = f"{sentence_of(move)}, {receipt.gas_used} gas"
                _, why = self._failed.get(seen.name, (None, "no try was over in time"))
                why = why if self.court is not None else _HELPLESS
                return f"{said}: {why}" if isinstance(move, Abstain) else said

    async def _try(self, seen: Seen) -> str:
        """Run the item until it is too late for that; return what was done."""
        said = f"item {seen.sight.audit.item} cannot be had and run in time"
        try:
            with trio.CancelScope() as scope:
                self._scopes[seen.name] = (seen.sight.audit.seed, scope)
                said = await self._run(seen)
        except BrokenInvariant:
            raise
        except GavelError as error:
            self._failed[seen.name] = (seen.sight.audit.seed, str(error))
            raise
        finally:
            self._scopes.pop(seen.name, None)
        return said

    async def _run(self, seen: Seen) -> str:
        audit, clocks = seen.sight.audit, seen.sight.clocks
        left = max(audit.commit_until + clocks.reveal - seen.sight.now, 1)
        # Not `item_seconds`, which bounds re-runs of one's own choice: who does not commit is punished.
        limit = float(self.rig.chain.blocking.network.seconds(Blocks(left)))
        # A child of its own: another audit's long run must not make this one late.
        kept = staked(self.rig.config, _IDLE_S)
        async with open_child(WORKER, options=kept) as child:
            ran = await self._ran(child, seen, limit)
        self._runs[seen.name] = run = Run(audit.item, ran.roots, effort=ran.effort)
        if self._part(seen) is Part.ASSIGNED and (why := await self._why_not(seen, ran.roots)):
            return why
        if self._part(seen) is Part.COMMITTED and await trio.to_thread.run_sync(self._own, seen) is None:
            self._vain[seen.name] = audit.seed
            return _VAIN
        await trio.to_thread.run_sync(self.notes.runs.keep, seen.name, run)
        return f"ran item {audit.item}"

    async def _why_not(self, seen: Seen, roots: Roots) -> str:
        """Say why what the item comes to is not committed to, and abstain then."""
        audit = seen.sight.audit
        if await self.rig.chain.run(is_public, *seen.name, audit.item, roots):
            self._public[seen.name], self._failed[seen.name] = audit.seed, (audit.seed, _PUBLIC)
            return _PUBLIC
        # Not yet, of a run of an earlier process: since then the wallet may have paid for something else.
        return "" if self.rig.pledges.is_promised(seen.name, audit.seed) else await self._why_unable(seen)

    async def _why_unable(self, seen: Seen) -> str:
        """Say why it cannot be committed to an audit here, and abstain then; else its game is pledged."""
        async with self.rig.pledges.lock:  # one after the other: each counts what those before it may take
            why = await self.rig.chain.run(why_no_game, seen, self._effort, self._room(), self.rig.pledges)
        if why:
            self._give_up(seen, why)
            self._runs.pop(seen.name, None)
            await trio.to_thread.run_sync(self.notes.runs.forget, seen.name)
        return why

    def _give_up(self, seen: Seen, why: str) -> None:
        seed = seen.sight.audit.seed
        self._unable[seen.name], self._failed[seen.name] = seed, (seed, why)

    def _room(self) -> Room:
        return Room(games_memory(self.rig.config), self.court.traces() if self.court else {})

    async def _ran(self, child: Child, seen: Seen, limit_s: float) -> Ran:
        item, due = seen.sight.audit.item, self._due_by(seen)

        async def get() -> Job:
            self._say(seen, f"gets the job of item {item}")
            return await get_job(self.rig, child, seen)

        async def run() -> Ran:
            self._say(seen, f"runs item {item}")
            return await run_item(self.rig, child, job, limit_s)

        seconds = self.rig.chain.blocking.network.seconds(seen.sight.clocks.commit)
        job = await self._fetching.work(Claim(seen.opened.bid.owner, due, float(seconds)), get)
        room, takes = self._room(), job.trace_bytes
        if takes and self._part(seen) is Part.ASSIGNED and (why := narrowness(room.memory, [takes])):
            self._give_up(seen, why)  # before it is run: whoever orders audits would have the whole machine
            raise InputError(why)
        # INVARIANT: runs and games take no more than games may together, or a run is alone.
        self._running.memory = max(room.left, 1)
        # What is served slowly takes no run's place.
        if self._running.is_full_for(due, takes):
            self._say(seen, "waits for other items to be executed")
        async with self._running.place(due, takes):
            if self.rig.precedence.is_reserved:
                self._say(seen, "waits for the run of an accusation")
            return await self.rig.precedence.work(run)

    def _due_by(self, seen: Seen) -> BlockNo:
        """Return by when the run is needed: to commit, or, once that is done, to reveal."""
        audit, clocks = seen.sight.audit, seen.sight.clocks
        committed = self._part(seen) is Part.COMMITTED
        return BlockNo(audit.commit_until + clocks.reveal) if committed else audit.commit_until

    async def _send(self, call: Call, effect: str, *, shared: bool, within: float | None = None) -> TxReceipt:
        receipt = await self.rig.chain.send(call, effect, within)
        if shared:
            await trio.to_thread.run_sync(self.spending.add, receipt.fee)
        return receipt

    def _say(self, seen: Seen, text: str, level: int = logging.INFO) -> None:
        if self.doing.get(seen.name) != text:
            log.log(level, "audit by %s: %s", "the client" if seen.name[1] else "strangers", text)
        self.doing[seen.name] = text

    # -- pay and notes ---------------------------------------------------------------------------------

    async def _withdraw(self, look: Look) -> None:
        try:
            for token, amount in enumerate(look.owed):
                if amount and not self.spending.why_not():
                    call = self.rig.chain.blocking.audits.withdraw(token, self.me)
                    await self._send(call, f"auditor withdraw {token} {look.head.number}", shared=True)
                    log.info("withdrew %s of fees", self._unit(token).show(amount))
        except BrokenInvariant:
            raise
        except GavelError as error:
            log.warning("fees cannot be withdrawn now: %s", error)
        finally:
            self._withdrawing = False
            self._looked = None

    async def _note(self, look: Look) -> None:
        chain = self.rig.chain.blocking
        notes = {
            each.name: audit_note(each, self._part(each), self.doing.get(each.name, ""), chain)
            for each in look.open
        }
        # What was sent and has ended an audit, is told of before its end, once it is known to be in a block.
        sending = self._busy - self._scopes.keys()
        ended = [each for each in await self.rig.chain.run(self._survey.endings) if each.name not in sending]
        endings = {each.name: ending_note(each, self.doing.get(each.name, ""), chain) for each in ended}
        about_me = await self.rig.chain.run(auditor_note, self.me, look)

        def write() -> None:
            for name, note in notes.items():
                if self._written.get(name) != note:
                    self.notes.write(note)
                    self._written[name] = note
            for name, note in endings.items():  # whose end is on disk holds nothing, also after a restart
                self._let_go(name)
                self.notes.runs.forget(name)
                self.notes.write(note)
            if self._written.get(None) != replace(about_me, at=0):
                self.notes.write_auditor(about_me)
                self._written[None] = replace(about_me, at=0)

        await trio.to_thread.run_sync(write)  # with a full disk it is told once there is room
        for ending in ended:
            self._ended.labels(ending.outcome).inc()
            log.info("%s", endings[ending.name].sentence())
        self._survey.tell(ended)
        for ending in ended:
            self._drop(ending.name)

    def _forget(self) -> None:
        """Keep nothing of audits that are over, whomever they drew: anybody orders as many as it pays for."""
        for name in {*self.doing, *self._written}:
            if name is not None and name not in self._busy and not self._survey.is_following(name):
                self._drop(name)

    def _drop(self, name: Name) -> None:
        by_audit = (self.doing, self._runs, self._failed, self._unable, self._public, self._vain)
        for each in (*by_audit, self._written):
            each.pop(name, None)
        self._due = {due: block for due, block in self._due.items() if due[0] != name}
        self.rig.pledges.forget(name)

    def _let_go(self, name: Name) -> None:
        """Keep an ended audit's artifacts no longer than a re-org may bring it back. Blocking."""
        chain = self.rig.chain.blocking
        try:
            until = chain.clock() + chain.network.span(_DEEPEST * chain.network.seconds_per_block)
        except TransientError:
            return  # it is held until no game can follow
        self.rig.store.redate(reason_of(name), until)

    def _unit(self, token: int) -> Unit:
        listed = self.rig.chain.blocking.deployment.tokens[token]
        return Unit(listed.symbol, listed.decimals)
