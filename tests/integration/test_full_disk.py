"""A real disk of two megabytes that runs full: strangers cannot fill it, and nothing ends of it."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from protocol.chain.localnet import Localnet
from protocol.runtime.metrics import Metrics
from protocol.store import CHUNK, Artifacts, Manifest, QuotaExceededError
from protocol.store.files import write_whole
from protocol.types import Blocks, Hash32, TransientError, Verification
from provider_node.disk import open_store, trace_room
from tests.watch_rig import open_provider
from watchtower.config import WatchtowerConfig
from watchtower.daemon import watch
from watchtower.verdicts import Finding, Verdict, Verdicts


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no leave to mount a small disk here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, but: int = 0) -> Path:
    """Leave `but` bytes of the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - but)
    return filler


def test_an_artifact_that_the_disk_has_no_room_for_is_refused_before_it_comes(disk: Path) -> None:
    store = Artifacts(disk / "store", quota=1 << 40)
    big = Manifest(8 * CHUNK, (Hash32(bytes(32)),) * 8)
    with pytest.raises(QuotaExceededError, match="that the disk holds are pinned"):
        store.begin(big.id(), big)
    kept = store.put_bytes(b"k" * 1_100_000)
    store.put_bytes(b"m" * 1_100_000)  # in the place of the first, which nothing holds
    assert not store.has(kept)
    # What is counted and not yet written takes room as well.
    half = Manifest(4 * CHUNK, (Hash32(bytes(32)),) * 4)
    store.begin(half.id(), half)
    store.pin(half.id(), "a lease")
    with pytest.raises(QuotaExceededError):
        store.begin(big.id(), big)
    store.close()


def test_artifacts_leave_room_for_all_traces_and_one_more(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace that finds no room loses the bond: a full shelf is trimmed after the next one is written."""
    assert trace_room(disk, 1 << 40) == 0, "a gigabyte is for journals"
    monkeypatch.setattr("provider_node.disk.SPARE", 200_000)
    assert trace_room(disk, 1_000) == 1_000
    room = trace_room(disk, 1 << 40)
    assert 400_000 < room < 500_000
    store = open_store(disk, 1 << 40, room)
    with suppress(QuotaExceededError):
        for number in range(100):
            store.pin(store.put_bytes(bytes([number]) * 50_000), "a lease")
    assert 500_000 < store.used() < 1_500_000
    (disk / "traces").mkdir()
    for name in ("kept", "one more"):
        (disk / "traces" / name).write_bytes(b"t" * room)
    assert trace_room(disk, 1 << 40) == pytest.approx(room, rel=0.1), "what is there counts"
    store.close()


def test_a_full_disk_is_said_and_passes(disk: Path) -> None:
    store = Artifacts(disk / "store")
    held = store.put_bytes(b"held")
    filler = fill(disk)
    with pytest.raises(TransientError, match="No space left"):
        write_whole(disk / "note", b"n" * 10_000)
    assert not list(disk.glob(".note*"))
    with pytest.raises((TransientError, QuotaExceededError)):
        store.put_bytes(b"m" * 10_000)
    filler.unlink()
    assert store.path(store.put_bytes(b"m" * 10_000)).stat().st_size == 10_000
    assert store.sound(held)
    store.close()


@pytest.mark.trio
async def test_a_watchtower_outlives_a_full_disk_and_judges_what_comes_after(
    disk: Path, localnet: Localnet, tmp_path: Path
) -> None:
    async with open_provider(localnet, tmp_path) as provider, trio.open_nursery() as nursery:
        config = WatchtowerConfig(share_percent=100.0, data_dir=str(disk / "tower"))
        nursery.start_soon(watch, config, localnet.network, localnet.keys[6], Metrics())
        verdicts = disk / "tower" / "verdicts"
        with trio.fail_after(60):
            while not verdicts.exists():
                await trio.sleep(0.1)
        filler = fill(disk, but=8_192)
        for number in (1, 2):
            bid = provider.bid(number, challenge_window=Blocks(600), verification=int(Verification.TAPE))
            await trio.to_thread.run_sync(provider.post_under, bid, provider.outputs)
            if number == 1:
                await trio.sleep(8)  # while it is full
                filler.unlink()
        with trio.fail_after(120):
            while _finding(verdicts, bid.lease_id().hex()) is not Finding.MATCH:
                await trio.sleep(0.2)
        nursery.cancel_scope.cancel()


def _finding(folder: Path, lease: str) -> Finding | None:
    found: list[Verdict] = [each for each in Verdicts(folder).all() if each.lease == f"0x{lease}"]
    return found[0].finding if found else None
