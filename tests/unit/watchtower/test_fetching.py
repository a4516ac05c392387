"""A server may be as slow as it likes: a fetch ends in time, and what it held is free again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from protocol.net import Patience, TooSlowError
from protocol.store.artifacts import Artifacts, QuotaExceededError
from protocol.store.manifest import CHUNK, Manifest, chunk_leaf
from protocol.types import ArtifactId, TransientError
from watchtower.fetching import Fetcher, Hold
from watchtower.obtaining import _Fetch

pytestmark = pytest.mark.trio

DATA = bytes(4 * CHUNK)
HOLD = Hold("re-run", 99)


def manifest(size: int = len(DATA)) -> Manifest:
    return Manifest(size, (chunk_leaf(bytes(CHUNK)),) * -(-size // CHUNK))


class Slow:
    """A node whose peer sends a whole chunk each so many seconds, `most` of them."""

    def __init__(self, pause_s: float, size: int = len(DATA), most: int = 1 << 30) -> None:
        self.pause_s, self.manifest, self.most = pause_s, manifest(size), most

    async def fetch_artifact(
        self,
        store: Artifacts,
        artifact: ArtifactId,
        _: object,
        *,
        max_size: int,
        progress: Callable[[int, int], None],
    ) -> None:
        assert max_size >= self.manifest.size
        partial = store.begin(artifact, self.manifest)
        size, todo = self.manifest.size, partial.missing()
        here = size - len(todo) * CHUNK
        progress(here, size)
        for index in todo[: self.most]:
            await trio.sleep(self.pause_s)
            partial.write_chunk(index, bytes(CHUNK))
            here += CHUNK
            progress(here, size)
        if len(todo) > self.most:
            await trio.sleep_forever()
        partial.finish()


def fetcher(node: Any, store: Artifacts, rate: int = CHUNK // 10, ends: float = 1_000.0) -> Fetcher:
    return Fetcher(node, store, HOLD, Patience(rate, 30.0, trio.current_time() + ends))


@pytest.fixture
def store(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "store", 6 * CHUNK)


async def test_a_chunk_now_and_then_is_not_waited_for(autojump_clock: MockClock, store: Artifacts) -> None:
    began = trio.current_time()
    with pytest.raises(TooSlowError):
        await fetcher(Slow(19.0), store).get(manifest().id(), len(DATA), [])
    assert trio.current_time() - began < 100, "each chunk buys 10 s of patience, and takes 19"
    await fetcher(Slow(9.0), store).get(manifest().id(), len(DATA), [])
    assert store.has(manifest().id()), "as fast as it must be, and it went on where it had ended"


async def test_no_fetch_outlives_its_share_of_the_window(autojump_clock: MockClock, store: Artifacts) -> None:
    began = trio.current_time()
    with pytest.raises(TransientError):
        await fetcher(Slow(1.0, most=3), store, ends=20.0).get(manifest().id(), len(DATA), [])
    assert trio.current_time() - began == 20


async def test_a_fetch_that_failed_takes_no_room_from_the_next(
    autojump_clock: MockClock, store: Artifacts
) -> None:
    whole = 6 * CHUNK
    with pytest.raises(TooSlowError):
        await fetcher(Slow(1.0, size=whole, most=0), store).get(manifest(whole).id(), whole, [])
    await fetcher(Slow(0.1), store).get(manifest().id(), len(DATA), [])
    with pytest.raises(QuotaExceededError):
        store.put_bytes(bytes(3 * CHUNK))
    store.release(HOLD.reason)
    store.put_bytes(bytes(3 * CHUNK))


async def test_what_this_machine_takes_is_no_time_of_the_provider(autojump_clock: MockClock) -> None:
    """Others' runs may be waited for before the program is checked, and its inputs are fetched only then."""
    nothing: Any = None
    ends = trio.current_time() + 100
    fetch = _Fetch(nothing, nothing, HOLD, Patience(1, 30.0, ends), nothing)
    await fetch.aside(trio.sleep(500))
    assert fetch.patience.ends == ends + 500
