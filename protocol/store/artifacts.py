"""Content-addressed files on disk: chunked, checked, resumable, pinned, within a quota.

Layout under the root: `objects/ab/<hex>` the bytes and `objects/ab/<hex>.leaves` the manifest;
`partial/<hex>.*` what is being fetched; `work/<reason>.out*` what is made of that for which room is reserved;
`index.db` sizes, last use, pins and reservations. A file appears under its id
only by an atomic rename after its bytes and manifest were synced, so whatever is there is whole. Nothing is
ever read whole into memory. All calls block: async callers use `trio.to_thread.run_sync`. Safe for several
threads and processes.
"""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from protocol.store.files import chunks_of, disk_errors, sync_directory, write_whole
from protocol.store.index import Index
from protocol.store.manifest import CHUNK, Manifest, chunk_leaf
from protocol.store.soundness import Stamp, is_sound, stamp_of
from protocol.types import ArtifactId, InputError, TransientError

log = logging.getLogger(__name__)

DEFAULT_QUOTA = 64 << 30
_STALE_NS = 3600 * 10**9
_SPARE = 1 << 30


class QuotaExceededError(InputError):
    """The store is full of pinned artifacts: nothing may be dropped to make room."""


class Artifacts:
    """A store of artifacts under `root`, of at most `quota` bytes.

    `spare` says how many bytes of the disk are left to others: journals and logs. Without it, that is a
    gigabyte, and of small disks a twentieth.
    """

    def __init__(
        self, root: Path, quota: int = DEFAULT_QUOTA, spare: Callable[[], int] | None = None
    ) -> None:
        self.root, self.quota, self._spare = root, quota, spare
        self.work = root / "work"
        with disk_errors(root):
            for name in ("objects", "partial"):
                (root / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._index = Index(root / "index.db")
        self._sound: dict[ArtifactId, Stamp] = {}
        self._reconcile()

    def close(self) -> None:
        """Close the index; the store must not be used any more."""
        self._index.close()

    def put_file(self, path: Path, reason: str = "") -> ArtifactId:
        """Copy the file at `path` in and return its id. It may take what is reserved for `reason`.

        Raises `InputError` if it cannot be read and `QuotaExceededError` if it does not fit.
        """
        try:
            source = path.open("rb")
        except OSError as error:
            raise InputError(f"cannot store {path}: {error.strerror}") from error
        with source:
            size = os.fstat(source.fileno()).st_size
            try:
                return self._put(source.read, size, reason)
            except QuotaExceededError:
                # What a crash has left in the store, and not in its caller's journal, needs no room.
                leaves = tuple(chunk_leaf(chunk) for chunk in chunks_of(source.read, CHUNK))
                artifact = Manifest(size, leaves).id()
                if not self.sound(artifact):
                    raise
                return artifact

    def put_bytes(self, data: bytes) -> ArtifactId:
        """Store `data` and return its id; `QuotaExceededError` if it does not fit."""
        view, at = memoryview(data), 0

        def read(count: int) -> bytes:
            nonlocal at
            at += count
            return bytes(view[at - count : at])

        return self._put(read, len(data))

    def has(self, artifact: ArtifactId) -> bool:
        """Tell whether the whole artifact is here."""
        return self._file(artifact).exists()

    def sound(self, artifact: ArtifactId, *, afresh: bool = False) -> bool:
        """Tell whether the whole artifact is here, with the bytes that its id names.

        One that is damaged is dropped, so that it can be fetched again; its pins stay. What was read once is
        read again only if the file has been written to, or `afresh`: a disk forgets without a trace.
        """
        file = self._file(artifact)
        try:
            stamp = stamp_of(file)
        except FileNotFoundError:
            return False
        if not afresh and self._sound.get(artifact) == stamp:
            return True
        if not is_sound(file, _leaves(file), artifact):
            self._drop_damaged(artifact)
            return False
        self._sound[artifact] = stamp
        return True

    def _drop_damaged(self, artifact: ArtifactId) -> None:
        log.error(
            "artifact 0x%s in the store %s is damaged: dropped, to be fetched again; check the disk",
            artifact.hex(),
            self.root,
        )
        self._delete(artifact)

    def path(self, artifact: ArtifactId) -> Path:
        """Return the read-only file that holds the artifact; `InputError` if it is not here."""
        file = self._file(artifact)
        if not file.exists():
            raise InputError(f"artifact 0x{artifact.hex()} is not in the store {self.root}")
        self._index.touch(artifact)
        return file

    def manifest(self, artifact: ArtifactId) -> Manifest:
        """Return size and leaves of the artifact; `InputError` if it is not here."""
        return Manifest.from_bytes(_leaves(self.path(artifact)).read_bytes())

    def read_chunk(self, artifact: ArtifactId, index: int) -> bytes:
        """Return the bytes of chunk `index`; `InputError` if the artifact or the chunk is not here.

        Whoever is served other bytes bans who served them: a damaged artifact is not here.
        """
        file = self.path(artifact)
        if not 0 <= index * CHUNK < max(file.stat().st_size, 1):
            raise InputError(f"artifact 0x{artifact.hex()} has no chunk {index}")
        with file.open("rb") as source, _leaves(file).open("rb") as leaves:
            source.seek(index * CHUNK)
            chunk = source.read(CHUNK)
            leaves.seek(8 + 32 * index)
            if chunk and leaves.read(32) != chunk_leaf(chunk):
                self._drop_damaged(artifact)
                raise InputError(f"artifact 0x{artifact.hex()} is damaged")
            return chunk

    def begin(self, artifact: ArtifactId, manifest: Manifest) -> "Partial":
        """Start to fetch an artifact, or go on where an earlier fetch (also of an earlier process) ended.

        Raises `InputError` if the manifest does not prove the id, `QuotaExceededError` if it does not fit.
        """
        if manifest.id() != artifact:
            raise InputError(f"manifest does not belong to artifact 0x{artifact.hex()}")
        self._make_room(manifest.size, artifact)
        return Partial(self, artifact, manifest)

    def partial(self, artifact: ArtifactId) -> "Partial | None":
        """Return the fetch of this artifact that an earlier process began, or None."""
        leaves = self._partial(artifact, "leaves")
        try:
            return self.begin(artifact, Manifest.from_bytes(leaves.read_bytes()))
        except (FileNotFoundError, InputError):
            return None

    def pin(self, artifact: ArtifactId, reason: str, until: int | None = None) -> None:
        """Keep the artifact until block `until` (None: until unpinned) for `reason`, e.g. a lease id in hex.

        The artifact need not be here yet. Pinning again for the same reason moves the height.
        """
        self._index.pin(artifact, reason, until)

    def unpin(self, artifact: ArtifactId, reason: str) -> None:
        """Drop the pin for `reason`, if there is one."""
        self._index.unpin(artifact, reason)

    def release(self, reason: str) -> None:
        """Drop every pin for `reason`, and what is reserved for it."""
        self._index.release(reason)
        self._index.unreserve(reason)

    def reasons(self) -> set[str]:
        """Return what anything is pinned for."""
        return self._index.reasons()

    def redate(self, reason: str, until: int) -> None:
        """Let every pin for `reason` end at that height, if it would not before."""
        self._index.redate(reason, until)

    def expire(self, height: int) -> None:
        """Drop every pin whose height is at or below `height`."""
        self._index.expire(height)

    def used(self) -> int:
        """Return the bytes of all artifacts here, those being fetched included."""
        return self._index.used()

    def pinned(self) -> int:
        """Return the bytes that nothing may drop, fetches under way and what is reserved included."""
        return self._pinned()

    def _pinned(self, but: str = "") -> int:
        loose = sum(each for _, each in self._index.unpinned())
        return self.used() - loose + self._coming(but)

    def _coming(self, but: str = "") -> int:
        """Bytes that are reserved, for all reasons but one, and not on the disk yet."""
        reserved = self._index.reserved().items()
        return sum(max(size - self._made(reason), 0) for reason, size in reserved if reason != but)

    def _made(self, reason: str) -> int:
        """Bytes in `work` for that reason: the disk counts them already."""
        return max(_bytes_of(self.work / f"{reason}.out{end}") for end in ("", ".part"))

    def is_half_held(self) -> bool:
        """Tell whether pins hold more than half of what may lie here: of the quota, or of the disk."""
        return self.pinned() > self.most() // 2

    def held(self, reason: str) -> int:
        """Return the bytes of what is pinned for `reason`, those of fetches under way included."""
        return self._index.held(reason)

    def room(self) -> int:
        """Return the bytes that could be taken in beside what is pinned, by the quota and by the disk."""
        # Pins first: what is made in between is then counted twice, and not never.
        pinned = self.pinned()
        return max(self.most() - pinned, 0)

    def reserve(self, reason: str, size: int) -> bool:
        """Keep room for `size` bytes that will come for `reason`, restarts included; False if there is none.

        They come into the store, by `put_file`, or into `work`, and the room is there: what nothing holds
        makes way at once, since who writes into `work` asks for nothing. Reserving again for the same reason
        replaces; `release` ends it too.
        """
        # First noted, then looked at: of two at a time both may find no room, and never both the same.
        self._index.reserve(reason, size)
        if self.pinned() <= self.most():
            coming = self._coming()
            self.collect(self.most() - coming)
            return True
        self._index.unreserve(reason)
        return False

    def unreserve(self, reason: str) -> None:
        """Give back the room that is kept for `reason`, if there is any."""
        self._index.unreserve(reason)

    def collect(self, target: int) -> int:
        """Delete unpinned artifacts, longest unused first, until at most `target` bytes are used.

        Returns the bytes that were freed, which may be fewer than asked for.
        """
        freed = 0
        excess = self.used() - target
        for artifact, size in self._index.unpinned():
            if freed >= excess:
                break
            self._delete(artifact)
            freed += size
        return freed

    def _put(self, read: Callable[[int], bytes], size: int, reason: str = "") -> ArtifactId:
        self._make_room(size, reason=reason)
        with disk_errors(self.root):
            return self._copy(read)

    def _copy(self, read: Callable[[int], bytes]) -> ArtifactId:
        handle, name = tempfile.mkstemp(dir=self.root / "partial", prefix="put-")
        temporary = Path(name)
        try:
            leaves, total = [], 0
            with os.fdopen(handle, "wb") as target:
                for chunk in chunks_of(read, CHUNK):
                    target.write(chunk)
                    leaves.append(chunk_leaf(chunk))
                    total += len(chunk)
                target.flush()
                os.fsync(target.fileno())
            return self._adopt(temporary, Manifest(total, tuple(leaves)))
        finally:
            temporary.unlink(missing_ok=True)

    def _adopt(self, data: Path, manifest: Manifest) -> ArtifactId:
        """Move a synced file with these contents to where its id says."""
        artifact = manifest.id()
        file = self._file(artifact)
        file.parent.mkdir(exist_ok=True, mode=0o700)
        write_whole(_leaves(file), manifest.to_bytes())
        data.chmod(0o400)
        # Index before rename: after a crash in between, `used` counts bytes that are not here (and `collect`
        # forgets them), never the other way round.
        self._index.add(artifact, manifest.size)
        self._sound.pop(artifact, None)
        data.replace(file)
        sync_directory(file.parent)
        return artifact

    def _make_room(self, size: int, artifact: ArtifactId | None = None, reason: str = "") -> None:
        if artifact is not None and self._index.size(artifact) is not None:
            return
        pinned, most = self._pinned(but=reason), self.most()
        if pinned + size > most:
            limit = f"{self.quota} bytes of quota" if most == self.quota else f"{most} that the disk holds"
            raise QuotaExceededError(
                f"artifact of {size} bytes does not fit: {pinned} of {limit} are pinned",
                "raise store.quota in the config file, make room on the disk, or wait until leases end",
            )
        # What is reserved may be written past this store: its room is not lent to what nothing holds.
        self.collect(most - size - self._coming(but=reason))
        if artifact is not None:
            # Counted before the first byte comes, so that two fetches cannot both take the last room.
            self._index.add(artifact, size)

    def most(self) -> int:
        """Return the bytes that may lie here: the quota, or what fits on the disk.

        Strangers' artifacts must not take what journals need.
        """
        disk = shutil.disk_usage(self.root)
        unwritten = sum(self._unwritten(file) for file in self.root.glob("partial/*.leaves"))
        left = min(_SPARE, disk.total // 20) if self._spare is None else self._spare()
        return max(min(self.quota, self.used() - unwritten + disk.free - left), 0)

    def _unwritten(self, leaves: Path) -> int:
        """Bytes of a fetch that are counted and not on the disk yet."""
        size = self._index.size(ArtifactId(bytes.fromhex(leaves.stem))) or 0
        try:
            return max(size - 512 * leaves.with_suffix(".data").stat().st_blocks, 0)
        except FileNotFoundError:
            return size

    def _reconcile(self) -> None:
        """Make the index agree with the files after a crash, and drop copies that were never finished."""
        known, stale_ns = self._index.known(), time.time_ns() - _STALE_NS
        for file in self.root.glob("objects/??/*.leaves"):
            artifact = ArtifactId(bytes.fromhex(file.stem))
            if artifact not in known and self.has(artifact):
                self._index.add(artifact, self._file(artifact).stat().st_size)
        for artifact, used_ns in known.items():
            # Only old ones: another process may be about to move the file in.
            if (
                used_ns < stale_ns
                and not self.has(artifact)
                and not self._partial(artifact, "leaves").exists()
            ):
                self._index.forget(artifact)
        for file in self.root.glob("partial/put-*"):
            if file.stat().st_mtime_ns < stale_ns:
                file.unlink(missing_ok=True)

    def _delete(self, artifact: ArtifactId) -> None:
        file = self._file(artifact)
        for each in (file, _leaves(file), self._partial(artifact, "data"), self._partial(artifact, "leaves")):
            each.unlink(missing_ok=True)
        self._partial(artifact, "have").unlink(missing_ok=True)
        self._sound.pop(artifact, None)
        self._index.forget(artifact)

    def _file(self, artifact: ArtifactId) -> Path:
        if len(artifact) != 32:
            raise InputError(f"an artifact id has 32 bytes, not {len(artifact)}")
        return self.root / "objects" / artifact.hex()[:2] / artifact.hex()

    def _partial(self, artifact: ArtifactId, kind: str) -> Path:
        return self.root / "partial" / f"{artifact.hex()}.{kind}"


class Partial:
    """An artifact that is being fetched. Chunks may be written in any order, by several threads."""

    def __init__(self, store: Artifacts, artifact: ArtifactId, manifest: Manifest) -> None:
        self.artifact, self.manifest = artifact, manifest
        self._store = store
        self._data = store._partial(artifact, "data")
        self._leaves = store._partial(artifact, "leaves")
        self._have_file = store._partial(artifact, "have")
        self._have: set[int] = set()
        if store.has(artifact):
            self._have = set(range(len(manifest.leaves)))
            return
        if not self._leaves.exists():
            write_whole(self._leaves, manifest.to_bytes())
        with disk_errors(store.root):
            self._data.touch(mode=0o600)
        self._resume()

    def missing(self) -> list[int]:
        """Return the numbers of the chunks that are still to be written, in order."""
        return [i for i in range(len(self.manifest.leaves)) if i not in self._have]

    def write_chunk(self, index: int, data: bytes) -> None:
        """Check chunk `index` against its leaf and store it.

        Raises `InputError` if length or contents are wrong: the sender is at fault, and nothing is written.
        """
        wrong = len(data) != self.manifest.length(index) or chunk_leaf(data) != self.manifest.leaves[index]
        if wrong:
            raise InputError(f"chunk {index} of artifact 0x{self.artifact.hex()} does not match its hash")
        if index in self._have:
            return
        try:
            with disk_errors(self._store.root), self._data.open("r+b") as target:
                os.pwrite(target.fileno(), data, index * CHUNK)
        except FileNotFoundError:
            if self._store.has(self.artifact):
                return
            raise TransientError(
                f"artifact 0x{self.artifact.hex()} was dropped to make room while it was fetched",
                "pin it before fetching",
            ) from None
        with disk_errors(self._store.root), self._have_file.open("ab") as target:
            target.write(index.to_bytes(4, "big"))
        self._have.add(index)

    def finish(self) -> Path:
        """Move the whole artifact into the store and return its file; `InputError` if chunks are missing."""
        if not self._store.has(self.artifact):
            if missing := self.missing():
                raise InputError(f"artifact 0x{self.artifact.hex()} still lacks {len(missing)} chunks")
            try:
                with disk_errors(self._store.root):
                    with self._data.open("r+b") as target:
                        os.fsync(target.fileno())
                    self._store._adopt(self._data, self.manifest)
            except FileNotFoundError:
                # Another fetch of the same artifact has moved the file in, or room was made meanwhile.
                if not self._store.has(self.artifact):
                    raise TransientError(
                        f"artifact 0x{self.artifact.hex()} was dropped while it was fetched",
                        "pin it before fetching",
                    ) from None
        for each in (self._data, self._leaves, self._have_file):
            each.unlink(missing_ok=True)
        return self._store.path(self.artifact)

    def abandon(self) -> None:
        """Delete what was fetched so far and give its room back."""
        if not self._store.has(self.artifact):
            self._store._delete(self.artifact)

    def _resume(self) -> None:
        """Take over the chunks that an earlier process noted, if their bytes really reached the disk."""
        try:
            noted = self._have_file.read_bytes()
            source = self._data.open("rb")
        except FileNotFoundError:
            return  # nothing yet, or another fetch has just finished
        with source:
            for at in range(0, len(noted) - 3, 4):
                index = int.from_bytes(noted[at : at + 4], "big")
                if index in self._have or index >= len(self.manifest.leaves):
                    continue
                source.seek(index * CHUNK)
                chunk = source.read(self.manifest.length(index))
                if chunk_leaf(chunk) == self.manifest.leaves[index]:
                    self._have.add(index)


def _leaves(file: Path) -> Path:
    return file.with_name(file.name + ".leaves")


def _bytes_of(file: Path) -> int:
    """Bytes of a file that are on the disk; 0 if it is not there."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return 0
    return min(found.st_size, 512 * found.st_blocks)
