"""Runs of items that last as long as a test wants, each in whatever child it is given."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import trio

from protocol.dispute.names import Job, Program
from protocol.engines.worker.game_wire import JOBS
from protocol.types import Hash32

HASH = Hash32(b"\1" * 32)
JOB = Job(Program(1, 0, 2, 1, HASH, HASH, HASH), HASH, 3)
CHILD = "tests.told_child"


@dataclass(frozen=True)
class HeldRuns:
    """An item's run ends with `let_go` of its program."""

    folder: Path

    @classmethod
    def under(cls, folder: Path, monkeypatch: pytest.MonkeyPatch) -> "HeldRuns":
        """Tell `CHILD` what to answer, whoever starts it in this test."""
        told = folder / "told"
        found = {
            "trace_root": HASH,
            "item_root": HASH,
            "posted_root": HASH,
            "proof": [],
            "roots": [],
            "end": [],
            "memory": 1 << 20,
        }
        told.write_bytes(msgspec.msgpack.encode({"accuse": {**found, "job": JOBS.encode(JOB)}}))
        monkeypatch.setenv("TOLD", str(told))
        monkeypatch.setenv("WAITS", "1")
        return cls(folder)

    def program(self, name: str) -> Path:
        return self.folder / name

    def let_go(self, name: str) -> None:
        self.program(name).touch()

    async def begun(self, name: str) -> None:
        """Wait until a child runs this."""
        await until(self.program(f"{name}.asked").exists)

    def has_begun(self, name: str) -> bool:
        return self.program(f"{name}.asked").exists()


async def until(holds: Callable[[], bool]) -> None:
    """Wait, as long as a loaded machine may take."""
    with trio.fail_after(60):
        while not holds():
            await trio.sleep(0.01)
