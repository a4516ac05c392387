"""How a client follows the audit that it has paid for. The chain is an object in this process."""

from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from trio.testing import MockClock

from client_sdk.auditing import Auditing
from protocol.types import InputError, TransientError

pytestmark = pytest.mark.trio
NOTHING: Any = None


class Turns(Auditing):
    """Each turn is the test's."""

    turns: list[Callable[[], None]]

    async def _turn(self) -> None:
        self.turns.pop(0)()


def following(*turns: Callable[[], None]) -> tuple[Turns, list[str]]:
    said: list[str] = []
    heads = count()

    async def run(_: object) -> int:
        return next(heads)

    purse: Any = SimpleNamespace(chain=SimpleNamespace(run=run))
    made = Turns(NOTHING, purse, lambda: NOTHING, NOTHING, said.append, NOTHING)
    made.turns = list(turns)
    return made, said


def poor() -> None:
    raise InputError("the wallet has 1 wei, Audits.withdraw needs up to 2 wei")


def down() -> None:
    raise TransientError("no node answers")


async def test_what_is_refused_in_one_block_ends_no_audit_that_runs(autojump_clock: MockClock) -> None:
    """Gas is dear for a block: the client's refund stayed where it was."""
    made, said = following(poor, poor, down, poor)
    made._ordered.set()
    made.turns.append(lambda: made._end("audit over: 1 of 1 drawn"))
    await made._follow()
    assert [each.partition(":")[0] for each in said] == [
        "the audit goes on, though something cannot be done now",  # once
        "audit over",
    ]
    assert made.turns == []


async def test_an_audit_that_cannot_be_ordered_is_none(autojump_clock: MockClock) -> None:
    made, said = following(down, poor)
    await made._follow()
    assert said == [made.over]
    assert made.over.startswith("no audit: the wallet has 1 wei")
