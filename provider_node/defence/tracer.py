"""The child process that executes disputed items, keeps their traces, and makes the answers."""

from dataclasses import dataclass
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
from protocol.runtime.child import Child, ChildOptions, open_child
from protocol.types import Address, BrokenInvariant, Hash32, InputError
from provider_node.executors.tape import WORKER

T = TypeVar("T")


@dataclass(frozen=True)
class Answerer:
    """As whom answers are sent."""

    owner: Address
    bid_hash: Hash32
    operator: Address


class Tracer:
    """Calls to the child while `run` runs; it is started when first needed."""

    def __init__(self, options: ChildOptions) -> None:
        self._options = options
        self._child: Child | None = None
        self._ready = trio.Event()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with open_child(WORKER, options=self._options) as child:
            self._child = child
            self._ready.set()
            await trio.sleep_forever()

    async def job(self, program: str, inputs: str) -> Job:
        """Return the terms of a job from its bytes."""
        return JOBS.decode((await self._call(JobTermsArgs(program, inputs), JobTermsResult)).job)

    async def open(self, item: Item, fresh: bool) -> OpenTraceResult:
        """Execute an item, unless its trace is kept; with `fresh`, in any case."""
        return await self._call(OpenTraceArgs(item, fresh), OpenTraceResult)

    async def roots(self, item: Item, outputs: str) -> AccuseResult:
        """Execute an item; return what it comes to, beside what stands in the posted outputs."""
        return await self._call(AccuseArgs(item, outputs), AccuseResult)

    async def answer(
        self, item: Item, case: Case, view: View, trace_root: Hash32, by: Answerer
    ) -> ProviderMove | None:
        """Return the forced answer, None if the game waits for none."""
        args = AnswerArgs(
            item, CASES.encode(case), VIEWS.encode(view), trace_root, by.owner, by.bid_hash, by.operator
        )
        result = await self._call(args, MoveResult)
        if result.move is None:
            return None
        move = MOVES.decode(result.move)
        if not isinstance(move, ProviderMove):
            raise BrokenInvariant(f"the worker answers with a {type(move).__name__}")
        return move

    async def find(self, item: Item, case: Case, view: View, word: Game) -> ChallengerMove | None:
        """Return the challenger's move that led from `view` to `word`, where no transaction shows it."""
        args = FindMoveArgs(item, CASES.encode(case), VIEWS.encode(view), WORDS.encode(word))
        result = await self._call(args, MoveResult)
        move = MOVES.decode(result.move) if result.move is not None else None
        return move if isinstance(move, ChallengerMove) else None

    async def _call(self, args: Any, kind: type[T]) -> T:
        await self._ready.wait()
        assert self._child is not None
        plain = await self._child.call(args.OP, to_wire(args))
        try:
            return from_wire(plain, kind)
        except msgspec.ValidationError as error:
            raise InputError(f"the worker's answer is no {kind.__name__}: {error}") from error
