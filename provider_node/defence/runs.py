"""Has disputed items executed, the most urgent first, and keeps their traces.

Runs are the only long work of the defence and have a child of their own: answers come out of finished traces,
and wait for no run but their own.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import trio

from protocol.engines.worker.dispute_records import Item, OpenTraceResult
from protocol.games.line import Line
from protocol.runtime.child import ChildUnreadableError
from protocol.types import BlockNo, GavelError, LeaseId, TransientError
from provider_node.defence.schedule import Name, Run, gives_way, next_run
from provider_node.defence.shelf import Shelf
from provider_node.defence.waiting import Waiting
from provider_node.patience import patiently

log = logging.getLogger(__name__)

_LOOK_S = 0.5
"""How often it is looked whether a run has to give way: time alone may bring that about."""


class Executor(Protocol):
    """The child that executes."""

    async def build(self, item: Item, path: Path) -> OpenTraceResult:
        """Execute an item and leave its trace in a file. Cancelling ends it at once."""
        ...

    def rest(self) -> None:
        """Give the child's memory back, if it has nothing to do."""
        ...


class Sources(Protocol):
    """What is known of items."""

    @property
    def block_ms(self) -> int:
        """Milliseconds of a block."""
        ...

    async def numbered(self, lease: LeaseId, item: int, blocks: int = 0, doubts: int = 0) -> Item:
        """Return an item of a lease, to be executed within so many blocks."""
        ...

    async def mended(self, lease: LeaseId) -> bool:
        """Look at a lease's job on disk, and fetch anew what cannot be read; false if nothing was."""
        ...

    def needs_ms(self, lease: LeaseId) -> int:
        """Return how long its trace is expected to take."""
        ...

    def longest_ms(self, lease: LeaseId) -> int:
        """Return how long it takes if the item is the slowest."""
        ...

    def memory_of(self, lease: LeaseId) -> int:
        """Return the bytes of memory that it takes; 0 if that is not known."""
        ...


class Beside(Protocol):
    """What else uses the devices."""

    def hold(self, device: str) -> None:
        """Keep it off this kind of device; more than once is like once."""
        ...

    def go_on(self) -> None:
        """Let it go on."""
        ...


@dataclass
class _Wanted:
    """An item that somebody needs: the deadlines of all who wait, and what they are told in the end."""

    name: Name
    deadlines: dict[object, BlockNo] = field(default_factory=dict)
    doubts: int = 0
    failed: GavelError | None = None
    over: trio.Event = field(default_factory=trio.Event)

    @property
    def deadline(self) -> BlockNo:
        return min(self.deadlines.values())


class Runs:
    """Executes while `run` runs."""

    def __init__(
        self,
        executor: Executor,
        items: Sources,
        shelf: Shelf,
        height: Callable[[], BlockNo],
        beside: Beside | None = None,
        *,
        line: Line | None = None,
    ) -> None:
        self.shelf = shelf
        self._beside, self._device = beside, ""
        self._executor, self._items, self._height = executor, items, height
        self._wanted: dict[Name, _Wanted] = {}
        self._took_ms: dict[LeaseId, int] = {}
        self._changed = trio.Event()
        self._waiting = Waiting()
        self._line = line or Line()
        self._began: float | None = None
        self._asked_by: BlockNo | None = None
        """The deadline with which a place was asked for."""

    @property
    def waiting(self) -> int:
        """How many items are to be executed, the one under way included."""
        return len(self._wanted)

    async def built(self, name: Name, deadline: BlockNo, doubts: int = 0) -> Path:
        """Return the file of an item's trace, once it is there.

        Raises what the run raised. Cancelling gives the run up, unless others wait for it too.
        """
        if await trio.to_thread.run_sync(self.shelf.has, name):
            return self.shelf.path(name)
        wanted, waiter = self._want(name), object()
        wanted.doubts = max(wanted.doubts, doubts)
        wanted.deadlines[waiter] = deadline
        self._news()
        try:
            await wanted.over.wait()
        finally:
            self._leave(wanted, waiter)
        if wanted.failed is not None:
            raise type(wanted.failed)(wanted.failed.message, wanted.failed.advice) from wanted.failed
        return self.shelf.path(name)

    async def asked(self, name: Name, deadline: BlockNo) -> Path | None:
        """Return the file of an item's trace; if there is none, None, and have it made by the deadline."""
        if await trio.to_thread.run_sync(self.shelf.has, name):
            return self.shelf.path(name)
        self._want(name).deadlines[Runs] = deadline
        self._news()
        return None

    async def keep(self, leases: Collection[LeaseId]) -> None:
        """Forget all of other leases."""
        for wanted in [each for each in self._wanted.values() if each.name[0] not in leases]:
            self._leave(wanted, Runs)
        self._took_ms = {lease: took for lease, took in self._took_ms.items() if lease in leases}
        await trio.to_thread.run_sync(self.shelf.keep, leases)

    async def run(self) -> None:
        """Execute what is wanted until cancelled."""
        await patiently(partial(trio.to_thread.run_sync, self.shelf.prepare), "the disk")
        while True:
            self._expire()
            chosen = next_run(map(self._as_run, self._wanted.values()))
            if chosen is None:
                await self._changed.wait()
            else:
                await self._execute(self._wanted[chosen.name])
                if not self._wanted:
                    self._rest()

    async def _execute(self, wanted: _Wanted) -> None:
        """Run to the end, or until it has to give way; then it is still wanted. Jobs wait meanwhile."""
        try:
            await self._execute_alone(wanted)
        finally:
            self._device, self._began, self._asked_by = "", None, None
            if self._beside is not None:
                self._beside.go_on()

    async def _execute_alone(self, wanted: _Wanted) -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._look, wanted, scope)
                try:
                    await self._build(wanted)
                except GavelError as error:
                    wanted.failed = error
                except Exception as error:  # one item's trouble is not the others'
                    log.exception("item %d cannot be executed", wanted.name[1])
                    wanted.failed = TransientError(f"an item cannot be executed: {error!r}")
                nursery.cancel_scope.cancel()
        if not scope.cancelled_caught:
            if self._wanted.get(wanted.name) is wanted:
                del self._wanted[wanted.name]
            wanted.over.set()

    async def _build(self, wanted: _Wanted) -> None:
        lease, number = wanted.name
        path, left = self.shelf.path(wanted.name), wanted.deadline - self._height()
        item = await self._items.numbered(lease, number, left, wanted.doubts)
        self._asked_by, takes = wanted.deadline, self._items.memory_of(lease)
        if self._line.is_full_for(self._asked_by, takes):
            self._rest()
        async with self._line.place(self._asked_by, takes):
            self._began, self._device = trio.current_time(), item.device
            self._hold_jobs()
            log.info("executing item %d of lease 0x%s, %d blocks left", number, lease.hex(), left)
            with self._waiting.within(wanted.name, self._items.longest_ms(lease) / 1_000):
                try:
                    found: OpenTraceResult = await self._executor.build(item, path)
                except ChildUnreadableError:
                    await self._items.mended(lease)
                    raise
                finally:
                    self.shelf.clear(wanted.name)
        self._took_ms[lease] = max(self._took_ms.get(lease, 0), int(found.seconds * 1_000))
        await trio.to_thread.run_sync(self.shelf.trim, wanted.name)

    async def _look(self, wanted: _Wanted, scope: trio.CancelScope) -> None:
        while True:
            changed = self._changed
            with trio.move_on_after(_LOOK_S):
                await changed.wait()
            self._expire()
            self._hold_jobs()
            if self._wanted.get(wanted.name) is not wanted:
                log.info("item %d is not asked for any more", wanted.name[1])
                scope.cancel()
                return
            if self._began is None:
                chosen = next_run(map(self._as_run, self._wanted.values()))
                sooner = self._asked_by is not None and wanted.deadline < self._asked_by
                if sooner or (chosen is not None and chosen.name != wanted.name):
                    scope.cancel()  # it waits for a place, which is that one's now, or to be had sooner
                    return
                continue
            spent = int((trio.current_time() - self._began) * 1_000)
            others = [self._as_run(each) for each in self._wanted.values() if each is not wanted]
            if gives_way(self._as_run(wanted), spent, others):
                log.warning("item %d gives way to one that is due sooner", wanted.name[1])
                scope.cancel()
                return

    def _rest(self) -> None:
        """End the child: it still holds what it ran last, and the place with that memory is another's now."""
        self._executor.rest()

    def _hold_jobs(self) -> None:
        """Clocks are reckoned for the whole machine; jobs that began meanwhile are held as well."""
        if self._beside is not None and self._device:
            self._beside.hold(self._device)

    def _want(self, name: Name) -> _Wanted:
        return self._wanted.setdefault(name, _Wanted(name))

    def _leave(self, wanted: _Wanted, waiter: object) -> None:
        wanted.deadlines.pop(waiter, None)
        if not wanted.deadlines and self._wanted.get(wanted.name) is wanted:
            del self._wanted[wanted.name]
        self._news()

    def _expire(self) -> None:
        """Nobody waits for what was asked for: it ends with its deadline."""
        now = self._height()
        for wanted in list(self._wanted.values()):
            if wanted.deadlines.get(Runs, now) < now:
                self._leave(wanted, Runs)

    def _as_run(self, wanted: _Wanted) -> Run:
        lease = wanted.name[0]
        left = (wanted.deadline - self._height()) * self._items.block_ms
        return Run(wanted.name, left, self._took_ms.get(lease) or self._items.needs_ms(lease))

    def _news(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
