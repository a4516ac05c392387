"""A worker whose answers make no sense costs a game's try, whatever they are, and is started anew."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol.dispute.moves import Claim, PickSpan, PostTrace
from protocol.dispute.names import Case, Job, Position, Program
from protocol.dispute.records import Phase, Place
from protocol.dispute.replay import Played, View
from protocol.engines.worker.game_wire import JOBS, MOVES
from protocol.games.demanding import demand_terms
from protocol.games.workshop import CaseFiles, How, Workshop
from protocol.runtime.child import Child, ChildFaultError, ChildOptions, Faults, open_child
from protocol.types import Address, Hash32, LeaseId
from tests.strategies.provider import BID

pytestmark = pytest.mark.trio
HASH, SHORT, LONG = (Hash32(b"\1" * size) for size in (32, 31, 33))
ME = Address(b"\2" * 20)
JOB = Job(Program(1, 0, 2, 1, HASH, HASH, HASH), HASH, 3)
CASE = Case(LeaseId(HASH), HASH, 1, HASH)
PLACE = Place(HASH, 1, 0, 0, 0, 32, HASH, 1, 0, True, 0)
PICK, CLAIM = PickSpan(HASH, HASH, 1, 2), Claim(CASE, PLACE, HASH, HASH, b"leaf", (), ())
GOOD: Mapping[str, Any] = {
    "accuse": {
        "trace_root": HASH,
        "item_root": HASH,
        "posted_root": HASH,
        "proof": [HASH],
        "roots": [HASH],
        "end": [HASH],
        "memory": 1 << 20,
        "job": JOBS.encode(JOB),
    },
    "challenge_move": {"move": MOVES.encode(PICK)},
    "seal_opening": {"move": MOVES.encode(CLAIM)},
    "demand_terms": {"job": JOBS.encode(JOB), "types": [[1, [4]]], "headers": [[b"header", [HASH]]]},
}


@asynccontextmanager
async def told(folder: Path, changes: Mapping[str, Any]) -> AsyncIterator[Child]:
    """A child that answers as it is told."""
    file = folder / "told"
    file.write_bytes(msgspec.msgpack.encode({**GOOD, **changes}))
    async with open_child("tests.told_child", options=ChildOptions(env={"TOLD": str(file)})) as child:
        yield child


async def ask_all(child: Child, op: str) -> Any:
    shop = Workshop(child, CaseFiles(Path("p"), Path("i"), Path("o"), 3), How("cpu", 1, 60.0))
    match op:
        case "accuse":
            return (await shop.accuse(1)).job
        case "challenge_move":
            view = View(HASH, ME, HASH, Phase.PICK, Position())
            return await shop.move(BID, Played(CASE, JOB), view)
        case "seal_opening":
            return await shop.claim(CASE, PLACE, HASH)
        case _:
            return (await demand_terms(child, "p", "i")).job


NONSENSE = [
    *((op, answer) for op in GOOD for answer in (7, {})),
    *(("accuse", {**GOOD["accuse"], name: SHORT}) for name in ("trace_root", "item_root", "posted_root")),
    ("accuse", {**GOOD["accuse"], "proof": [SHORT]}),
    ("accuse", {**GOOD["accuse"], "job": b"\xff"}),
    ("challenge_move", {"move": b"\xff"}),
    ("challenge_move", {"move": MOVES.encode(PostTrace(ME, HASH, CASE, ME, HASH, ()))}),
    ("challenge_move", {"move": MOVES.encode(CLAIM)}),
    ("challenge_move", {"move": MOVES.encode(PickSpan(LONG, HASH, 1, 2))}),
    ("challenge_move", {"move": MOVES.encode(PickSpan(HASH, HASH, 1, -2))}),
    ("seal_opening", {"move": None}),
    ("seal_opening", {"move": MOVES.encode(PICK)}),
    ("seal_opening", {"move": MOVES.encode(Claim(CASE, PLACE, HASH, HASH, b"leaf", (LONG,), ()))}),
    ("demand_terms", {**GOOD["demand_terms"], "job": b""}),
    ("demand_terms", {**GOOD["demand_terms"], "types": [[99, [4]]]}),
    ("demand_terms", {**GOOD["demand_terms"], "headers": [[b"header", [SHORT]]]}),
]


async def test_what_makes_sense_is_taken(tmp_path: Path) -> None:
    async with told(tmp_path, {}) as child:
        assert await ask_all(child, "accuse") == await ask_all(child, "demand_terms") == JOB
        assert await ask_all(child, "challenge_move") == PICK
        assert await ask_all(child, "seal_opening") == CLAIM
    async with told(tmp_path, {"challenge_move": {"move": None}}) as child:
        assert await ask_all(child, "challenge_move") is None, "the game waits for no move"


async def test_nonsense_costs_the_try_and_the_child_is_started_anew(tmp_path: Path) -> None:
    for op, answer in NONSENSE:
        before = Faults.count
        async with told(tmp_path, {op: answer}) as child:
            with pytest.raises(ChildFaultError, match=f"the result of {op} makes no sense"):
                await ask_all(child, op)
            assert child.pid is None, "it is ended"
            assert Faults.count == before + 1, "and counted"
    async with told(tmp_path, {"accuse": 7}) as child:
        with pytest.raises(ChildFaultError):
            await ask_all(child, "accuse")
        assert await ask_all(child, "demand_terms") == JOB, "the next call starts another"
