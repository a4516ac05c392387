"""One job from its offer to its end: a journaled loop with the auction's and the lease's machine."""

import logging
from dataclasses import dataclass, field, replace
from functools import partial
from operator import ne
from typing import Any

import trio

from client_sdk.auditing import Auditing, Outcome, sentence_of
from client_sdk.demanding import Delivery
from client_sdk.holding import Holding
from client_sdk.home import JobFolder
from client_sdk.machines import AUCTION, AUCTION_MACHINE, LEASE, LEASE_MACHINE
from client_sdk.progress import Kind, Progress, Story
from client_sdk.receipts import note_audit
from client_sdk.record import OPENING, Record
from client_sdk.results import Results, Wanted
from client_sdk.sending import Purse
from client_sdk.telling import changes, cost_of, state_name
from protocol.auction import auction
from protocol.auction.auction import Collecting, DidClose, Lost, OpenLease, Proposed, ReadMarket, Won
from protocol.chain.client import Chain
from protocol.chain.events import Ended
from protocol.chain.views import LeaseState, LeaseView
from protocol.lease import client_types as lease
from protocol.lease.client import wake
from protocol.lease.client_types import ClientLease
from protocol.messages import Bid
from protocol.net import TooSlowError
from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Context
from protocol.runtime.retry import backoff
from protocol.store.journal import Journal
from protocol.types import Amount, BlockNo, InputError, TransientError, Wei, parse_address, several, to_hex

log = logging.getLogger(__name__)

_AUCTION = MachineId(AUCTION, b"auction")
_LONGEST_PAUSE_S = 5.0


@dataclass
class JobRun:
    """A job of this process; its tasks live in the session's nursery."""

    folder: JobFolder
    record: Record
    purse: Purse
    results: Results
    story: Story = field(default_factory=Story)
    items: tuple[int, int] = (0, 0)
    """Items done and in all, as the provider last said."""
    streamed: int = 0
    """Blocks that the provider has earned, if it beats now."""
    demand_budget: Wei | None = None
    """See `Setup.demand_budget`."""
    ask_again: bool = False
    """Whether outputs that were given up are asked for once more."""
    _told: int = 0
    _loop: Loop | None = None

    def __post_init__(self) -> None:
        self.delivery = Delivery(
            self.results,
            self.purse,
            self.wanted,
            lambda text: self.tell(Kind.TROUBLE, text, self.cost_now()),
            self.demand_budget,
        )
        self.auditing = Auditing(
            self.results,
            self.purse,
            lambda: self.record,
            self.wanted,
            lambda text: self.tell(Kind.STATE, text, self.cost_now()),
            self._audited,
        )
        self.holding = Holding(
            self.purse,
            lambda: self.record,
            lambda text: self.tell(Kind.TROUBLE, text, self.cost_now()),
        )

    async def run(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Own the job's journal and its loop until cancelled. `InputError` if another process does."""
        journal = await trio.to_thread.run_sync(Journal, self.folder.journal)
        try:
            loop = self._make_loop(journal)
            async with trio.open_nursery() as nursery:
                await nursery.start(loop.run)
                self._loop = loop
                state = self.lease_state()
                if self.ask_again and state is not None and state.work is lease.Work.LOST:
                    await loop.give(self.machine, lease.AskedFetch())
                nursery.start_soon(self._tell)
                nursery.start_soon(self._deliver)
                nursery.start_soon(self._audit)
                task_status.started()
        finally:
            self._loop = None
            self.story.close()
            journal.close()

    @property
    def loop(self) -> Loop:
        """The loop, while `run` runs."""
        if self._loop is None:
            raise TransientError(f"job {self.folder.id} has stopped in this process")
        return self._loop

    def _make_loop(self, journal: Journal) -> Loop:
        # A user waits: whoever was away for a while is asked again soon after it comes back.
        loop = Loop(journal, partial(backoff, most=_LONGEST_PAUSE_S))
        loop.machine(AUCTION_MACHINE)
        loop.machine(LEASE_MACHINE)
        loop.handle(ReadMarket, self._read_market)
        loop.handle(OpenLease, self._open)
        loop.handle(auction.Rejected, _rejected)
        loop.handle(lease.SendClose, self._close)
        loop.handle(lease.SendExpire, self._expire)
        loop.handle(lease.SendFinalize, self._finalize)
        loop.handle(lease.EndHolds, self._end_holds)
        loop.handle(lease.FetchOutputs, self._fetch)
        loop.handle(lease.CheckOutputs, self._check)
        loop.handle(lease.SaveResult, self._save)
        loop.handle(lease.ReadSettlement, self._settlement)
        loop.handle(lease.ReleaseArtifacts, self._release)
        loop.handle(lease.Rejected, _rejected)
        return loop

    # -- the auction -----------------------------------------------------------------------------------

    async def weigh(self, collected: Collecting) -> Proposed | Lost:
        """Close the auction; return the ranking, or why there is none. From here on all is journaled."""
        await self.loop.open(_AUCTION, collected, DidClose())
        state: Proposed | Lost = await self.loop.wait_for(
            _AUCTION, lambda each: isinstance(each, Proposed | Lost)
        )
        return self.lose(state) if isinstance(state, Lost) else state

    async def choose(self, value: auction.AskedOpen | auction.AskedStop) -> Won | Lost:
        """Take the user's word; return when a lease stands, or none can."""
        await self.loop.give(_AUCTION, value)
        return await self.won()

    async def won(self) -> Won | Lost:
        """Wait until a lease stands, and begin to follow it; or until none can."""
        state: Won | Lost = await self.loop.wait_for(_AUCTION, auction.ended)
        if isinstance(state, Lost):
            return self.lose(state)
        await self._follow(state)
        return state

    def auction_state(self) -> auction.State | None:
        """Return where the auction stands; None before it was closed."""
        state: auction.State | None = self.loop.state(_AUCTION)
        return state

    def lose(self, state: Lost) -> Lost:
        """Note that no lease came of the auction, whatever was sent for."""
        self.note(state="lost", text=state.reason, lease="", bid="", over=True)
        return state

    async def _follow(self, won: Won) -> None:
        """Open the lease's machine; does nothing if a crash came only after that."""
        bid = won.choice.entry.bid
        operator = to_hex(won.choice.standing.operator)
        self.note(lease=to_hex(won.lease), bid=to_hex(bid.packed()), operator=operator, state="opened")
        height = await self.purse.chain.run(Chain.clock)
        view = await self.purse.chain.run(Chain.lease, won.lease)
        first = lease.SawLease(height, level_of(view, bid))
        await self.loop.open(self.machine, ClientLease(bid, self.record.conduct), first)

    # -- the lease -------------------------------------------------------------------------------------

    @property
    def machine(self) -> MachineId:
        """The lease's machine."""
        return MachineId(LEASE, self.record.terms.lease_id())

    def lease_state(self) -> ClientLease | None:
        """Return where the lease stands, or None while there is none."""
        if not self.record.lease or self._loop is None:
            return None
        state: ClientLease | None = self._loop.state(self.machine)
        return state

    async def saw(self, height: BlockNo, view: LeaseView) -> None:
        """Take over what the chain says, if the machine has to know."""
        state = self.lease_state()
        if state is None or lease_over(state):
            return
        found, due = level_of(view, state.bid), wake(state)
        if found != state.chain or (due is not None and height >= due):
            await self.loop.give(self.machine, lease.SawLease(height, found))
        if view.state in (LeaseState.RUNNING, LeaseState.CLOSING):
            self.streamed = streamed(height, view)
            self._tell_cost()

    def progressed(self, done: int, total: int) -> None:
        """Note how far the provider says it is. After its restart it counts again what it has kept."""
        self.items = (max(done, self.items[0]), total)

    def _tell_cost(self) -> None:
        """Tell the running cost once a block."""
        if self.streamed != self._told:
            self._told = self.streamed
            text = f"{several(self.streamed, 'block')}, {self.items[0]} of {several(self.items[1], 'item')}"
            self.tell(Kind.COST, text, self.cost_now())

    def cost_now(self) -> Amount:
        """Return what the job has cost so far: while it runs, with the blocks that the stream has reached."""
        state = self.lease_state()
        return cost_of(state, self.streamed) if state is not None else Amount(0)

    async def _deliver(self) -> None:
        """Follow demands of the outputs, those of an earlier process too."""
        while (state := self.lease_state()) is None:
            await trio.sleep(0.05)
        await self.delivery.run(state.chain.output_root)

    async def _audit(self) -> None:
        """Buy the audit that was asked for, and follow it, one of an earlier process too."""
        while self.lease_state() is None:
            await trio.sleep(0.05)
        await self.auditing.run()

    def _audited(self, outcome: Outcome) -> None:
        self.note(audits_paid=outcome.paid, audits_text=sentence_of(outcome, self.record))
        note_audit(self.folder.receipt, outcome, self.record.unit)

    async def _tell(self) -> None:
        """Tell of every change of the lease, whoever caused it, and keep the record."""
        while self.lease_state() is None:
            await trio.sleep(0.05)
        seen: ClientLease | None = None
        while True:
            state: ClientLease = await self.loop.wait_for(self.machine, partial(ne, seen))
            for event in changes(seen, state, self.record.unit, self.streamed):
                self.tell(event.kind, event.text, event.cost)
            over = lease_over(state)
            self.note(
                state=state_name(state),
                text=state.reason,
                paid_blocks=state.chain.paid_blocks,
                cost=cost_of(state),
                result=state.result_path,
                over=over,
            )
            seen = state
            if over:
                self.story.close()
                return

    def tell(self, kind: Kind, text: str, cost: Amount) -> None:
        """Add to the job's story."""
        self.story.tell(Progress(kind, text, cost, *self.items))

    def note(self, **changes_: Any) -> None:
        """Change the record and write it down."""
        changed = replace(self.record, **changes_)
        if changed != self.record:
            self.record = changed
            changed.save(self.folder)

    # -- effects ---------------------------------------------------------------------------------------

    def wanted(self) -> Wanted:
        """Return what the outputs are checked against."""
        return Wanted(
            bid=self.record.terms,
            spec=self.record.job_spec,
            spec_id=self.record.artifacts[0],
            most_output_bytes=self.record.most_output_bytes,
            operator=parse_address(self.record.operator),
            format=self.record.format,
            folder=self.folder,
        )

    async def _read_market(self, effect: ReadMarket, _: Context) -> auction.SawMarket:
        state = self.auction_state()
        entries = state.entries if isinstance(state, auction.Weighing) else ()
        expiry = min((each.bid.expiry for each in entries), default=BlockNo(0))
        return auction.SawMarket(await self.results.bidders.market(self.record.token, effect.bids, expiry))

    async def _open(self, effect: OpenLease, context: Context) -> auction.Input:
        bid = effect.entry.bid
        # INVARIANT: a lease is in the record before it is sent for. Should this process end before it is seen
        # to stand, `gavel job status` and `cancel` find it.
        self.note(lease=to_hex(bid.lease_id()), bid=to_hex(bid.packed()), state=OPENING)
        outcome = await self.purse.open(effect, context.effect_id.hex())
        if isinstance(outcome, auction.FailedOpen):
            self.tell(Kind.TROUBLE, f"0x{effect.entry.bid.owner.hex()[:8]}: {outcome.reason}", Amount(0))
        return outcome

    async def _close(self, _: lease.SendClose, context: Context) -> None:
        await self.purse.close(self.record.terms, context.effect_id.hex())

    async def _expire(self, _: lease.SendExpire, context: Context) -> None:
        await self.purse.expire(self.record.terms, context.effect_id.hex())

    async def _finalize(self, _: lease.SendFinalize, context: Context) -> None:
        await self.purse.finalize(self.record.terms, context.effect_id.hex())

    async def _end_holds(self, effect: lease.EndHolds, _: Context) -> lease.SawHolds:
        return await self.holding.look(right=effect.right)

    async def _fetch(self, effect: lease.FetchOutputs, context: Context) -> lease.DidFetch:
        root, wanted = effect.output_root, self.wanted()
        can_demand = self.delivery.available(wanted.bid)
        try:
            found = await self._served(effect, wanted, demands=can_demand and not self.delivery.over)
        except (TransientError, InputError) as error:
            forced = await self.delivery.instead(root, error) if can_demand else None
            if forced is not None:
                return forced
            slow = isinstance(error, TooSlowError) and not (can_demand or context.attempt)
            if slow or context.attempt in (3, 10):
                self.tell(Kind.TROUBLE, f"outputs: {error}", self.cost_now())
            if can_demand and not self.delivery.over:
                raise TransientError(str(error)) from error
            raise
        self.delivery.served()
        return found

    async def _served(self, effect: lease.FetchOutputs, wanted: Wanted, *, demands: bool) -> lease.DidFetch:
        """Fetch; while they can be demanded, late bytes and others than those posted are as good as none."""
        with self.delivery.patiently(demands=demands) as progress:
            found = await self.results.fetch(effect, wanted, progress)
        if demands and not await self.results.matches(effect.output_root, found.outputs, wanted):
            raise InputError("what the provider serves is not what it posted")
        return found

    async def _check(self, effect: lease.CheckOutputs, _: Context) -> lease.DidCheck:
        return await self.results.check(effect, self.wanted())

    async def _save(self, effect: lease.SaveResult, _: Context) -> lease.DidSave:
        return await self.results.save(effect, self.wanted())

    async def _settlement(self, _: lease.ReadSettlement, __: Context) -> lease.DidSettle:
        found = await self.purse.chain.run(_ended_event, self.record.terms.lease_id())
        if found is None:
            raise TransientError("the chain has not told yet how the lease ended")
        return lease.DidSettle(lease.Settlement(found.to_owner, found.to_client, found.seized, found.burnt))

    async def _release(self, _: lease.ReleaseArtifacts, __: Context) -> None:
        for artifact in self.record.artifacts:
            self.results.store.unpin(artifact, self.folder.id)


def lease_over(state: ClientLease) -> bool:
    """Tell whether nothing more will happen to a lease."""
    return LEASE_MACHINE.ended(state)


def streamed(height: BlockNo, view: LeaseView) -> int:
    """Return the blocks that would be paid if the provider beat at `height`: gaps beyond grace never are."""
    since = min(max(height - view.last_beat, 0), view.grace)
    return min(view.paid_blocks + since, view.funded_blocks)


def level_of(view: LeaseView, bid: Bid) -> lease.ChainLease:
    """Return the contract's view of the lease of `bid` as the machine takes it."""
    posted = view.state is LeaseState.POSTED
    return lease.ChainLease(
        stage=lease.Stage(view.state + 1),
        start_by=BlockNo(view.opened_at + bid.start_deadline if view.opened_at else 0),
        started_at=view.started_at,
        result_by=view.deadline,
        posted_at=view.last_beat if posted else BlockNo(0),
        output_root=view.output_root,
        paid_blocks=view.paid_blocks,
        funded_blocks=view.funded_blocks,
        freezes=view.freezes,
    )


def _ended_event(chain: Chain, lease_id: bytes) -> Ended | None:
    topic = next(t for t, entry in chain.escrow.abi.events.items() if entry.name == "Ended")
    found = [each for each in chain.scanner.all((topic, lease_id)) if isinstance(each, Ended)]
    return found[-1] if found else None


async def _rejected(effect: auction.Rejected | lease.Rejected, context: Context) -> None:
    log.info("%s took no %s: %s", context.machine, effect.input, effect.reason)


def refusal_of(effects: tuple[Any, ...]) -> InputError | None:
    """Return what a machine said against an input, as an error for the user."""
    found = next((each for each in effects if isinstance(each, auction.Rejected | lease.Rejected)), None)
    return InputError(found.reason) if found else None
