"""A real disk of two megabytes that runs full: strangers cannot fill it, and nothing ends of it."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from protocol.chain.localnet import Localnet
from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.runtime.metrics import Metrics
from protocol.runtime.performer import Context
from protocol.store import CHUNK, Artifacts, Journal, Manifest, QuotaExceededError
from protocol.store.files import write_whole
from protocol.types import Blocks, DiskError, Hash32, TransientError, Verification
from provider_node.disk import open_store, trace_room
from tests.small_mount import fill, small_disk
from tests.unit.runtime.machines import MACHINE, Account, AskedPay, DidPay, SendOnce, SendPay
from tests.watch_rig import open_provider
from watchtower.config import WatchtowerConfig
from watchtower.daemon import watch
from watchtower.verdicts import Finding, Verdict, Verdicts


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", megabytes=2) as folder:
        yield folder


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


def test_what_starts_on_a_full_disk_says_so_and_calls_nothing_damaged(disk: Path) -> None:
    """Who was told that the journal cannot be read, and to move it away, would lose every lease."""
    Journal(disk / "journal.db").close()
    store = Artifacts(disk / "store")
    store.close()
    filler = fill(disk)
    for opens in (
        lambda: Journal(disk / "journal.db"),
        lambda: Journal(disk / "new.db"),
        lambda: Artifacts(disk / "store"),
        lambda: Artifacts(disk / "other" / "store"),
    ):
        with pytest.raises(DiskError):
            opens()
    filler.unlink()
    Journal(disk / "journal.db").close()
    Artifacts(disk / "store").close()


@pytest.mark.trio
async def test_a_loop_outlives_a_full_disk_and_does_then_what_it_was_given(disk: Path) -> None:
    paid: list[int] = []

    async def pay(effect: SendPay, _: Context) -> DidPay:
        paid.append(effect.amount)
        return DidPay(effect.amount)

    async def never(*_: object) -> None:
        raise AssertionError

    journal = Journal(disk / "journal.db")
    loop, me = Loop(journal, pause=lambda _: 0.01), MachineId("account", b"me")
    loop.machine(MACHINE)
    loop.handle(SendPay, pay)
    loop.handle(SendOnce, never)
    async with trio.open_nursery() as nursery:
        await nursery.start(loop.run)
        await loop.open(me, Account(), AskedPay(0))
        await loop.quiet()
        filler = fill(disk)
        for amount in range(1, 100):
            nursery.start_soon(loop.give, me, AskedPay(amount), b"%d" % amount)
        with trio.fail_after(60):
            while not loop.trouble:
                await trio.sleep(0.01)
        assert "full" in loop.trouble
        assert set(loop.state(me).paid) <= set(paid)
        filler.unlink()
        with trio.fail_after(60):
            await loop.quiet()
        assert sorted(paid) == sorted(loop.state(me).paid) == list(range(100))
        nursery.cancel_scope.cancel()
    journal.close()


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
