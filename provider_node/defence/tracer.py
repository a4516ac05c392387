"""Calls to the child processes of the defence: one executes disputed items, one answers from their traces."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio

from protocol.dispute.moves import ChallengerMove, ProviderMove
from protocol.dispute.names import Case, Job
from protocol.dispute.records import Game
from protocol.dispute.replay import View
from protocol.engines.worker.dispute_records import (
    AccuseArgs,
    AccuseResult,
    AnswerArgs,
    BuildTraceArgs,
    FindMoveArgs,
    Item,
    JobTermsArgs,
    JobTermsResult,
    MoveResult,
    OpenTraceArgs,
    OpenTraceResult,
)
from protocol.engines.worker.game_wire import CASES, JOBS, MOVES, VIEWS, WORDS
from protocol.engines.worker.interface import from_wire, to_wire
from protocol.runtime.child import Child, ChildOptions, ChildUnreadableError, open_child
from protocol.types import Address, BrokenInvariant, Hash32, InputError, TransientError
from provider_node.executors.tape import WORKER

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Answerer:
    """As whom answers are sent."""

    owner: Address
    bid_hash: Hash32
    operator: Address


@dataclass(frozen=True)
class Kept:
    """An item whose trace is in a file."""

    item: Item
    path: Path


@dataclass(frozen=True)
class Made:
    """An own result on disk: its outputs, where the run noted their roots, and the root that was posted."""

    outputs: Path
    noted: Path
    root: Hash32


class Tracer:
    """Calls to the child while `run` runs; it is started when first needed."""

    def __init__(self, options: ChildOptions, module: str = WORKER) -> None:
        self._options, self._module = options, module
        self._child: Child | None = None
        self._ready = trio.Event()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with open_child(self._module, options=self._options) as child:
            self._serve(child)
            await trio.sleep_forever()

    def _serve(self, child: Child) -> None:
        self._child = child
        self._ready.set()

    async def job(self, program: str, inputs: str) -> Job:
        """Return the terms of a job from its bytes."""
        return _read(JOBS.decode, (await self._call(JobTermsArgs(program, inputs), JobTermsResult)).job)

    @property
    def alive(self) -> bool:
        """Whether the child runs, and holds memory."""
        return self._child is not None and self._child.pid is not None

    def rest(self) -> None:
        """End the child unless it is in a call; the next call starts it again."""
        if self._child is not None:
            self._child.rest()

    async def build(self, item: Item, path: Path) -> OpenTraceResult:
        """Execute an item and leave its trace in a file."""
        return await self._call(BuildTraceArgs(item, str(path)), OpenTraceResult)

    async def opened(self, kept: Kept) -> OpenTraceResult:
        """Return the roots of a kept trace; executes nothing, as all that takes one.

        TransientError if the file is gone, not what was written, or cannot be read: such a one is dropped.
        """
        args = OpenTraceArgs(kept.item, trace_path=str(kept.path))
        return await self._from(kept, args, OpenTraceResult)

    async def roots(self, item: Item, made: Made) -> AccuseResult:
        """Execute an item; return what it comes to, beside what stands in the posted outputs.

        `InputError` if they are not what was posted any more.
        """
        args = AccuseArgs(item, str(made.outputs), str(made.noted), made.root)
        return await self._call(args, AccuseResult)

    async def answer(
        self, kept: Kept, case: Case, view: View, trace_root: Hash32, by: Answerer
    ) -> ProviderMove | None:
        """Return the forced answer, None if the game waits for none."""
        asked = CASES.encode(case), VIEWS.encode(view)
        args = AnswerArgs(kept.item, *asked, trace_root, by.owner, by.bid_hash, by.operator, str(kept.path))
        move = _move(await self._from(kept, args, MoveResult))
        if move is not None and not isinstance(move, ProviderMove):
            raise TransientError(f"the worker answers with a {type(move).__name__}")
        return move

    async def find(self, kept: Kept, case: Case, view: View, word: Game) -> ChallengerMove | None:
        """Return the challenger's move that led from `view` to `word`, where no transaction shows it."""
        args = FindMoveArgs(
            kept.item, CASES.encode(case), VIEWS.encode(view), WORDS.encode(word), str(kept.path)
        )
        move = _move(await self._from(kept, args, MoveResult))
        return move if isinstance(move, ChallengerMove) else None

    async def _from(self, kept: Kept, args: Any, kind: type[T]) -> T:
        # INVARIANT: a trace that the disk cannot read is no trace. It would end each child that maps it,
        # until a clock has run out; as it is, the item is executed again.
        try:
            return await self._call(args, kind)
        except ChildUnreadableError:
            log.error("the trace %s cannot be read, and is dropped: check the disk", kept.path)
            await trio.to_thread.run_sync(lambda: kept.path.unlink(missing_ok=True))
            raise

    async def _call(self, args: Any, kind: type[T]) -> T:
        await self._ready.wait()
        assert self._child is not None
        plain = await self._child.call(args.OP, to_wire(args))
        try:
            return from_wire(plain, kind)
        except msgspec.ValidationError as error:
            raise InputError(f"the worker's answer is no {kind.__name__}: {error}") from error


def _move(result: MoveResult) -> Any:
    return None if result.move is None else _read(MOVES.decode, result.move)


def _read(decode: Callable[[bytes], T], data: bytes) -> T:
    """What the child sent. If it makes no sense the child is broken, and not this process."""
    try:
        return decode(data)
    except BrokenInvariant as fault:
        raise TransientError(f"the worker's answer cannot be read: {fault}") from fault


@asynccontextmanager
async def open_tracer(options: ChildOptions) -> AsyncIterator[Tracer]:
    """Give a tracer with a child of its own, which ends with the block."""
    async with open_child(WORKER, options=options) as child:
        tracer = Tracer(options)
        tracer._serve(child)
        yield tracer
