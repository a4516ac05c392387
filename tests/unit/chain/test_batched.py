"""Reads that strangers cause go together, and what fails fails only those that were in it."""

import pytest
import trio
import trio.testing

from protocol.chain.batched import Batched
from protocol.types import TransientError

pytestmark = pytest.mark.trio


async def test_what_is_asked_during_a_request_goes_with_the_next() -> None:
    requests: list[tuple[int, ...]] = []
    go = trio.Event()

    async def read(keys: tuple[int, ...]) -> list[int]:
        requests.append(keys)
        await go.wait()
        return [2 * key for key in keys]

    asked: Batched[int, int] = Batched(read, most=50)
    found: dict[int, int] = {}

    async def get(key: int) -> None:
        found[key] = await asked.get(key)

    async with trio.open_nursery() as nursery:
        for key in range(101):
            nursery.start_soon(get, key)
        await trio.testing.wait_all_tasks_blocked()
        go.set()
    assert found == {key: 2 * key for key in range(101)}
    assert len(requests) <= 4
    assert sorted(key for keys in requests for key in keys) == list(range(101)), "each key is asked for once"


async def test_a_request_that_fails_fails_its_keys_and_no_later_ones() -> None:
    down = True

    async def read(keys: tuple[int, ...]) -> list[int]:
        if down:
            raise TransientError("no node")
        return list(keys)

    asked: Batched[int, int] = Batched(read, most=2)
    with pytest.raises(TransientError, match="no node"):
        await asked.get(1)
    down = False
    assert await asked.get(1) == 1


async def test_who_is_cancelled_in_the_middle_leaves_nobody_waiting() -> None:
    async def read(_: tuple[int, ...]) -> list[int]:
        await trio.sleep_forever()
        raise AssertionError

    asked: Batched[int, int] = Batched(read, most=2)
    scope = trio.CancelScope()

    async def first() -> None:
        with scope:
            await asked.get(1)

    async def second() -> None:
        with pytest.raises(TransientError, match="given up"):
            await asked.get(2)

    async with trio.open_nursery() as nursery:
        async with asked._turns:
            for each in (first, second):  # in this order they get their turns
                nursery.start_soon(each)
                await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(10):
            await trio.testing.wait_all_tasks_blocked()
        scope.cancel()
