"""The worker's part in a challenger's games: its own run of an item, and the moves that follow from it."""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import trio

from protocol.chain.disputes import DisputeCalls
from protocol.dispute.handing import Handing
from protocol.dispute.moves import Call, ChallengerMove, Claim
from protocol.dispute.names import Case, Job, seal_of
from protocol.dispute.records import Place
from protocol.dispute.replay import Played, View
from protocol.engines.worker.dispute_records import (
    AccuseArgs,
    AccuseResult,
    ChallengeMoveArgs,
    Item,
    MoveResult,
    SealOpeningArgs,
)
from protocol.engines.worker.game_wire import CASES, JOBS, MOVES, PLACES, VIEWS, write_shown
from protocol.games.asking import Asked, ask_within, hash32, patience_for, reading
from protocol.games.precedence import Rank
from protocol.messages import Bid
from protocol.types import ZERO_ADDRESS, Address, BrokenInvariant, Hash32, TransientError

T = TypeVar("T")


@dataclass(frozen=True)
class CaseFiles:
    """A job and its posted result on disk."""

    program: Path
    inputs: Path
    outputs: Path
    items: int


@dataclass(frozen=True)
class How:
    """How an item is executed: on which device, with how many threads, for how long at most."""

    device: str
    threads: int
    item_seconds: float
    took: float = 0.0
    """How long the item took before, if that is known: who hangs is not waited for until the limit."""
    checked: float = 0.0
    """How long the worker has checked job and outputs: in a game, who is restarted does so again."""


@dataclass(frozen=True)
class Charge:
    """One's own run of an item beside the posted one."""

    item: int
    trace_root: Hash32
    own_root: Hash32
    posted_root: Hash32
    proof: tuple[Hash32, ...]
    job: Job
    seconds: float = 0.0
    """How long the run took here, and the checks before it."""

    @property
    def differs(self) -> bool:
        """Whether the posted item is wrong."""
        return self.own_root != self.posted_root

    def seal(self, challenger: Address, case: Case, salt: Hash32) -> Hash32:
        """Return the seal of this run."""
        return seal_of(self.trace_root, self.own_root, challenger, case, salt)


class Workshop:
    """Asks one child about one job. What it computed it keeps, and after its end computes again.

    A child that does not answer is ended after a few times what the item took, or its limit: whoever asks
    again starts another, and waits for twice as long.
    """

    def __init__(self, child: Asked, files: CaseFiles, how: How, rank: Rank | None = None) -> None:
        self.files = files
        self._child, self._how, self._rank = child, how, rank
        self._charges: dict[int, Charge] = {}
        self._took, self._longest_run = 0.0, 0.0
        self.memory = 0
        """Bytes of the child that keeps the trace of the item that it ran; 0: none yet."""
        longest = patience_for(how.item_seconds) if how.item_seconds else math.inf
        self._patience = min(patience_for(how.took), longest) if how.took else longest

    async def _ask(self, args: Any, kind: type[T]) -> T:
        ask = partial(self._within, args, kind)
        return await (ask() if self._rank is None else self._rank.work(ask))

    async def _within(self, args: Any, kind: type[T]) -> T:
        # In its turn alone: what others' runs take is neither this one's time nor a reason to end it.
        began = trio.current_time()
        try:
            return await ask_within(self._child, args, kind, self._patience)
        except TransientError:
            if trio.current_time() >= began + self._patience:
                self._patience *= 2
            raise
        finally:
            self._took = trio.current_time() - began

    def close(self) -> None:
        """End the child, with all that it keeps: what is asked next takes what it takes after a restart."""
        self._child.kill()

    async def accuse(self, item: int) -> Charge:
        """Return the own run of an item beside the posted one.

        `InputError` if its values do not fit in the worker's memory, `TransientError` past the time limit.
        """
        if item not in self._charges:
            args = AccuseArgs(self._item(item), str(self.files.outputs))
            found, took = await self._ask(args, AccuseResult), self._took
            with reading(self._child, args.OP):
                # By the longest: a child that runs already says little of one that has to start.
                self._longest_run = max(self._longest_run, took)
                self._patience = min(self._patience, patience_for(self._longest_run))
                self.memory = max(self.memory, found.memory)
                self._charges[item] = Charge(
                    item,
                    hash32(found.trace_root),
                    hash32(found.item_root),
                    hash32(found.posted_root),
                    tuple(map(hash32, found.proof)),
                    JOBS.decode(found.job),
                    self._how.checked + took,
                )
        return self._charges[item]

    async def move(self, bid: Bid, played: Played, view: View) -> ChallengerMove | None:
        """Return the next move of an own game; None if there is none yet."""
        handing, missed = Handing(played.shown), True
        while missed:
            args = ChallengeMoveArgs(
                self._item(played.case.item),
                str(self.files.outputs),
                bid.packed(),
                CASES.encode(played.case),
                VIEWS.encode(view),
                write_shown(handing.part()),
            )
            result = await self._ask(args, MoveResult)
            found, missed = result.move, handing.give(result.missed)
        if found is None:
            return None
        with reading(self._child, args.OP):
            move = MOVES.decode(found)
            if not isinstance(move, ChallengerMove):
                raise BrokenInvariant(f"a {type(move).__name__} for a challenger")
            _encoded(move)
        return move

    async def claim(self, case: Case, place: Place, salt: Hash32) -> Claim:
        """Return the claim that opens the seal with that salt."""
        args = SealOpeningArgs(self._item(case.item), CASES.encode(case), PLACES.encode(place), salt)
        found = (await self._ask(args, MoveResult)).move
        with reading(self._child, args.OP):
            claim = MOVES.decode(found) if found is not None else None
            if not isinstance(claim, Claim):
                raise BrokenInvariant("no claim")
            _encoded(claim)
        return claim

    def _item(self, item: int) -> Item:
        how = self._how
        paths = str(self.files.program), str(self.files.inputs)
        return Item(*paths, item, how.device, how.threads, how.item_seconds)


def _encoded(call: Call) -> None:
    """Raise `BrokenInvariant` for a call that no transaction can carry."""
    DisputeCalls(ZERO_ADDRESS).move(call)
