"""The executors of this machine, one per slot, and the calibration that bidding stands on."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import trio

from protocol.auction.bidding import DeviceSpeed
from protocol.engines.worker.interface import Speed
from protocol.store.files import write_whole
from protocol.types import DiskError, LeaseId
from provider_node.executors.tape import TapeExecutor, TapeOptions, open_tape

log = logging.getLogger(__name__)

_FORMAT = 1


class Workers:
    """Hands the executors out: a lease keeps the one it got until it is released."""

    def __init__(self, executors: list[TapeExecutor]) -> None:
        self._all = executors
        self._free = list(executors)
        self._of: dict[LeaseId, TapeExecutor] = {}
        self._freed = trio.Event()

    @property
    def verifications(self) -> frozenset[int]:
        """Return the verification kinds that jobs run here can have."""
        return frozenset(each.verification for each in self._all)

    async def of(self, lease: LeaseId) -> TapeExecutor:
        """Return the lease's executor, waiting for a free one if it has none."""
        while lease not in self._of:
            if self._free:
                self._of[lease] = self._free.pop()
            else:
                freed = self._freed
                await freed.wait()
        return self._of[lease]

    def release(self, lease: LeaseId, end: bool = True) -> None:
        """Give a lease's executor to the next one; with `end`, what may still run there is ended first."""
        executor = self._of.pop(lease, None)
        if executor is not None:
            if end:
                executor.stop()
            self._free.append(executor)
            self._freed.set()
            self._freed = trio.Event()

    def hold(self, device: str) -> None:
        """Stop jobs that run on this kind of device until `go_on`: there is something more urgent."""
        for each in self._all:
            each.hold(device.partition(":")[0])

    def go_on(self) -> None:
        """Let all jobs go on."""
        for each in self._all:
            each.go_on()

    def make_room(self) -> None:
        """End what runs or idles: it keeps its finished items, and begins anew when there is memory."""
        for each in self._all:
            each.stop()

    async def calibrate(self, cache: Path, key: str) -> tuple[DeviceSpeed, ...]:
        """Return this machine's devices, measured once and remembered in `cache` under `key`.

        `key` names hardware, software and options: figures of another machine must not be taken over.
        """
        first = self._all[0]
        found = await trio.to_thread.run_sync(_remembered, cache, key)
        if found:
            first.speeds = {speed.device: speed for speed in found}
        else:
            log.info("measuring this machine's speed")
            await first.calibrate()
            body = json.dumps(
                {"format": _FORMAT, "key": key, "speeds": [_plain(each) for each in first.speeds.values()]}
            )
            try:
                await trio.to_thread.run_sync(write_whole, cache, body.encode())
            except DiskError as error:
                log.warning("what was measured is measured again at the next start: %s", error)
        for each in self._all:
            each.speeds = first.speeds
        return tuple(first.device(speed) for speed in first.speeds.values())


@asynccontextmanager
async def open_workers(slots: int, options: TapeOptions) -> AsyncIterator[Workers]:
    """Give the workers of `slots` jobs at a time; their children end with the block."""
    async with AsyncExitStack() as stack:
        yield Workers([await stack.enter_async_context(open_tape(options)) for _ in range(slots)])


def _plain(speed: Speed) -> dict[str, object]:
    return {name: getattr(speed, name) for name in speed.__struct_fields__}


def _remembered(cache: Path, key: str) -> list[Speed]:
    try:
        document = json.loads(cache.read_text())
        if document["format"] == _FORMAT and document["key"] == key:
            return [Speed(**each) for each in document["speeds"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return []
