"""A worker that hangs is waited for no longer than its item may take; then it is ended, and asked again."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from protocol.games import asking
from protocol.games.workshop import CaseFiles, How, Workshop
from protocol.runtime.child import Child, open_child
from protocol.types import Hash32, TransientError
from tests.held_runs import CHILD, HASH, HeldRuns
from tests.unit.games.test_asking import GOOD
from watchtower.auditing.running import Job, run_item
from watchtower.config import WatchtowerConfig

pytestmark = pytest.mark.trio
RIG: Any = SimpleNamespace(config=WatchtowerConfig())


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HeldRuns:
    monkeypatch.setattr(asking, "_LEAST_S", 0.01)
    return HeldRuns.under(tmp_path, monkeypatch)


def files(program: Path) -> CaseFiles:
    return CaseFiles(program, Path("i"), Path("o"), 4)


@pytest.mark.parametrize("how", [How("cpu", 1, 0.01), How("cpu", 1, 10**6, took=0.01)])
async def test_a_games_worker_that_hangs_is_ended_and_the_next_answers(held: HeldRuns, how: How) -> None:
    async with open_child(CHILD) as child:
        shop = Workshop(child, files(held.program("p")), how)
        with trio.fail_after(60):
            with pytest.raises(TransientError, match="has not answered to accuse"):
                await shop.accuse(1)
            assert child.pid is None
            held.let_go("p")
            while True:  # each waits for longer: a busy machine takes a while to start one
                try:
                    assert (await shop.accuse(1)).own_root == HASH
                    break
                except TransientError:
                    continue


async def test_an_audited_items_run_that_hangs_is_ended_with_its_window(held: HeldRuns) -> None:
    async with open_child(CHILD) as child:
        with trio.fail_after(60):
            for served in (True, False):
                with pytest.raises(TransientError, match="has not answered"):
                    await run_item(RIG, child, Job(1, files(held.program("p")), served), 0.01)
                assert child.pid is None


async def test_the_second_run_before_a_commitment_may_take_a_few_times_the_first(
    autojump_clock: object,
) -> None:
    async def call(op: str, _: object) -> object:
        if op == "accuse":
            await trio.sleep(10)
            return {**GOOD["accuse"], "posted_root": Hash32(b"\7" * 32)}
        return await trio.sleep_forever()

    child: Child = SimpleNamespace(call=call)  # type: ignore[assignment]
    with trio.fail_after(200), pytest.raises(TransientError, match="has not answered to open_trace in 100 s"):
        await run_item(RIG, child, Job(1, files(Path("p")), True), 10_000.0)


async def test_a_run_in_a_child_that_was_there_already_shortens_no_wait_for_one_that_has_to_start(
    autojump_clock: object,
) -> None:
    lasts = [100.0, 1.0, 150.0]

    async def call(op: str, _: object) -> object:
        await trio.sleep(lasts.pop(0))
        return GOOD[op]

    child: Child = SimpleNamespace(call=call)  # type: ignore[assignment]
    shop = Workshop(child, files(Path("p")), How("cpu", 1, 10**6))
    for item in (1, 2, 3):
        await shop.accuse(item)
    assert lasts == []


async def test_who_closes_a_workshop_learns_what_a_restarted_worker_takes(held: HeldRuns) -> None:
    """A trace that a child has kept says nothing of the time that it takes to make."""
    async with open_child(CHILD) as child:
        shop = Workshop(child, files(held.program("p")), How("cpu", 1, 10**6))
        held.let_go("p")
        await shop.accuse(1)
        assert child.pid is not None
        shop.close()
        assert child.pid is None
