import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import UNEXPECTED_TRIES, Context
from protocol.store import Journal, PendingEffect
from protocol.store.journal import DROPPED
from protocol.types import BrokenInvariant, DiskError, InputError, TransientError
from tests.unit.runtime.machines import (
    MACHINE,
    Account,
    AskedClose,
    AskedPay,
    DidPay,
    SendOnce,
    SendPay,
)

ME = MachineId("account", b"me")


class Bank:
    """Handlers that remember what they did; `fail` holds what to raise next."""

    def __init__(self) -> None:
        self.paid: list[int] = []
        self.closed = 0
        self.attempts: list[int] = []
        self.fail: list[BaseException] = []
        self.gate = trio.Event()
        self.gate.set()

    async def pay(self, effect: SendPay, context: Context) -> DidPay:
        self.attempts.append(context.attempt)
        await self.gate.wait()
        if self.fail:
            raise self.fail.pop(0)
        self.paid.append(effect.amount)
        return DidPay(effect.amount)

    def close(self, effect: SendOnce, context: Context) -> None:
        self.closed += 1


class FullJournal(Journal):
    """A journal on a disk that is full while `full`."""

    full = False

    def commit(self, *args: Any, **kwargs: Any) -> list[PendingEffect]:
        self._check()
        return super().commit(*args, **kwargs)

    def forget(self, kind: str, machine: bytes) -> None:
        self._check()
        super().forget(kind, machine)

    def compact(self) -> None:
        self._check()
        super().compact()

    def _check(self) -> None:
        if self.full:
            raise DiskError("the journal cannot be written: database or disk is full")


@asynccontextmanager
async def running(path: Path, bank: Bank, kind: type[Journal] = Journal) -> AsyncIterator[Loop]:
    journal = kind(path)
    loop = Loop(journal, pause=lambda attempt: 0.001)
    loop.machine(MACHINE)
    loop.handle(SendPay, bank.pay)
    loop.handle_blocking(SendOnce, bank.close)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(loop.run)
            yield loop
            nursery.cancel_scope.cancel()
    finally:
        journal.close()


@pytest.mark.trio
async def test_effects_are_performed_and_their_outcomes_come_back(tmp_path: Path) -> None:
    bank = Bank()
    async with running(tmp_path / "j", bank) as loop:
        assert await loop.open(ME, Account(), AskedPay(5))
        assert not await loop.open(ME, Account(), AskedPay(6))
        state = await loop.wait_for(ME, lambda state: state.paid)
        assert state == Account(paid=(5,)) == loop.state(ME)
        assert loop.states("account") == {b"me": state}
    assert bank.paid == [5]


@pytest.mark.trio
async def test_the_journal_waits_for_no_thread_that_others_hold(tmp_path: Path) -> None:
    """Strangers' look-ups held all of trio's own threads, and every lease waited for them."""
    gate, bank = threading.Event(), Bank()
    others = trio.to_thread.current_default_thread_limiter()
    try:
        async with running(tmp_path / "j", bank) as loop, trio.open_nursery() as nursery:
            for _ in range(int(others.total_tokens)):
                nursery.start_soon(partial(trio.to_thread.run_sync, gate.wait, abandon_on_cancel=True))
            await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(5):
                assert await loop.open(ME, Account(), AskedPay(5))
            nursery.cancel_scope.cancel()
    finally:
        gate.set()


@pytest.mark.trio
async def test_a_cause_is_taken_once_even_after_a_restart(tmp_path: Path) -> None:
    bank = Bank()
    async with running(tmp_path / "j", bank) as loop:
        await loop.open(ME, Account(), AskedPay(1))
        assert await loop.give(ME, AskedPay(2), once=b"log 7", notes={"block": b"7"})
        assert not await loop.give(ME, AskedPay(2), once=b"log 7")
        await loop.quiet()
    async with running(tmp_path / "j", bank) as loop:
        assert not await loop.give(ME, AskedPay(2), once=b"log 7")
        assert loop.state(ME).paid == (1, 2)
    assert Journal(tmp_path / "j").recall("block") == b"7"


@pytest.mark.trio
async def test_inputs_that_come_together_are_taken_in_order(tmp_path: Path) -> None:
    bank = Bank()
    async with running(tmp_path / "j", bank) as loop:
        await loop.open(ME, Account(), AskedPay(0))
        async with trio.open_nursery() as nursery:
            for i in range(1, 300):
                nursery.start_soon(loop.give, ME, AskedPay(i), b"same" if i % 2 else None)
        await loop.quiet()
        assert sorted(loop.state(ME).paid) == sorted(bank.paid)
        assert sum(amount % 2 for amount in bank.paid) == 1, "one cause, one input"
        assert len(bank.paid) == 151


@pytest.mark.trio
async def test_what_is_pending_is_offered_again_after_a_restart(tmp_path: Path) -> None:
    stuck = Bank()
    stuck.gate = trio.Event()
    async with running(tmp_path / "j", stuck) as loop:
        await loop.open(ME, Account(), AskedPay(5))
        assert stuck.paid == []
    bank = Bank()
    async with running(tmp_path / "j", bank) as loop:
        await loop.wait_for(ME, lambda state: state.paid == (5,))
    async with running(tmp_path / "j", bank) as loop:
        await loop.quiet()
    assert bank.paid == [5]


@pytest.mark.trio
async def test_a_transient_error_is_tried_again(tmp_path: Path) -> None:
    bank = Bank()
    bank.fail = [TransientError("rpc down"), ExceptionGroup("nursery", [TransientError("peer gone")])]
    async with running(tmp_path / "j", bank) as loop:
        await loop.open(ME, Account(), AskedPay(5))
        await loop.wait_for(ME, lambda state: state.paid == (5,))
    assert bank.attempts == [0, 1, 2]


@pytest.mark.trio
async def test_a_refusal_goes_to_the_machine(tmp_path: Path) -> None:
    bank = Bank()
    bank.fail = [ExceptionGroup("nursery", [TransientError("x"), InputError("too little", "add money")])]
    async with running(tmp_path / "j", bank) as loop:
        await loop.open(ME, Account(), AskedPay(5))
        await loop.wait_for(ME, lambda state: state.refusals == ("too little (add money)",))
        await loop.quiet()
    assert bank.attempts == [0]


@pytest.mark.trio
async def test_a_bug_in_a_handler_is_refused_after_some_tries_and_spares_the_others(tmp_path: Path) -> None:
    bank = Bank()
    bank.fail = [KeyError("hostile") for _ in range(UNEXPECTED_TRIES)]
    async with running(tmp_path / "j", bank) as loop:
        await loop.open(ME, Account(), AskedPay(5))
        state = await loop.wait_for(ME, lambda state: state.refusals)
        assert "hostile" in state.refusals[0]
        await loop.open(MachineId("account", b"other"), Account(), AskedPay(6))
        await loop.quiet()
    assert bank.paid == [6]


@pytest.mark.trio
async def test_a_broken_invariant_stops_the_loop_and_frees_who_waits(tmp_path: Path) -> None:
    bank = Bank()
    bank.fail = [BrokenInvariant("balance below zero")]
    loops: list[Loop] = []

    async def session() -> None:
        async with running(tmp_path / "j", bank) as loop:
            loops.append(loop)
            await loop.open(ME, Account(), AskedPay(5))
            await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as caught:
        await session()
    assert caught.group_contains(BrokenInvariant, match="below zero")
    with pytest.raises(TransientError, match="stopped"):
        await loops[0].give(ME, AskedPay(1))


@pytest.mark.trio
async def test_an_effect_that_the_state_no_longer_wants_is_cancelled_and_dropped(tmp_path: Path) -> None:
    bank = Bank()
    bank.gate = trio.Event()
    async with running(tmp_path / "j", bank) as loop:
        await loop.open(ME, Account(), AskedPay(5))
        await loop.give(ME, AskedClose())
        await loop.quiet()
        bank.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        assert (bank.paid, bank.closed) == ([], 1)
    journal = Journal(tmp_path / "j")
    assert journal.pending() == []
    assert [s for (s,) in journal._db.execute("SELECT status FROM effect ORDER BY rowid")] == [DROPPED, 1]


@pytest.mark.trio
async def test_a_keyed_effect_happens_once_however_often_it_is_asked_for(tmp_path: Path) -> None:
    bank = Bank()
    async with running(tmp_path / "j", bank) as loop:
        await loop.open(ME, Account(), AskedClose())
        await loop.give(ME, AskedClose())
        await loop.quiet()
        await loop.give(ME, AskedClose())
        await loop.quiet()
    async with running(tmp_path / "j", bank) as loop:
        await loop.give(ME, AskedClose())
        await loop.quiet()
        assert bank.closed == 1
        assert await loop.forget(ME)
        assert loop.state(ME) is None
        assert not await loop.forget(ME)
        with pytest.raises(InputError, match="there is no account"):
            await loop.give(ME, AskedClose())


@pytest.mark.trio
async def test_an_effect_without_a_handler_is_found_at_the_start(tmp_path: Path) -> None:
    loop = Loop(Journal(tmp_path / "j"))
    loop.machine(MACHINE)
    with pytest.raises(BrokenInvariant, match="no handler for SendPay"):
        await loop.run()


@pytest.mark.trio
async def test_an_effect_may_have_several_outcomes(tmp_path: Path) -> None:
    bank = Bank()
    async with running(tmp_path / "j", bank) as loop:

        async def twice(effect: SendPay, context: Context) -> list[DidPay]:
            return [DidPay(effect.amount), DidPay(effect.amount + 1)]

        loop._handlers[SendPay] = twice
        await loop.open(ME, Account(), AskedPay(1))
        await loop.wait_for(ME, lambda state: state.paid == (1, 2))
    assert len(Journal(tmp_path / "j").inputs("account", b"me")) == 3


@pytest.mark.trio
async def test_a_machine_that_is_not_done_is_not_forgotten(tmp_path: Path) -> None:
    bank = Bank()
    bank.gate = trio.Event()
    async with running(tmp_path / "j", bank) as loop:
        await loop.open(ME, Account(), AskedPay(5))
        assert not await loop.forget(ME)
        assert loop.state(ME) == Account()


@pytest.mark.trio
async def test_inputs_that_come_while_a_machine_is_forgotten_find_none(tmp_path: Path) -> None:
    async with running(tmp_path / "j", Bank()) as loop:
        await loop.open(ME, Account(), AskedClose())
        await loop.quiet()
        answers: list[object] = []

        async def give() -> None:
            try:
                answers.append(await loop.give(ME, AskedClose()))
            except InputError as error:
                answers.append(error)

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(give)
                nursery.start_soon(loop.forget, ME)
        await loop.quiet()
        assert len(answers) == 10
        assert loop.state(ME) is None


@pytest.mark.trio
async def test_an_input_that_cannot_be_written_down_is_its_givers_fault(tmp_path: Path) -> None:
    bank = Bank()
    async with running(tmp_path / "j", bank) as loop:
        await loop.open(ME, Account(), AskedPay(1))
        with pytest.raises(InputError, match="cannot take this input"):
            await loop.give(ME, AskedPay("much"))  # type: ignore[arg-type]

        async def nonsense(effect: SendPay, context: Context) -> str:
            return "paid"

        loop._handlers[SendPay] = nonsense
        await loop.give(ME, AskedPay(3))
        await loop.wait_for(ME, lambda state: state.refusals)
        assert "cannot take this input" in loop.state(ME).refusals[0]


async def until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(60):
        while not holds():
            await trio.sleep(0.001)


@pytest.mark.trio
async def test_while_the_disk_is_full_nothing_is_acted_on_and_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bank = Bank()
    async with running(tmp_path / "j", bank, FullJournal) as loop, trio.open_nursery() as nursery:
        journal: Any = loop._journal
        await loop.open(ME, Account(), AskedPay(1))
        await loop.quiet()
        journal.full = True
        for amount in (2, 3):
            nursery.start_soon(loop.give, ME, AskedPay(amount), b"cause %d" % amount)
        await until(lambda: bool(loop.trouble))
        await trio.sleep(0.05)  # some tries
        assert "cannot be written" in loop.trouble
        assert bank.paid == [1], "what is not journaled is not done"
        assert loop.state(ME) == Account(paid=(1,))
        assert not await trio.to_thread.run_sync(journal.seen, *_name(b"cause 2"))
        journal.full = False
        await loop.wait_for(ME, lambda state: len(state.paid) == 3)
        assert loop.trouble == ""
        assert not await loop.give(ME, AskedPay(2), b"cause 2"), "it was taken"
    assert sorted(bank.paid) == [1, 2, 3]
    assert [each.levelname for each in caplog.records if "journal" in each.message] == ["ERROR", "WARNING"]


@pytest.mark.trio
async def test_outcomes_and_drops_wait_for_the_disk_as_well(tmp_path: Path) -> None:
    bank = Bank()
    bank.gate = trio.Event()
    other = MachineId("account", b"other")
    async with running(tmp_path / "j", bank, FullJournal) as loop, trio.open_nursery() as nursery:
        journal: Any = loop._journal
        await loop.open(ME, Account(), AskedPay(5))
        await loop.open(other, Account(), AskedPay(6))
        journal.full = True
        bank.gate.set()
        await until(lambda: bool(loop.trouble))
        assert sorted(bank.paid) == [5, 6], "these were journaled before"
        assert loop.state(ME) == loop.state(other) == Account()
        nursery.start_soon(loop.give, ME, AskedClose())
        await trio.sleep(0.05)
        assert bank.closed == 0
        journal.full = False
        await loop.quiet()
        assert (loop.state(ME).paid, loop.state(other).paid, bank.closed) == ((5,), (6,), 1)
    assert Journal(tmp_path / "j").pending() == []


class FullOnce(FullJournal):
    """One on which the drop of an effect finds the disk full first."""

    def commit(self, changes: Any, settled: Any = ()) -> list[PendingEffect]:
        self.full = not changes and not self.full
        return super().commit(changes, settled)


@pytest.mark.trio
async def test_an_effect_is_dropped_once_the_disk_has_room(tmp_path: Path) -> None:
    bank = Bank()
    bank.gate = trio.Event()
    async with running(tmp_path / "j", bank, FullOnce) as loop:
        await loop.open(ME, Account(), AskedPay(5))
        await loop.give(ME, AskedClose())
        await loop.quiet()
        assert (bank.paid, bank.closed) == ([], 1)
    assert Journal(tmp_path / "j").pending() == []


@pytest.mark.trio
async def test_a_full_disk_keeps_a_machine_from_being_forgotten_and_ends_nothing(tmp_path: Path) -> None:
    async with running(tmp_path / "j", Bank(), FullJournal) as loop:
        journal: Any = loop._journal
        await loop.open(ME, Account(), AskedClose())
        await loop.quiet()
        journal.full = True
        assert not await loop.forget(ME)
        assert loop.state(ME) is not None
        with trio.move_on_after(0.01):
            await loop._compact()
        journal.full = False
        assert await loop.forget(ME)


@pytest.mark.trio
async def test_who_waits_for_a_full_disk_is_freed_when_the_loop_stops(tmp_path: Path) -> None:
    errors: list[Exception] = []

    async def give(loop: Loop) -> None:
        with pytest.raises(TransientError, match="stopped"):
            await loop.give(ME, AskedPay(2))
        errors.append(TransientError("freed"))

    async with trio.open_nursery() as outside, running(tmp_path / "j", Bank(), FullJournal) as loop:
        await loop.open(ME, Account(), AskedPay(1))
        await loop.quiet()
        loop._journal.full = True  # type: ignore[attr-defined]
        outside.start_soon(give, loop)
        await until(lambda: bool(loop.trouble))
    assert len(errors) == 1


def _name(once: bytes) -> tuple[str, bytes, bytes]:
    return ME.kind, ME.id, once
