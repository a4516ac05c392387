"""The loop that owns a daemon's machines: journal, step, then act.

Inputs are taken in the order in which they were given. Those waiting are stepped together and written in one
transaction: input, new state, pending effects. Only then are the effects performed, each in a task of its
own, and their outcomes come back as inputs of the same machine, settling the effect in the same
transaction. A crash at any point therefore loses no effect, and repeats only such as are idempotent by
their id: on restart, what is pending is offered again.

While the disk is full nothing is written, so nothing is done: inputs wait in memory, in their order, until
there is room again.
"""

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import trio

from protocol.runtime.kinds import Kind, Live
from protocol.runtime.machine import Machine, MachineId
from protocol.runtime.performer import BlockingHandler, Context, Handler, Outcome, perform
from protocol.runtime.retry import backoff
from protocol.store.journal import DONE, DROPPED, REFUSED, Change, Journal, PendingEffect, Settled
from protocol.types import BrokenInvariant, DiskError, InputError, TransientError

log = logging.getLogger(__name__)

E = TypeVar("E")
T = TypeVar("T")

_BATCH = 256
_COMPACT_EVERY_S = 3600.0


@dataclass
class _Given:
    """Inputs on their way to the journal, and what the giver waits for."""

    machine: MachineId
    values: tuple[Any, ...]
    once: bytes | None = None
    notes: dict[str, bytes] = field(default_factory=dict)
    opens: Any = None
    settles: Settled | None = None
    taken: trio.Event = field(default_factory=trio.Event)
    fresh: bool = False
    error: Exception | None = None


@dataclass
class _Running:
    """An effect that is pending, with the task that performs it."""

    machine: MachineId
    effect: Any
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Loop:
    """Owns the machines of one journal. Register kinds and handlers, then `run`; belongs to trio's thread.

    A handler is called as `handler(effect, context)`; its outcome is one input for the same machine, a list
    of inputs, or None. It must be idempotent by `context.effect_id`. What it raises decides:
    `TransientError` is tried again with growing pauses for as long as the machine wants the effect;
    `InputError` goes to the machine through `Machine.refused`; `BrokenInvariant` stops the loop. Anything
    else is tried a few times and then refused.

    `trouble`: why the journal cannot be written, and so nothing goes on; empty while it can.
    """

    def __init__(self, journal: Journal, pause: Callable[[int], float] = backoff) -> None:
        self._journal, self._pause = journal, pause
        self.trouble = ""
        self._kinds: dict[str, Kind] = {}
        self._handlers: dict[type, Handler[Any]] = {}
        self._live: dict[MachineId, Live] = {}
        self._pending: dict[bytes, _Running] = {}
        self._inbox, self._outbox = trio.open_memory_channel[_Given](math.inf)
        self._taking: list[_Given] = []
        self._changed = trio.Event()
        self._busy = 0
        self._stopped = False
        self._turn = trio.Lock()
        self._threads = trio.CapacityLimiter(16)
        # INVARIANT: the journal waits for no thread that anything else holds: all leases wait for it.
        self._to_disk = trio.CapacityLimiter(4)

    def machine(self, machine: Machine[Any, Any, Any]) -> None:
        """Register a kind of machine, before `run`."""
        if machine.kind in self._kinds:
            raise BrokenInvariant(f"machine kind {machine.kind} is registered twice")
        self._kinds[machine.kind] = Kind.of(machine)

    def handle(self, effect: type[E], handler: Handler[E]) -> None:
        """Perform effects of this type by awaiting `handler(effect, context)`."""
        if effect in self._handlers:
            raise BrokenInvariant(f"effect {effect.__name__} has two handlers")
        self._handlers[effect] = handler

    def handle_blocking(self, effect: type[E], handler: BlockingHandler[E]) -> None:
        """Perform effects of this type by calling `handler(effect, context)` in a worker thread."""

        async def in_thread(value: E, context: Context) -> Any:
            return await trio.to_thread.run_sync(handler, value, context, limiter=self._threads)

        self.handle(effect, in_thread)

    async def open(self, machine: MachineId, state: Any, first: Any, once: bytes | None = None) -> bool:
        """Create a machine in `state` and give it its first input, in one transaction.

        Returns False, changing nothing, if the machine exists.
        """
        return await self._submit(_Given(machine, (first,), once, opens=state))

    async def give(
        self,
        machine: MachineId,
        value: Any,
        once: bytes | None = None,
        notes: dict[str, bytes] | None = None,
    ) -> bool:
        """Give a machine an input; returns when it is on disk and its effects are under way.

        `once` names the cause (e.g. transaction hash and log index): a cause that this machine has seen is
        skipped and False returned. `notes` are remembered in the same transaction (`Journal.recall`; e.g.
        how far the chain was followed). Raises `InputError` if there is no such machine.
        """
        return await self._submit(_Given(machine, (value,), once, notes or {}))

    def state(self, machine: MachineId) -> Any:
        """Return the state of a machine, or None if there is none."""
        live = self._live.get(machine)
        return None if live is None else live.state

    def states(self, kind: str) -> dict[bytes, Any]:
        """Return the states of all machines of one kind, by id."""
        return {each.id: live.state for each, live in self._live.items() if each.kind == kind}

    async def wait_for(self, machine: MachineId, holds: Callable[[Any], bool]) -> Any:
        """Wait until the machine is in a state for which `holds` is true, and return that state."""
        while (state := self.state(machine)) is None or not holds(state):
            await self._changed.wait()
        return state

    async def quiet(self) -> None:
        """Wait until no input is waiting and no effect is pending."""
        while self._busy or self._pending:
            await self._changed.wait()

    async def forget(self, machine: MachineId) -> bool:
        """Delete an ended machine from memory and journal.

        Returns False, changing nothing, if there is none, if it has not ended, if effects are pending or if
        the journal cannot be written now.
        """
        async with self._turn:
            live = self._live.get(machine)
            if live is None or not live.ended or any(r.machine == machine for r in self._pending.values()):
                return False
            try:
                await trio.to_thread.run_sync(
                    self._journal.forget, machine.kind, machine.id, limiter=self._to_disk
                )
            except DiskError as error:
                log.info("%s is not forgotten yet: %s", machine, error)
                return False
            del self._live[machine]
            return True

    async def run(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        """Load the journal, offer pending effects again, and serve until cancelled.

        Raises `BrokenInvariant` if the journal holds what no registered machine or handler knows, or if one
        of them says so later; the process must then stop.
        """
        try:
            self._check()
            pending = await trio.to_thread.run_sync(self._load, limiter=self._to_disk)
            async with trio.open_nursery() as nursery:
                await self._set_off(nursery, pending)
                nursery.start_soon(self._compact)
                task_status.started()
                while True:
                    await self._take(nursery, await self._next_batch())
        finally:
            self._stop()

    async def _submit(self, given: _Given) -> bool:
        if self._stopped:
            raise TransientError("the loop has stopped")
        self._busy += 1
        self._inbox.send_nowait(given)
        await given.taken.wait()
        if given.error is not None:
            raise given.error
        return given.fresh

    async def _next_batch(self) -> list[_Given]:
        batch = [await self._outbox.receive()]
        while len(batch) < _BATCH:
            try:
                batch.append(self._outbox.receive_nowait())
            except trio.WouldBlock:
                break
        return batch

    async def _take(self, nursery: trio.Nursery, batch: list[_Given]) -> None:
        """Step and journal a batch; only when it is on disk, show it and act."""
        self._taking = batch
        async with self._turn:
            await self._take_in_turn(nursery, batch)
        self._taking = []

    async def _take_in_turn(self, nursery: trio.Nursery, batch: list[_Given]) -> None:
        fresh, new = await self._written(partial(self._decide, batch))
        self._live.update(fresh)
        for given in batch:
            if given.settles is not None and given.error is None:
                self._pending.pop(given.settles.effect_id, None)
        await self._set_off(nursery, new)
        self._busy -= len(batch)
        for given in batch:
            given.taken.set()
        self._changed.set()
        self._changed = trio.Event()

    async def _written(self, write: Callable[[], T]) -> T:
        """Return what `write` does in a worker thread, once the disk has room for it."""
        attempt = 0
        while True:
            try:
                done = await trio.to_thread.run_sync(write, limiter=self._to_disk)
            except DiskError as error:
                if not self.trouble:
                    log.error("%s: nothing more is done until it can be", error)
                self.trouble = str(error)
            else:
                if self.trouble:
                    log.warning("the journal can be written again: going on")
                self.trouble = ""
                return done
            await trio.sleep(self._pause(attempt))
            attempt += 1

    def _decide(self, batch: list[_Given]) -> tuple[dict[MachineId, Live], list[PendingEffect]]:
        """In a worker thread: step all inputs, and commit. Return the machines after it and new effects.

        Nothing else runs meanwhile, and stepping changes nothing: if the commit fails, it is done again.
        """
        fresh: dict[MachineId, Live] = {}
        changes: list[Change] = []
        settled: list[Settled] = []
        seen: set[tuple[MachineId, bytes]] = set()
        for given in batch:
            machine, once = given.machine, given.once
            live = fresh.get(machine, self._live.get(machine))
            if given.opens is not None and live is None:
                live = Live(self._kind(machine), given.opens)
            elif given.opens is not None:
                continue
            if live is None:
                given.error = InputError(f"there is no {machine}")
                continue
            if once is not None:
                if (machine, once) in seen or self._journal.seen(machine.kind, machine.id, once):
                    continue
                seen.add((machine, once))
            try:
                live, taken = live.take_all(machine, given.values, once, given.notes)
            except InputError as error:
                given.error = error
                continue
            changes += taken
            # One that was dropped meanwhile has its status already; what its handler did is still an input.
            if given.settles is not None and given.settles.effect_id in self._pending:
                settled.append(given.settles)
            fresh[machine], given.fresh = live, True
        return fresh, self._journal.commit(changes, settled) if changes or settled else []

    async def _set_off(self, nursery: trio.Nursery, new: Sequence[PendingEffect]) -> None:
        """Start what is new and wanted; cancel and drop what the states of now no longer want."""
        for each in new:
            machine = MachineId(each.kind, each.id)
            effect = self._kind(machine).effects.decode(each.body)
            self._pending[each.effect_id] = _Running(machine, effect)
        dropped = [each for each, running in self._pending.items() if not self._wanted(running)]
        for effect_id in dropped:
            self._pending.pop(effect_id).scope.cancel()
        if dropped:
            settled = [Settled(each, DROPPED, "no longer wanted") for each in dropped]
            await self._written(partial(self._journal.commit, (), settled))
        for each in new:
            if each.effect_id in self._pending:
                nursery.start_soon(self._perform, each.effect_id)

    async def _perform(self, effect_id: bytes) -> None:
        running = self._pending.get(effect_id)
        if running is None:
            return
        effect, machine = running.effect, running.machine
        with running.scope:
            outcome = await perform(effect, machine, effect_id, self._handlers[type(effect)], self._pause)
            try:
                await self._submit(self._given(effect_id, running, outcome))
            except InputError as error:
                # What the handler returned cannot be journaled: that is its bug, and no reason to stop.
                await self._submit(self._given(effect_id, running, Outcome(refusal=str(error))))

    def _given(self, effect_id: bytes, running: _Running, outcome: Outcome) -> _Given:
        if outcome.refusal is None:
            return _Given(running.machine, outcome.inputs, settles=Settled(effect_id, DONE))
        refused = self._kind(running.machine).machine.refused
        value = refused(running.effect, outcome.refusal) if refused else None
        values = () if value is None else (value,)
        return _Given(running.machine, values, settles=Settled(effect_id, REFUSED, outcome.refusal))

    def _wanted(self, running: _Running) -> bool:
        live = self._live[running.machine]
        return live.kind.machine.wanted(live.state, running.effect)

    def _kind(self, machine: MachineId) -> Kind:
        if machine.kind not in self._kinds:
            raise BrokenInvariant(f"no machine kind {machine.kind} is registered")
        return self._kinds[machine.kind]

    def _check(self) -> None:
        for kind in self._kinds.values():
            for effect in kind.effect_types():
                if effect not in self._handlers:
                    raise BrokenInvariant(f"no handler for {effect.__name__} of {kind.machine.kind}")

    def _load(self) -> list[PendingEffect]:
        for record in self._journal.records():
            machine = MachineId(record.kind, record.id)
            self._live[machine] = self._kind(machine).load(record)
        return self._journal.pending()

    async def _compact(self) -> None:
        while True:
            try:
                await trio.to_thread.run_sync(self._journal.compact, limiter=self._to_disk)
            except DiskError as error:
                log.info("the journal is not compacted now: %s", error)
            await trio.sleep(_COMPACT_EVERY_S)

    def _stop(self) -> None:
        """Wake whoever still waits for an input to be taken: nobody will."""
        self._stopped = True
        waiting = [each for each in self._taking if not each.taken.is_set()]
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            while True:
                waiting.append(self._outbox.receive_nowait())
        for given in waiting:
            given.error = TransientError("the loop has stopped")
            given.taken.set()
