"""Runs on which a stake or a bond depends go first: the others stand back, and are made again."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from protocol.games.bench import Bench, SeatedChild
from protocol.games.precedence import Precedence, Rank
from protocol.games.turns import Claim, Seats
from protocol.games.workshop import CaseFiles, How, Workshop
from protocol.types import Address
from tests.unit.games.test_asking import GOOD

pytestmark = pytest.mark.trio


class Runs:
    """What works, in the order in which it began and ended. `first` may change at any time."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.precedence, self.nursery = Precedence(), nursery
        self.log, self.first, self.ends = list[str](), set[str](), dict[str, trio.Event]()
        self.scopes = dict[str, trio.CancelScope]()

    async def job(self, name: str) -> str:
        self.log.append(f"{name} begins")
        try:
            await self.ends[name].wait()
        except trio.Cancelled:
            self.log.append(f"{name} is cancelled")
            raise
        self.log.append(f"{name} ends")
        return name

    async def start(self, name: str, *, first: bool = False) -> None:
        self.ends[name], self.scopes[name] = trio.Event(), trio.CancelScope()
        if first:
            self.first.add(name)

        async def work() -> None:
            with self.scopes[name]:
                told = await self.precedence.work(lambda: self.job(name), lambda: name in self.first)
                assert told == name

        self.nursery.start_soon(work)
        await wait_all_tasks_blocked()

    async def end(self, name: str) -> None:
        self.ends[name].set()
        await wait_all_tasks_blocked()


async def test_all_others_stand_back_until_none_is_first_any_more() -> None:
    async with trio.open_nursery() as nursery:
        runs = Runs(nursery)
        await runs.start("rerun")
        await runs.start("accused", first=True)
        await runs.start("audit")
        await runs.start("another", first=True)
        assert runs.log == ["rerun begins", "accused begins", "rerun is cancelled", "another begins"]
        await runs.end("accused")
        assert runs.log[4:] == ["accused ends"]
        await runs.end("another")
        assert sorted(runs.log[5:]) == ["another ends", "audit begins", "rerun begins"]
        await runs.end("rerun")
        await runs.end("audit")


async def test_who_is_first_may_change_while_it_works_or_waits() -> None:
    """An item that a re-run found wrong is accused by an audit as well."""
    async with trio.open_nursery() as nursery:
        runs = Runs(nursery)
        await runs.start("suspect")
        await runs.start("rerun")
        runs.first.add("suspect")
        runs.precedence.look()
        await wait_all_tasks_blocked()
        assert runs.log[2:] == ["rerun is cancelled"], "what is made already goes on"
        await runs.start("waits")
        runs.first.add("waits")
        runs.precedence.look()
        await wait_all_tasks_blocked()
        assert runs.log[3:] == ["waits begins"]
        for name in ("suspect", "waits", "rerun"):
            await runs.end(name)


async def test_a_run_that_is_given_up_keeps_nobody_back() -> None:
    async with trio.open_nursery() as nursery:
        runs = Runs(nursery)
        await runs.start("accused", first=True)
        await runs.start("rerun")
        runs.scopes["accused"].cancel()
        await wait_all_tasks_blocked()
        assert runs.log == ["accused begins", "accused is cancelled", "rerun begins"]
        await runs.end("rerun")


class Process:
    """A child whose process keeps what it ran."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self.starts, self.answers = 0, trio.Event()

    async def call(self, op: str, args: dict[str, Any]) -> Any:
        if self.pid is None:
            self.starts += 1
            self.pid = self.starts
        await self.answers.wait()
        return op


async def test_only_a_game_that_has_to_run_its_item_keeps_others_back() -> None:
    """Games have many moves: each of them would begin a long re-run anew."""
    precedence, process, seats = Precedence(), Process(), Seats(1, 1, 0.1)
    child: Any = process
    rank = Rank(child, precedence, lambda: True)

    async def game(op: str, args: dict[str, Any]) -> Any:
        return await rank.work(partial(process.call, op, args))

    compared = Process()
    other: Any = compared
    rerun = SeatedChild(other, Bench(seats), precedence, Claim(Address(bytes(20)), 9, 1.0))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(game, "accuse", {})
        await wait_all_tasks_blocked()
        nursery.start_soon(rerun.call, "compare", {})
        await wait_all_tasks_blocked()
        assert precedence.is_reserved
        assert compared.starts == 0, "the re-run waits"
        process.answers.set()
        await wait_all_tasks_blocked()
        process.answers = trio.Event()
        nursery.start_soon(game, "move", {})
        await wait_all_tasks_blocked()
        assert not precedence.is_reserved, "its trace is there"
        assert compared.starts == 1
        process.answers.set()
        await wait_all_tasks_blocked()
        process.pid, process.answers = None, trio.Event()
        nursery.start_soon(game, "move", {})
        await wait_all_tasks_blocked()
        assert precedence.is_reserved, "its trace is gone with the process"
        nursery.cancel_scope.cancel()


async def test_what_a_run_waits_for_is_neither_its_time_nor_a_reason_to_end_it(
    autojump_clock: object,
) -> None:
    """Else a wrong result was left alone, since its item seemed to take longer than a move's clock."""
    precedence, starts = Precedence(), list[float]()

    async def call(op: str, _: object) -> object:
        starts.append(trio.current_time())
        await trio.sleep(20)
        return GOOD[op]

    async def accusation() -> None:
        await trio.sleep(10)
        await precedence.work(partial(trio.sleep, 400), lambda: True)

    child: Any = SimpleNamespace(call=call, pid=1)
    files, how = CaseFiles(Path("p"), Path("i"), Path("o"), 3), How("cpu", 1, 60.0, took=20.0)
    shop = Workshop(child, files, how, Rank(child, precedence, lambda: False))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(accusation)
        began = trio.current_time()
        charge = await shop.accuse(1)
    assert [at - began for at in starts] == [0, 410]
    assert charge.seconds == 20
