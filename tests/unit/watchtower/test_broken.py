"""A worker that breaks over a provider's model ends no watchtower."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.games.bench import Bench
from protocol.games.precedence import Precedence
from protocol.games.turns import Claim, Seats
from protocol.games.workshop import CaseFiles
from protocol.runtime.child import ChildFaultError
from protocol.types import Address, InputError, TransientError, Wei
from watchtower import rerun
from watchtower.config import WatchtowerConfig
from watchtower.obtaining import Obtained

pytestmark = pytest.mark.trio


@pytest.fixture(autouse=True)
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rerun, "WORKER", "tests.unit.runtime.broken_child")
    monkeypatch.setattr(rerun, "backoff", lambda _: 0.0)


RIG: Any = SimpleNamespace(
    config=WatchtowerConfig(attempts=2), runs=Bench(Seats(1, 1, 0.0)), precedence=Precedence()
)
RESULT: Any = SimpleNamespace(lease=bytes(32), output_root=bytes(32), window_end=9)
SPEC: Any = SimpleNamespace(program_root=bytes(32), input_root=bytes(32), item_count=1)
FOUND = Obtained(SPEC, CaseFiles(Path("p"), Path("i"), Path("o"), 1), b"")
NOTHING: Any = None


def trial() -> rerun.Trial:
    return rerun.Trial(RESULT, Claim(Address(bytes(20)), 9, 9.0), NOTHING)


async def test_a_re_run_that_breaks_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def obtain(*_: Any, **__: Any) -> Obtained:
        return FOUND

    monkeypatch.setattr(rerun, "obtain", obtain)
    with pytest.raises(TransientError, match="KeyError: 7") as caught:
        await rerun.rerun(RIG, trial())
    assert caught.type is ChildFaultError


async def test_demanded_outputs_that_break_it_are_given_up_after_some_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[int] = []

    async def demand_terms(*_: Any) -> Any:
        tries.append(1)
        raise ChildFaultError("KeyError: 7")

    monkeypatch.setattr(rerun, "demand_terms", demand_terms)
    with pytest.raises(InputError, match="the worker failed each time"):
        await rerun.rerun_withheld(RIG, trial(), FOUND, Wei(0))
    assert len(tries) == 2


async def test_a_run_past_its_time_limit_is_this_machines_fault_and_not_tried_at_once_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask(*_: Any) -> Any:
        raise TransientError("the time limit of 1 s is over")

    monkeypatch.setattr(rerun, "ask", ask)
    with pytest.raises(InputError, match="time limit"):
        await rerun._compare(RIG, NOTHING, FOUND)


async def test_a_device_that_fails_its_self_test_is_refused_at_the_start() -> None:
    with pytest.raises(InputError, match="cpu cannot be used"):
        await rerun.prove(RIG.config)
