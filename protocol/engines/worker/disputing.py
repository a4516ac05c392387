"""Operations on an item in dispute: what its own trace says about it, and the moves that follow from that."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from protocol.dispute.answers import Answering, answer
from protocol.dispute.claims import claim_of
from protocol.dispute.handing import Noting
from protocol.dispute.moves import ChallengerMove, Claim, ProviderMove
from protocol.dispute.picks import Accusing, next_move
from protocol.dispute.replay import Played
from protocol.dispute.trace import Trace
from protocol.dispute.unseen import unseen
from protocol.engines.worker.dispute_records import (
    AccuseArgs,
    AccuseResult,
    AnswerArgs,
    BuildTraceArgs,
    ChallengeMoveArgs,
    FindMoveArgs,
    Item,
    JobTermsArgs,
    JobTermsResult,
    MoveResult,
    OpenTraceArgs,
    OpenTraceResult,
    SealOpeningArgs,
)
from protocol.engines.worker.game_wire import CASES, JOBS, MOVES, PLACES, VIEWS, WORDS, read_shown
from protocol.engines.worker.posted import Notes, Posted, read_posted
from protocol.engines.worker.stored import Shelf, TraceGoneError, write_trace
from protocol.engines.worker.traces import TRACES
from protocol.messages import Bid
from protocol.tape.tensor_tree import ChangedError
from protocol.types import Address, BrokenInvariant, Hash32, InputError

T = TypeVar("T")
_SHELF = Shelf(TRACES)


def job_terms(args: JobTermsArgs) -> JobTermsResult:
    """The job's terms, from its bytes."""
    return JobTermsResult(JOBS.encode(TRACES.job(args.program_path, args.input_path).plan.job))


def build_trace(args: BuildTraceArgs) -> OpenTraceResult:
    """Execute the item, hash all of it, and leave it in a file."""
    start = time.monotonic()
    TRACES.drop(args.item)
    try:
        trace = TRACES.get(args.item)
        found = _opened(args.item, trace, start)
        write_trace(Path(args.trace_path), trace)
    finally:
        TRACES.drop(args.item)
    return found


def open_trace(args: OpenTraceArgs) -> OpenTraceResult:
    """Execute the item and hash all of it."""
    start = time.monotonic()
    if args.fresh:
        TRACES.drop(args.item)
    with _rotten_is_dropped(args.trace_path):
        return _opened(args.item, _trace(args.item, args.trace_path), start)


def answer_game(args: AnswerArgs) -> MoveResult:
    """The provider's answer, out of a trace that is bit for bit what it posted."""
    case = _read(CASES.decode, args.case)
    by = Answering(Address(args.owner), Hash32(args.bid_hash), Address(args.operator))
    with _rotten_is_dropped(args.trace_path):
        trace = _trace(args.item, args.trace_path)
        if args.trace_path and trace.plan.job.hash != case.job_hash:
            raise InputError("program or inputs are not those of the job any more")
        if trace.item_root != case.item_root:
            raise InputError("the item gives other outputs now than the posted result has")
        if args.trace_root and trace.root != args.trace_root:
            raise InputError("the item has another trace now than the one that was posted")
        return _written(answer(case, _read(VIEWS.decode, args.view), trace, by))


def find_move(args: FindMoveArgs) -> MoveResult:
    """The challenger's move that was not seen."""
    case, view = _read(CASES.decode, args.case), _read(VIEWS.decode, args.view)
    with _rotten_is_dropped(args.trace_path):
        own = _trace(args.item, args.trace_path)
        played = Played(case, own.plan.job, views={view.game: view})
        made = unseen(played, view.game, _read(WORDS.decode, args.word), own)
    return _written(made.move if made and isinstance(made.move, ChallengerMove) else None)


def challenge_move(args: ChallengeMoveArgs) -> MoveResult:
    """The challenger's next move."""
    own = TRACES.get(args.item)
    case, view = _read(CASES.decode, args.case), _read(VIEWS.decode, args.view)
    posted = _posted(Path(args.output_path), own).tensor_roots(own.item)
    by = Accusing(Bid.from_packed(args.bid), own, posted)
    noting = Noting(read_shown(args.shown))
    found = next_move(Played(case, own.plan.job, shown=noting.shown), view, by)
    return MoveResult(_written(found).move, noting.missed)


def seal_opening(args: SealOpeningArgs) -> MoveResult:
    """The claim of a sealed game."""
    case, place = _read(CASES.decode, args.case), _read(PLACES.decode, args.place)
    return _written(claim_of(TRACES.get(args.item), case, place, Hash32(args.salt)))


def accuse(args: AccuseArgs) -> AccuseResult:
    """One's own run of an item beside the posted one."""
    own = TRACES.get(args.item)
    notes = Notes(Path(args.noted_path), Hash32(args.output_root)) if args.noted_path else None
    posted = _posted(Path(args.output_path), own, notes)
    proof, posted_root = posted.proof(own.item), posted.item_root(own.item)
    assert posted_root is not None, "what has a proof is known"
    # The same item has the same tensors, and one's own are hashed already.
    roots = own.output_roots if own.item_root == posted_root else posted.tensor_roots(own.item)
    return AccuseResult(
        trace_root=bytes(own.root),
        item_root=bytes(own.item_root),
        posted_root=bytes(posted_root),
        proof=tuple(map(bytes, proof)),
        roots=tuple(map(bytes, roots)),
        end=tuple(map(bytes, own.end())),
        job=JOBS.encode(own.plan.job),
        memory=_needs(args.item),
    )


def _trace(item: Item, path: str) -> Trace:
    return _SHELF.get(item, Path(path)) if path else TRACES.get(item)


@contextmanager
def _rotten_is_dropped(path: str) -> Iterator[None]:
    """A trace that is not what was written helps nobody: without it the item is executed again."""
    try:
        yield
    except (TraceGoneError, ChangedError):
        if path:
            Path(path).unlink(missing_ok=True)
        raise


def _opened(item: Item, trace: Trace, start: float) -> OpenTraceResult:
    roots = bytes(trace.root), bytes(trace.item_root)
    return OpenTraceResult(*roots, time.monotonic() - start, _needs(item))


def _needs(item: Item) -> int:
    """Bytes that a worker needs to make an item's trace and keep it."""
    job = TRACES.job(item.program_path, item.input_path)
    return job.program.trace_bytes(item.threads, len(job.inputs))


def _posted(path: Path, own: Trace, notes: Notes | None = None) -> Posted:
    return read_posted(path, own.plan.tape.output_types, own.plan.job.items, notes)


def _read(decode: Callable[[bytes], T], data: bytes) -> T:
    """What a daemon sent; InputError if it cannot be read, since only this request is at fault."""
    try:
        return decode(data)
    except BrokenInvariant as fault:
        raise InputError(f"the request cannot be read: {fault}") from fault


def _written(move: ProviderMove | ChallengerMove | Claim | None) -> MoveResult:
    return MoveResult(None if move is None else MOVES.encode(move))
