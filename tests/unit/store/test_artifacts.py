import os
import resource
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from protocol.store import CHUNK, Artifacts, Manifest, QuotaExceededError, chunk_leaf
from protocol.store.soundness import stamp_of
from protocol.types import ArtifactId, Hash32, InputError, TransientError


@pytest.fixture
def store(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "store")


def fill(size: int, seed: int = 0) -> bytes:
    return bytes([seed]) * size


def test_bytes_and_files_get_the_same_id_and_come_back(store: Artifacts, tmp_path: Path) -> None:
    data = os.urandom(2 * CHUNK + 5)
    (tmp_path / "file").write_bytes(data)
    artifact = store.put_file(tmp_path / "file")
    assert store.put_bytes(data) == artifact
    assert store.path(artifact).read_bytes() == data
    assert b"".join(store.read_chunk(artifact, i) for i in range(3)) == data
    assert store.manifest(artifact).id() == artifact
    assert store.used() == len(data)
    with pytest.raises(InputError, match="no chunk 3"):
        store.read_chunk(artifact, 3)


def test_room_that_is_promised_to_one_fetch_is_promised_to_no_other(
    store: Artifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is counted and not yet written leaves the disk as free as before: it must be taken off there."""
    free = 8 * CHUNK
    usage = SimpleNamespace(total=1 << 40, free=free)
    monkeypatch.setattr("protocol.store.artifacts.shutil.disk_usage", lambda _: usage)
    monkeypatch.setattr(store, "_spare", lambda: 0)
    first = Manifest(5 * CHUNK, (Hash32(b"\1" * 32),) * 5)
    store.pin(first.id(), "a lease")
    store.begin(first.id(), first)
    assert store.room() == free - first.size
    second = Manifest(4 * CHUNK, (Hash32(b"\2" * 32),) * 4)
    with pytest.raises(QuotaExceededError):
        store.begin(second.id(), second)
    third = Manifest(3 * CHUNK, (Hash32(b"\3" * 32),) * 3)
    store.begin(third.id(), third)


def test_the_empty_artifact_is_an_artifact(store: Artifacts) -> None:
    empty = store.put_bytes(b"")
    assert store.has(empty)
    assert store.manifest(empty) == Manifest(0, ())
    assert store.read_chunk(empty, 0) == b""


def test_what_is_not_here_is_named(store: Artifacts) -> None:
    with pytest.raises(InputError, match="0x0101"):
        store.path(ArtifactId(b"\x01" * 32))
    with pytest.raises(InputError, match="32 bytes"):
        store.has(ArtifactId(b"../../etc"))
    with pytest.raises(InputError, match="No such file"):
        store.put_file(Path("/nowhere"))


def test_a_fetch_checks_each_chunk_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    data = os.urandom(3 * CHUNK + 1)
    source = Artifacts(tmp_path / "source")
    artifact = source.put_bytes(data)
    manifest = source.manifest(artifact)
    chunks = [source.read_chunk(artifact, i) for i in range(4)]

    store = Artifacts(tmp_path / "store")
    partial = store.begin(artifact, manifest)
    assert partial.missing() == [0, 1, 2, 3]
    partial.write_chunk(2, chunks[2])
    for wrong in (chunks[0][:-1], chunks[2], b""):
        with pytest.raises(InputError, match="chunk 0"):
            partial.write_chunk(0, wrong)
    with pytest.raises(InputError, match="none with number 4"):
        partial.write_chunk(4, b"")
    with pytest.raises(InputError, match="lacks 3"):
        partial.finish()
    store.close()

    again = Artifacts(tmp_path / "store").partial(artifact)
    assert again is not None
    assert again.missing() == [0, 1, 3]
    for i in again.missing():
        again.write_chunk(i, chunks[i])
    assert again.finish().read_bytes() == data
    assert list((tmp_path / "store" / "partial").iterdir()) == []


def test_noted_chunks_whose_bytes_never_reached_the_disk_are_fetched_again(tmp_path: Path) -> None:
    chunks = [fill(CHUNK, 1), fill(CHUNK, 2)]
    manifest = Manifest(2 * CHUNK, tuple(map(chunk_leaf, chunks)))
    partial = Artifacts(tmp_path).begin(manifest.id(), manifest)
    partial.write_chunk(0, chunks[0])
    partial.write_chunk(1, chunks[1])
    with (tmp_path / "partial" / f"{manifest.id().hex()}.data").open("r+b") as file:
        file.truncate(CHUNK + 10)
    assert Artifacts(tmp_path).begin(manifest.id(), manifest).missing() == [1]


def test_a_manifest_of_something_else_is_refused(store: Artifacts) -> None:
    manifest = Manifest(1, (chunk_leaf(b"x"),))
    with pytest.raises(InputError, match="does not belong"):
        store.begin(ArtifactId(bytes(32)), manifest)


def test_the_quota_drops_what_was_longest_unused_and_spares_pins(tmp_path: Path) -> None:
    store = Artifacts(tmp_path, quota=3000)
    old, pinned, new = (store.put_bytes(fill(1000, i)) for i in range(3))
    store.pin(pinned, "lease 1", until=50)
    store.pin(pinned, "lease 2")
    store.put_bytes(fill(1000, 9))
    assert [store.has(each) for each in (old, pinned, new)] == [False, True, True]
    assert store.used() == 3000
    with pytest.raises(QuotaExceededError, match=r"2500 bytes .* quota"):
        store.put_bytes(fill(2500, 3))
    assert store.has(new), "what cannot fit drops nothing"
    assert store.pinned() == 1000
    store.pin(new, "lease 3")
    assert store.pinned() == 2000
    store.release("lease 3")
    store.release("lease 1")
    assert store.pinned() == 1000, "lease 2 still holds one of them"
    store.pin(pinned, "lease 1", until=50)

    store.expire(50)
    store.put_bytes(fill(1000, 4))
    assert store.has(pinned), "lease 2 still holds it"
    store.unpin(pinned, "lease 2")
    store.put_bytes(fill(2500, 5))
    assert not store.has(pinned)


def test_a_fetch_counts_from_its_start_and_can_be_abandoned(tmp_path: Path) -> None:
    store = Artifacts(tmp_path, quota=2 * CHUNK)
    manifest = Manifest(2 * CHUNK, (chunk_leaf(fill(CHUNK, 1)), chunk_leaf(fill(CHUNK, 2))))
    partial = store.begin(manifest.id(), manifest)
    store.pin(manifest.id(), "fetch")
    with pytest.raises(QuotaExceededError):
        store.put_bytes(b"x")
    partial.abandon()
    assert store.used() == 0
    store.put_bytes(b"x")
    with pytest.raises(TransientError, match="make room"):
        partial.write_chunk(0, fill(CHUNK, 1))


def test_the_index_is_mended_from_the_files(tmp_path: Path) -> None:
    store = Artifacts(tmp_path)
    artifact = store.put_bytes(fill(77))
    store.close()
    (tmp_path / "index.db").unlink()
    stale = tmp_path / "partial" / "put-crashed"
    stale.write_bytes(b"half")
    os.utime(stale, (0, 0))
    store = Artifacts(tmp_path)
    assert store.has(artifact)
    assert store.used() == 77
    assert not stale.exists()


def test_threads_that_store_the_same_do_not_disturb_each_other(store: Artifacts) -> None:
    data = os.urandom(CHUNK + 9)
    ids: list[ArtifactId] = []
    threads = [threading.Thread(target=lambda: ids.append(store.put_bytes(data))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert store.path(ids[0]).read_bytes() == data
    assert store.used() == len(data)


def test_a_large_file_is_never_held_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(64 << 20)
    store = Artifacts(tmp_path / "store")
    tracemalloc.start()
    artifact = store.put_file(big)
    store.read_chunk(artifact, 200)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_two_fetches_of_one_artifact_that_finish_together_both_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A re-run, a game and an audit may want the same file: who comes second finds it moved away."""
    data, store = b"x" * (CHUNK + 1), Artifacts(tmp_path)
    chunks = [data[:CHUNK], data[CHUNK:]]
    manifest = Manifest(len(data), tuple(map(chunk_leaf, chunks)))
    first, second = (store.begin(manifest.id(), manifest) for _ in range(2))
    for partial in (first, second):
        for index in partial.missing():
            partial.write_chunk(index, chunks[index])
    has = store.has

    def has_not_yet(artifact: ArtifactId) -> bool:
        monkeypatch.undo()
        found = has(artifact)
        first.finish()
        return found

    monkeypatch.setattr(store, "has", has_not_yet)
    assert second.finish().read_bytes() == data


def damage(store: Artifacts, artifact: ArtifactId, at: int, *, silently: bool = False) -> None:
    """Change one byte of a stored file; `silently`: as a disk does it, without a trace in its times."""
    file = store._file(artifact)
    before = file.stat()
    file.chmod(0o600)
    with file.open("r+b") as target:
        target.seek(at)
        byte = target.read(1)
        target.seek(at)
        target.write(bytes([byte[0] ^ 1]))
    file.chmod(0o400)
    if silently:
        store._sound[artifact] = stamp_of(file)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        store._sound[artifact] = stamp_of(file)


@pytest.mark.parametrize("silently", [False, True])
def test_a_damaged_artifact_is_dropped_and_keeps_its_pins(
    store: Artifacts, caplog: pytest.LogCaptureFixture, silently: bool
) -> None:
    data = os.urandom(2 * CHUNK + 7)
    artifact = store.put_bytes(data)
    store.pin(artifact, "lease")
    assert store.sound(artifact)
    damage(store, artifact, CHUNK + 3, silently=silently)
    assert store.sound(artifact) is silently  # what left no trace is found when it is read afresh
    assert not store.sound(artifact, afresh=True)
    assert not store.has(artifact)
    assert "is damaged: dropped" in caplog.text
    assert store.used() == 0
    assert store.put_bytes(data) == artifact
    assert store.sound(artifact)
    assert store.pinned() == len(data)


def test_a_damaged_chunk_is_served_to_nobody(store: Artifacts) -> None:
    artifact = store.put_bytes(os.urandom(2 * CHUNK + 7))
    damage(store, artifact, CHUNK + 3, silently=True)
    assert store.read_chunk(artifact, 0)
    with pytest.raises(InputError, match="is damaged"):
        store.read_chunk(artifact, 1)
    assert not store.has(artifact)


@pytest.mark.parametrize("harm", ["cut", "manifest", "no manifest"])
def test_a_file_that_is_cut_or_has_lost_its_manifest_is_dropped(store: Artifacts, harm: str) -> None:
    artifact = store.put_bytes(os.urandom(CHUNK + 7))
    file = store._file(artifact)
    leaves = file.with_name(file.name + ".leaves")
    if harm == "cut":
        file.chmod(0o600)
        os.truncate(file, CHUNK)
    elif harm == "manifest":
        leaves.write_bytes(leaves.read_bytes()[:-1] + b"\0")
    else:
        leaves.unlink()
    assert not store.sound(artifact)
    assert not store.has(artifact)


def test_what_cannot_be_opened_now_is_not_taken_for_damaged(store: Artifacts) -> None:
    artifact = store.put_bytes(os.urandom(CHUNK + 7))
    least = max(map(int, os.listdir("/proc/self/fd"))) + 1
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (least, before[1]))
    try:
        with suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        with pytest.raises(TransientError, match="Too many open files"):
            store.sound(artifact)
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert store.sound(artifact)
