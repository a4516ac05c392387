"""The worker's operations on an item in dispute, in real child processes."""

from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from protocol.dispute import moves
from protocol.dispute.names import Case, Position
from protocol.dispute.records import Phase, Place
from protocol.dispute.replay import Played, View, follow
from protocol.dispute.trace import Trace, plan
from protocol.engines.worker.dispute_records import (
    AnswerArgs,
    ChallengeMoveArgs,
    Item,
    JobTermsArgs,
    OpenTraceArgs,
    SealOpeningArgs,
)
from protocol.engines.worker.game_wire import CASES, JOBS, MOVES, PLACES, VIEWS, write_shown
from protocol.engines.worker.interface import RESULTS, InspectArgs, RunArgs, from_wire, to_wire
from protocol.engines.worker.programs import write_program
from protocol.runtime.child import ChildOptions, open_child
from protocol.tape import F32, TapeBuilder
from protocol.tape.encoding import Items, join_item
from protocol.tape.functions import gelu
from protocol.tape.products import matmul
from protocol.tape.reference import evaluate_all
from protocol.tape.roots import item_root
from protocol.types import Address, Hash32, InputError, LeaseId, TransientError
from tests.unit.auction import answers

OWNER, OPERATOR, CHALLENGER = (Address(bytes([n]) * 20) for n in (1, 2, 3))
BID_HASH, SEAL = Hash32(b"b" * 32), Hash32(b"s" * 32)
ITEMS = 3


@asynccontextmanager
async def worker(memory: int | None = 4 << 30):
    async with open_child("protocol.engines.worker", options=ChildOptions(memory=memory)) as child:

        async def call(args: Any) -> Any:
            return from_wire(await child.call(args.OP, to_wire(args)), RESULTS[args.OP])

        yield call


class Files:
    """A two-layer network on disk, with honest inputs and others that differ in one number of item 1."""

    def __init__(self, folder: Path) -> None:
        draw = np.random.default_rng(3)
        b = TapeBuilder()
        x = b.input(F32, (8, 64))
        first = b.map(gelu, matmul(b, x, b.constant(draw.standard_normal((300, 64)).astype(np.float32))))
        out = matmul(b, first, b.constant(draw.standard_normal((40, 300)).astype(np.float32)))
        self.tape, labels = b.build([out])
        self.folder, self.program = folder, folder / "program"
        write_program(self.program, self.tape, labels)
        self.items = [[draw.standard_normal((8, 64)).astype(np.float32)] for _ in range(ITEMS)]
        false = [[array.copy() for array in item] for item in self.items]
        false[1][0][3, 5] += 1
        self.inputs, self.false = self._write("inputs", self.items), self._write("false", false)

    def _write(self, name: str, items: list[list[Any]]) -> Path:
        path = self.folder / name
        types = self.tape.inputs
        body = b"".join(join_item(types, item) for item in items)
        path.write_bytes(Items(types, len(items)).head + body)
        return path

    def item(self, inputs: Path, number: int = 1) -> Item:
        return Item(str(self.program), str(inputs), number, time_limit=60.0)

    def trace(self, number: int = 1) -> Trace:
        """The honest trace, by the reference."""
        roots = [item_root(self.tape.inputs, item) for item in self.items]
        values = evaluate_all(self.tape, self.items[number])
        return Trace(plan(self.tape, roots), number, [np.ascontiguousarray(v).tobytes() for v in values])


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Files:
    return Files(tmp_path_factory.mktemp("dispute"))


@pytest.mark.trio
async def test_a_trace_is_that_of_the_reference_and_kept(files) -> None:
    wanted = files.trace()
    async with worker() as call:
        first = await call(OpenTraceArgs(files.item(files.inputs)))
        again = await call(OpenTraceArgs(files.item(files.inputs)))
        anew = await call(OpenTraceArgs(files.item(files.inputs), fresh=True))
    assert (first.trace_root, first.item_root) == (wanted.root, wanted.item_root)
    assert (again.trace_root, anew.trace_root) == (first.trace_root, first.trace_root)
    assert again.seconds < first.seconds


@pytest.mark.trio
async def test_a_false_result_is_played_down_to_its_proof_between_two_workers(files) -> None:
    """The provider ran something else than was asked; both sides' moves come out of their workers."""
    outputs = files.folder / "outputs"
    async with worker() as provider, worker() as challenger:
        await provider(RunArgs(str(files.program), str(files.false), str(outputs), ITEMS))
        posted = await provider(OpenTraceArgs(files.item(files.false)))
        own = files.trace()
        case = Case(LeaseId(b"l" * 32), own.plan.job.hash, 1, Hash32(posted.item_root))
        game = Hash32(b"g" * 32)
        opened = View(game, CHALLENGER, SEAL, Phase.TRACE, Position(), levels=own.tree.depth)
        played = Played(case, own.plan.job, views={game: opened})
        seen: list[str] = []
        while (view := played.views[game]).phase.live:
            if view.phase.provider_moves:
                root = played.trace_root or b""
                args = AnswerArgs(
                    files.item(files.false),
                    CASES.encode(case),
                    VIEWS.encode(view),
                    root,
                    OWNER,
                    BID_HASH,
                    OPERATOR,
                )
                reply, by = await provider(args), OPERATOR
            else:
                reply = await challenger(
                    ChallengeMoveArgs(
                        files.item(files.inputs),
                        str(outputs),
                        answers.bid(1).packed(),
                        CASES.encode(case),
                        VIEWS.encode(view),
                        write_shown(played.shown),
                    )
                )
                by = CHALLENGER
            move = MOVES.decode(reply.move)
            seen.append(type(move).__name__)
            played = follow(played, moves.Made(move, by, len(seen), game))
    assert seen[0] == "PostTrace"
    assert seen[-1] in ("Prove", "ProveSegment")
    assert played.views[game].landed.node == 0
    assert played.trace_root == posted.trace_root


@pytest.mark.trio
async def test_no_answer_comes_from_a_run_that_contradicts_what_was_posted(files) -> None:
    own = files.trace()
    case = Case(LeaseId(b"l" * 32), own.plan.job.hash, 1, own.item_root)
    view = View(Hash32(b"g" * 32), CHALLENGER, SEAL, Phase.TRACE, Position(), levels=own.tree.depth)
    told = (CASES.encode(case), VIEWS.encode(view))
    async with worker() as call:
        for inputs, root in ((files.false, b""), (files.inputs, b"t" * 32)):
            with pytest.raises(InputError, match=r"other outputs|another trace"):
                await call(AnswerArgs(files.item(inputs), *told, root, OWNER, BID_HASH, OPERATOR))
        honest = await call(AnswerArgs(files.item(files.inputs), *told, b"", OWNER, BID_HASH, OPERATOR))
    assert isinstance(MOVES.decode(honest.move), moves.PostTrace)


@pytest.mark.trio
async def test_a_seal_opens_at_the_convicted_place(files) -> None:
    own = files.trace()
    case = Case(LeaseId(b"l" * 32), own.plan.job.hash, 1, own.item_root)
    place = Place(case.id, 1, 0, 2, 0, 4, Hash32(b"l" * 32), 1, 0, False, 9)
    async with worker() as call:
        args = SealOpeningArgs(files.item(files.inputs), CASES.encode(case), PLACES.encode(place), b"0" * 32)
        claim = MOVES.decode((await call(args)).move)
    assert isinstance(claim, moves.Claim)
    assert (claim.leaf, claim.other) == (own.node_leaf(1, 2), own.item_root)


@pytest.mark.trio
async def test_items_that_cannot_be_traced_are_refused_with_the_reason(files) -> None:
    async with worker() as call:
        with pytest.raises(InputError, match="no item 3"):
            await call(OpenTraceArgs(files.item(files.inputs, 3)))
        with pytest.raises(InputError, match="cannot be read"):
            await call(AnswerArgs(files.item(files.inputs), b"x", b"y", b"", OWNER, BID_HASH, OPERATOR))


@pytest.mark.trio
async def test_the_jobs_terms_come_from_its_bytes(files) -> None:
    async with worker() as call:
        terms = await call(JobTermsArgs(str(files.program), str(files.inputs)))
    assert JOBS.decode(terms.job) == files.trace().plan.job


@pytest.mark.trio
async def test_what_describes_a_program_says_what_its_traces_need(files) -> None:
    """With that much memory a trace is made, with less it is refused and the reason said."""
    async with worker(None) as call:
        needed = (await call(InspectArgs(str(files.program)))).trace_bytes
    for memory, fits in ((needed + (1 << 30), True), (needed - (1 << 20), False)):
        async with worker(memory) as call:
            try:
                found = await call(OpenTraceArgs(files.item(files.inputs)))
            except (InputError, TransientError):
                assert not fits
            else:
                assert fits
                more = found.memory - needed
                assert 0 < more < 1 << 20, (
                    "whoever made one knows what the next needs, of a job of so many items"
                )
