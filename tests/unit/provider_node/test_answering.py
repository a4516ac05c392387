"""What a trace that was made here has to agree with before a game is answered from it."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.dispute.defence_types import Answer, Defence, DidContradict, DidMove
from protocol.dispute.records import Phase
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Context
from protocol.types import ZERO_HASH, Blocks, Hash32, Wei
from provider_node.defence.answering import Answering
from tests.unit.dispute.test_defence import CASE, FRESH, seen

pytestmark = pytest.mark.trio
OWN, OTHER = Hash32(b"o" * 32), Hash32(b"x" * 32)
CONTEXT = Context(MachineId("game", bytes(32)), bytes(32), 0)


@dataclass
class Here:
    """A chain that shows one game, and a machine whose run of its item comes to `item` and `trace`."""

    game: Defence
    item: Hash32
    trace: Hash32
    height: int = 12
    poll_s: float = 0.0
    did: list[str] = field(default_factory=list)

    def state(self, machine: MachineId) -> Defence | None:
        return self.game if machine == CONTEXT.machine else None

    async def run(self, read: object, *_: object) -> object:
        return SimpleNamespace(game=self.game.seen and self.game.seen.word) if read is Chain.game else Wei(1)

    @property
    def blocking(self) -> Any:
        return SimpleNamespace(disputes=SimpleNamespace(move=lambda _: Call(None, b"", "answer")))

    async def built(self, *_: object) -> str:
        return "a trace"

    async def of(self, *_: object) -> str:
        return "an item"

    def longest_ms(self, _: object) -> int:
        return 1_000

    async def opened(self, _: object) -> object:
        return SimpleNamespace(item_root=self.item, trace_root=self.trace)

    async def answer(self, _: object, __: object, ___: object, posted: Hash32, ____: object) -> str:
        self.did.append("answers to a trace" if posted else "posts its trace")
        return "a move"

    @property
    def shelf(self) -> Any:
        return SimpleNamespace(drop=lambda _: self.did.append("drops it"))

    async def send(self, call: Call, _: str) -> object:
        self.did.append(f"sends {call.what}")
        return SimpleNamespace(fee=Wei(5))


@pytest.mark.parametrize(
    ("item", "posted", "agrees"),
    [
        (CASE.item_root, ZERO_HASH, True),
        (CASE.item_root, OWN, True),
        (CASE.item_root, OTHER, False),
        (OTHER, ZERO_HASH, False),
        (OTHER, OWN, False),
    ],
    ids=["no trace yet", "own trace", "another trace", "another item", "another item, own trace"],
)
async def test_nothing_is_answered_from_a_run_that_is_not_what_was_posted(
    item: Hash32, posted: Hash32, agrees: bool
) -> None:
    """Nor from another trace than the posted one, be its item right: the chain refuses it, or convicts."""
    game = replace(FRESH, seen=seen(Phase.REVEAL if posted != ZERO_HASH else Phase.TRACE, trace_root=posted))
    here: Any = Here(game, item, OWN)
    answering = Answering(here, here, here, here, here, here, here, here, here, Blocks(30))
    found = await answering.answer(Answer(7, 0), CONTEXT)
    if agrees:
        assert found == DidMove(7, Wei(5))
        assert here.did == ["answers to a trace" if posted == OWN else "posts its trace", "sends answer"]
    else:
        assert found == DidContradict(7, item, OWN)
        assert here.did == ["drops it"]
