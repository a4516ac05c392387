"""The trio thread: awaited from asyncio and trio, blocked on from plain code, cancelled, failing, ended."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from client_sdk.bridge import Bridge, stream, wait_for
from protocol.types import InputError

pytestmark = pytest.mark.timeout(30)


@asynccontextmanager
async def hosted() -> AsyncIterator[list[str]]:
    log = ["open"]
    async with trio.open_nursery() as nursery:
        yield log
        nursery.cancel_scope.cancel()
    log.append("closed")


@asynccontextmanager
async def refusing() -> AsyncIterator[None]:
    async with trio.open_nursery():
        raise InputError("no such wallet")
    yield


async def nap(log: list[str], seconds: float) -> str:
    try:
        await trio.sleep(seconds)
    except trio.Cancelled:
        log.append("cancelled")
        raise
    return threading.current_thread().name


async def fail() -> None:
    raise InputError("wrong")


def ended(bridge: Bridge[list[str]]) -> None:
    bridge.join()
    assert not [each for each in threading.enumerate() if "gavel" in each.name]


def test_plain_code_blocks_and_errors_cross() -> None:
    bridge = Bridge(hosted)
    log = bridge.start().result(5)
    assert bridge.submit(nap, log, 0.0).result(5) != threading.current_thread().name
    with pytest.raises(InputError, match="wrong"):
        bridge.submit(fail).result(5)
    bridge.stop().result(5)
    assert log[-1] == "closed"
    ended(bridge)


def test_opening_that_fails_says_why_and_leaves_no_thread() -> None:
    bridge = Bridge(refusing)
    with pytest.raises(InputError, match="no such wallet"):
        bridge.start().result(5)
    ended(bridge)


def test_asyncio_awaits_and_a_timeout_cancels_the_call() -> None:
    async def main() -> list[str]:
        bridge = Bridge(hosted)
        log = await wait_for(bridge.start())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait_for(bridge.submit(nap, log, 60.0)), 0.2)
        await wait_for(bridge.stop())
        ended(bridge)
        return log

    assert asyncio.run(main()) == ["open", "cancelled", "closed"]


def test_trio_awaits_and_a_timeout_cancels_the_call() -> None:
    async def main() -> list[str]:
        bridge = Bridge(hosted)
        log = await wait_for(bridge.start())
        with trio.move_on_after(0.2) as scope:
            await wait_for(bridge.submit(nap, log, 60.0))
        assert scope.cancelled_caught
        await wait_for(bridge.stop())
        ended(bridge)
        return log

    assert trio.run(main) == ["open", "cancelled", "closed"]


def test_streams_end_and_a_busy_caller_does_not_stall_the_thread() -> None:
    async def item(index: int) -> int | None:
        return index if index < 3 else None

    async def main() -> tuple[list[int], float]:
        bridge = Bridge(hosted)
        log = await wait_for(bridge.start())
        found = [each async for each in stream(lambda index: bridge.submit(item, index))]
        beat = bridge.submit(nap, log, 0.2)
        time.sleep(0.5)
        begun = time.monotonic()
        await wait_for(beat)
        late = time.monotonic() - begun
        await wait_for(bridge.stop())
        ended(bridge)
        return found, late

    found, late = asyncio.run(main())
    assert found == [0, 1, 2]
    assert late < 0.15
