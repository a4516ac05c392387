"""The worker's part in a challenger's games: its own run of an item, and the moves that follow from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
import trio

from protocol.dispute.moves import ChallengerMove, Claim
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
from protocol.engines.worker.interface import from_wire, to_wire
from protocol.messages import Bid
from protocol.runtime.child import Child
from protocol.types import Address, BrokenInvariant, Hash32

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
    """How long the run took here."""

    @property
    def differs(self) -> bool:
        """Whether the posted item is wrong."""
        return self.own_root != self.posted_root

    def seal(self, challenger: Address, case: Case, salt: Hash32) -> Hash32:
        """Return the seal of this run."""
        return seal_of(self.trace_root, self.own_root, challenger, case, salt)


class Workshop:
    """Asks one child about one job. What it computed it keeps, and after its end computes again."""

    def __init__(self, child: Child, files: CaseFiles, how: How) -> None:
        self.files = files
        self._child, self._how = child, how
        self._charges: dict[int, Charge] = {}

    async def accuse(self, item: int) -> Charge:
        """Return the own run of an item beside the posted one.

        `InputError` if its values do not fit in the worker's memory, `TransientError` past the time limit.
        """
        if item not in self._charges:
            args = AccuseArgs(self._item(item), str(self.files.outputs))
            began = trio.current_time()
            found = await self._call(args, AccuseResult)
            self._charges[item] = Charge(
                item,
                Hash32(found.trace_root),
                Hash32(found.item_root),
                Hash32(found.posted_root),
                tuple(map(Hash32, found.proof)),
                JOBS.decode(found.job),
                trio.current_time() - began,
            )
        return self._charges[item]

    async def move(self, bid: Bid, played: Played, view: View) -> ChallengerMove | None:
        """Return the next move of an own game; None if there is none yet."""
        args = ChallengeMoveArgs(
            self._item(played.case.item),
            str(self.files.outputs),
            bid.packed(),
            CASES.encode(played.case),
            VIEWS.encode(view),
            write_shown(played.shown),
        )
        found = (await self._call(args, MoveResult)).move
        move = MOVES.decode(found) if found is not None else None
        if move is not None and not isinstance(move, ChallengerMove):
            raise BrokenInvariant(f"the worker made a {type(move).__name__} for a challenger")
        return move

    async def claim(self, case: Case, place: Place, salt: Hash32) -> Claim:
        """Return the claim that opens the seal with that salt."""
        args = SealOpeningArgs(self._item(case.item), CASES.encode(case), PLACES.encode(place), salt)
        found = (await self._call(args, MoveResult)).move
        claim = MOVES.decode(found) if found is not None else None
        if not isinstance(claim, Claim):
            raise BrokenInvariant("the worker opened no seal")
        return claim

    def _item(self, item: int) -> Item:
        how = self._how
        paths = str(self.files.program), str(self.files.inputs)
        return Item(*paths, item, how.device, how.threads, how.item_seconds)

    async def _call(self, args: AccuseArgs | ChallengeMoveArgs | SealOpeningArgs, kind: type[T]) -> T:
        plain: dict[str, object] = to_wire(args)
        try:
            return from_wire(await self._child.call(args.OP, plain), kind)
        except msgspec.ValidationError as error:
            raise BrokenInvariant(f"the worker answered {args.OP} with something else: {error}") from error
