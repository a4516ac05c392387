"""Many callers, one act."""

import pytest
import trio
import trio.testing

from protocol.types import TransientError
from provider_node.batch import Batcher


@pytest.mark.trio
async def test_what_comes_together_is_done_together(autojump_clock: trio.testing.MockClock) -> None:
    batches: list[list[int]] = []

    async def act(items: list[int]) -> None:
        await trio.sleep(1)
        batches.append(items)

    batcher = Batcher(act)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batcher.run)
        async with trio.open_nursery() as callers:
            for number in (1, 2):
                callers.start_soon(batcher.add, number)
            await trio.sleep(0.5)
            callers.start_soon(batcher.add, 3)
            callers.start_soon(batcher.add, 4)
        assert sorted(map(sorted, batches)) == [[1, 2], [3, 4]]
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_an_error_reaches_every_caller_and_the_next_batch_is_served(
    autojump_clock: trio.testing.MockClock,
) -> None:
    calls = 0

    async def act(items: list[int]) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise TransientError("not now")

    batcher = Batcher(act)
    failed: list[int] = []

    async def caller(number: int) -> None:
        try:
            await batcher.add(number)
        except TransientError:
            failed.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(batcher.run)
        async with trio.open_nursery() as callers:
            callers.start_soon(caller, 1)
            callers.start_soon(caller, 2)
        assert sorted(failed) == [1, 2]
        await batcher.add(3)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_caller_that_gave_up_is_not_acted_for(autojump_clock: trio.testing.MockClock) -> None:
    batches: list[list[int]] = []

    async def act(items: list[int]) -> None:
        batches.append(items)

    batcher = Batcher(act)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(batcher.run)
        with trio.move_on_after(0.05):
            await batcher.add(1)
        await trio.sleep(1)
        await batcher.add(2)
        assert batches == [[2]]
        nursery.cancel_scope.cancel()
