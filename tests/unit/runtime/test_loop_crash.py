"""Crashes at random points, and one real SIGKILL: no effect is lost, none is performed as two."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Context
from protocol.store import Journal, PendingEffect
from protocol.types import DiskError
from tests.unit.runtime.machines import MACHINE, Account, AskedPay, DidPay, SendOnce, SendPay

ME = MachineId("account", b"me")


class Crash(BaseException):
    """The power went out."""


class World:
    """What outlives a crash: who was paid under which effect id. Counts down to the next crash.

    `full`: how often the disk has no room from now on.
    """

    def __init__(self) -> None:
        self.done: dict[bytes, int] = {}
        self.countdown = -1
        self.full = 0

    def room(self) -> None:
        if self.full:
            self.full -= 1
            raise DiskError("the disk is full")

    def point(self) -> None:
        self.countdown -= 1
        if self.countdown == 0:
            raise Crash


class FragileJournal(Journal):
    """A journal that may crash just before or just after each commit, on a disk that may be full."""

    world: World

    def commit(self, *args, **kwargs) -> list[PendingEffect]:
        self.world.point()
        self.world.room()
        new = super().commit(*args, **kwargs)
        self.world.point()
        return new


class Crashes(RuleBasedStateMachine):
    """Payments are asked for under a cause each, as chain events are: seen again until they were taken."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = World()
        self.asked: dict[bytes, int] = {}
        self.state = Account()

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule(
        amounts=st.lists(st.integers(1, 1 << 70), max_size=4),
        crash_at=st.integers(1, 25),
        full=st.integers(0, 3),
    )
    def ask_and_crash(self, amounts: list[int], crash_at: int, full: int) -> None:
        self.world.full = full
        self.asked |= {b"cause %d" % (len(self.asked) + i): amount for i, amount in enumerate(amounts)}
        self.run(crash_at)

    @rule()
    def recover(self) -> None:
        self.run(-1)
        assert sorted(self.state.paid) == sorted(self.asked.values()), "each payment arrived, none twice"
        assert sorted(self.world.done.values()) == sorted(self.asked.values())

    @invariant()
    def nothing_is_done_that_was_not_asked_for(self) -> None:
        left = sorted(self.asked.values())
        for amount in self.world.done.values():
            left.remove(amount)

    def run(self, crash_at: int) -> None:
        self.world.countdown = crash_at
        journal = FragileJournal(self.folder / "journal.db")
        journal.world = self.world
        try:
            trio.run(self.session, journal)
        except BaseException as error:
            if not _is_crash(error):
                raise
        finally:
            # Nothing is flushed here that a dead process would not have flushed: every commit is synced.
            journal.close()

    async def session(self, journal: Journal) -> None:
        loop = Loop(journal, pause=lambda attempt: 0)
        loop.machine(MACHINE)
        loop.handle(SendPay, self.pay)
        loop.handle(SendOnce, self.never)
        with trio.fail_after(20):
            await self.converse(loop)

    async def converse(self, loop: Loop) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(loop.run)
            if loop.state(ME) is None:
                self.asked.setdefault(b"opened", 0)  # before: the crash may come while it is being opened
                await loop.open(ME, Account(), AskedPay(0), once=b"opened")
            async with trio.open_nursery() as giving:
                for cause, amount in self.asked.items():
                    giving.start_soon(loop.give, ME, AskedPay(amount), cause)
            await loop.quiet()
            self.state = loop.state(ME)
            nursery.cancel_scope.cancel()

    async def pay(self, effect: SendPay, context: Context) -> DidPay:
        self.world.point()
        # Idempotent by id, as a transaction with a fixed nonce is.
        self.world.done[context.effect_id] = effect.amount
        self.world.point()
        return DidPay(effect.amount)

    async def never(self, effect: SendOnce, context: Context) -> None:
        raise AssertionError


def _is_crash(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_crash(each) for each in error.exceptions)
    return isinstance(error, Crash)


Crashes.TestCase.settings = settings(max_examples=25, stateful_step_count=6, deadline=None)
TestCrashes = Crashes.TestCase

WORKER = """
import os, signal, sys
from pathlib import Path
import trio
from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.store import Journal
from tests.unit.runtime.machines import *

folder, die = Path(sys.argv[1]), sys.argv[2]

def line(text):
    with (folder / "world").open("a") as file:
        file.write(text + "\\n")

async def pay(effect, context):
    if die == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    line(context.effect_id.hex())
    if die == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return DidPay(effect.amount)

async def close(effect, context):
    line("closed")

async def main():
    loop = Loop(Journal(folder / "journal.db"))
    loop.machine(MACHINE)
    loop.handle(SendPay, pay)
    loop.handle(SendOnce, close)
    async with trio.open_nursery() as nursery:
        await nursery.start(loop.run)
        me = MachineId("account", b"me")
        await loop.open(me, Account(), AskedPay(7))
        await loop.wait_for(me, lambda state: state.paid == (7,))
        await loop.quiet()
        nursery.cancel_scope.cancel()

trio.run(main)
"""


@pytest.mark.parametrize("die", ["before", "after"])
def test_a_kill_between_journal_and_act_loses_and_doubles_nothing(tmp_path: Path, die: str) -> None:
    def run(how: str) -> int:
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
        command = [sys.executable, "-c", WORKER, str(tmp_path), how]
        return subprocess.run(command, env=env, check=False, timeout=30).returncode

    assert run(die) == -signal.SIGKILL
    assert run("never") == 0
    assert run("never") == 0
    ids = (tmp_path / "world").read_text().split()
    assert len(ids) == (1 if die == "before" else 2), "performed again only if it may have been cut off"
    assert len(set(ids)) == 1, "under the same id, so that the world can tell"


STREAM = """
import sys
from pathlib import Path
import trio
from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.store import Journal
from tests.unit.runtime.machines import *

folder, count = Path(sys.argv[1]), int(sys.argv[2])
me = MachineId("account", b"me")

async def pay(effect, context):
    with (folder / "world").open("a") as file:
        file.write(f"{context.effect_id.hex()} {effect.amount}\\n")
    await trio.sleep(0.002)
    return DidPay(effect.amount)

async def close(effect, context):
    pass

async def main():
    loop = Loop(Journal(folder / "journal.db"))
    loop.machine(MACHINE)
    loop.handle(SendPay, pay)
    loop.handle(SendOnce, close)
    async with trio.open_nursery() as nursery:
        await nursery.start(loop.run)
        await loop.open(me, Account(), AskedPay(0))
        for amount in range(1, count):
            await loop.give(me, AskedPay(amount), once=amount.to_bytes(4, "big"))
        await loop.quiet()
        assert sorted(loop.state(me).paid) == list(range(count))
        nursery.cancel_scope.cancel()

trio.run(main)
"""


@pytest.mark.soak
def test_kills_at_any_moment_lose_and_double_nothing(tmp_path: Path) -> None:
    count, kills, chance = 300, 0, random.Random(1)
    world = tmp_path / "world"
    world.touch()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    while True:
        process = subprocess.Popen([sys.executable, "-c", STREAM, str(tmp_path), str(count)], env=env)
        enough = world.read_bytes().count(b"\n") + chance.randint(1, 30)
        while process.poll() is None and world.read_bytes().count(b"\n") < enough:
            time.sleep(0.0005)
        if process.poll() is not None:
            assert process.returncode == 0
            break
        process.kill()
        process.wait()
        kills += 1
    paid = dict(line.split() for line in world.read_text().splitlines())
    assert sorted(map(int, paid.values())) == list(range(count)), "each once, by its id"
    assert kills >= 10
