"""Whatever of a provider writes waits for a full disk, and ends nothing."""

import errno
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from protocol.engines.worker import operations
from protocol.engines.worker.serve import answer
from protocol.lease.provider_types import DidNotRun, RunItems
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Context
from protocol.types import DiskError, TransientError
from provider_node import leasing
from provider_node.capacity import Capacity
from provider_node.defence.runs import Runs
from provider_node.defence.shelf import Shelf
from provider_node.jobs import Jobs
from provider_node.slots import Slots
from tests.held_runs import until
from tests.strategies.provider import fresh

pytestmark = pytest.mark.trio
NOTHING: Any = None


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provider_node.patience.backoff", lambda *_: 0.0)
    monkeypatch.setattr(leasing, "_TIDY_S", 0.0)


class Full:
    """Fails so often as if the disk were full, then does what it is told."""

    def __init__(self, times: int, then: Callable[..., Any] = lambda *_: None) -> None:
        self.left, self.then = times, then

    def __call__(self, *args: Any) -> Any:
        if self.left:
            self.left -= 1
            raise DiskError("the disk is full")
        return self.then(*args)


async def test_the_slots_nonces_are_kept_once_there_is_room() -> None:
    kept = list[bytes]()
    remember = Full(2, lambda _, value: kept.append(value))
    journal: Any = SimpleNamespace(recall=Full(2, lambda _: None), remember=remember)

    async def run(*_: object) -> int:
        return 7

    chain: Any = SimpleNamespace(
        run=run, blocking=SimpleNamespace(deployment=SimpleNamespace(escrow=b"\1" * 20))
    )
    loop: Any = SimpleNamespace(states=lambda _: {})
    slots = Slots(chain, loop, journal, NOTHING, NOTHING, 2)
    await slots.settle()
    assert kept == [Capacity.fresh(2, 7).encode()]
    assert slots.capacity == Capacity.fresh(2, 7)


async def test_pins_run_out_once_there_is_room() -> None:
    async def ready() -> None:
        pass

    expired = list[int]()
    parts: Any = SimpleNamespace(
        watcher=SimpleNamespace(ready=ready, height=9),
        store=SimpleNamespace(expire=Full(3, expired.append)),
        loop=SimpleNamespace(states=lambda _: {}),
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leasing._tidy, parts)
        await until(lambda: bool(expired))
        nursery.cancel_scope.cancel()


async def test_the_folder_of_traces_is_made_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = Shelf(tmp_path / "traces", 1)
    monkeypatch.setattr(Shelf, "prepare", Full(2, shelf.prepare))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Runs(NOTHING, NOTHING, shelf, lambda: NOTHING).run)
        await until(shelf.folder.exists)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("error", [DiskError("full"), TransientError("the child died")])
async def test_a_full_disk_is_no_attempt_at_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: TransientError
) -> None:
    """After three of them the lease is given up, at a penalty; room may come before it is due."""

    async def run(*_: object) -> Any:
        raise error

    monkeypatch.setattr(Jobs, "_executed", run)
    loop: Any = SimpleNamespace(state=lambda _: fresh())
    jobs = Jobs(loop, NOTHING, NOTHING, NOTHING, NOTHING, tmp_path, None)
    ran = jobs.run(RunItems(1, 1), Context(MachineId("lease", bytes(32)), bytes(32), 0))
    if isinstance(error, DiskError):
        with pytest.raises(DiskError):
            await ran
    else:
        assert isinstance(await ran, DidNotRun)


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, "disk"), (errno.EACCES, "transient")])
async def test_a_worker_says_that_the_disk_is_full(
    monkeypatch: pytest.MonkeyPatch, number: int, kind: str
) -> None:
    def full(*_: object) -> Any:
        raise OSError(number, "no", "outputs")

    operation: Any = SimpleNamespace(args=dict[str, Any], call=full)
    monkeypatch.setitem(operations.OPERATIONS, "run", operation)
    assert answer({"op": "run"}, NOTHING)["error"]["kind"] == kind
