"""A withheld result of many items is judged by its own run's tree, which is handed over in a file."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from protocol.dispute.delivery import PostedRoots, answer, gather, posted_roots, towards_difference
from protocol.engines.worker import delivering, jobs
from protocol.engines.worker.delivering import KeptOutputs
from protocol.engines.worker.delivery_records import DemandTermsArgs
from protocol.engines.worker.interface import CompareArgs, RunArgs, VerifyArgs, from_wire, to_wire
from protocol.engines.worker.programs import write_program
from protocol.games.demanding import DemandTerms
from protocol.games.workshop import CaseFiles
from protocol.tape import I8, TapeBuilder
from protocol.tape.encoding import Items, join_item
from protocol.tape.merkle import Nodes
from protocol.types import BlockNo, Hash32, InputError, LeaseId, Wei
from watchtower import rerun
from watchtower.config import WatchtowerConfig
from watchtower.judge import PostedResult
from watchtower.obtaining import Obtained
from watchtower.rerun import _Withheld

COUNT, BAD_ITEM = 900, 700
BUDGET = Wei(10**18)

pytestmark = pytest.mark.trio


class Here:
    """The worker's operations, in this process."""

    async def call(self, op: str, args: dict[str, Any]) -> Any:
        if op == CompareArgs.OP:
            return to_wire(jobs.compare(from_wire(args, CompareArgs), lambda _: None))
        assert op == DemandTermsArgs.OP
        return to_wire(delivering.demand_terms(from_wire(args, DemandTermsArgs)))


class Withheld:
    """A job too large to be demanded, and its result."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.kept = folder, folder / "kept"
        b = TapeBuilder()
        tape, labels = b.build([b.map(lambda v: v + v, b.input(I8, (1,)))])
        program, inputs, outputs = (folder / name for name in ("program", "inputs", "outputs"))
        write_program(program, tape, labels)
        body = b"".join(join_item(tape.inputs, [np.array([each % 100], np.int8)]) for each in range(COUNT))
        inputs.write_bytes(Items(tape.inputs, COUNT).head + body)
        jobs.run(RunArgs(str(program), str(inputs), str(outputs), COUNT), lambda _: None)
        self.job = Obtained(None, CaseFiles(program, inputs, Path(), COUNT), b"")  # type: ignore[arg-type]
        self.outputs = outputs

    def judge(self) -> _Withheld:
        """Whoever judges these outputs."""
        args = VerifyArgs(str(self.job.files.program), str(self.outputs), COUNT, bytes(32))
        root = Hash32(jobs.verify(args).output_root)
        result = PostedResult(LeaseId(b"\1" * 32), None, root, BlockNo(1_000))  # type: ignore[arg-type]
        rig = SimpleNamespace(folder=self.kept, config=WatchtowerConfig())
        return _Withheld(rig, Here(), result, self.job, BUDGET)  # type: ignore[arg-type]

    def lie(self) -> None:
        """Make an item wrong."""
        data = bytearray(self.outputs.read_bytes())
        data[4 * (BAD_ITEM - COUNT)] ^= 1
        self.outputs.write_bytes(data)

    async def demanded(
        self, rig: object, result: PostedResult, terms: DemandTerms, budget: Wei, own: Nodes
    ) -> PostedRoots:
        """What demands would show, from a provider that answers."""
        assert not list(self.kept.glob("*.own")), "whoever is killed meanwhile leaves no tree behind"
        answers, kept = {}, KeptOutputs(self.outputs)

        def next_of(known):
            return towards_difference(terms.shape, known, own)

        while fresh := next_of(known := gather(terms.shape, result.output_root, answers, next_of)):
            answers |= {each.wanted: answer(kept, each.wanted, each.spot) for each in fresh}
        return posted_roots(terms.shape, result.output_root, known)


async def test_the_first_item_that_differs_is_found(tmp_path: Path, monkeypatch) -> None:
    withheld = Withheld(tmp_path)
    withheld.lie()
    monkeypatch.setattr(rerun, "demanded", withheld.demanded)
    found = await withheld.judge().judged()
    assert (found.matches, found.first_different) == (False, BAD_ITEM)
    assert found.own_item_root != found.claimed_item_root


async def test_no_tree_is_left_behind(tmp_path: Path, monkeypatch) -> None:
    """Neither of a right result, nor where the demands fail."""
    withheld = Withheld(tmp_path)
    assert (await withheld.judge().judged()).matches

    async def refused(*_: object) -> PostedRoots:
        raise InputError("over the budget")

    withheld.lie()
    monkeypatch.setattr(rerun, "demanded", refused)
    with pytest.raises(InputError, match="over the budget"):
        await withheld.judge().judged()
    assert [path.suffix for path in withheld.kept.iterdir()] == [".root"]
