"""Any order of puts, fetches, pins, collections and restarts: what is here is whole, pinned things stay."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from protocol.store import CHUNK, Artifacts, Manifest, QuotaExceededError, chunk_leaf
from protocol.types import ArtifactId, InputError, TransientError

QUOTA = 4 * CHUNK
contents = st.builds(
    lambda seed, size: bytes([seed]) * size, st.integers(0, 5), st.sampled_from([0, 1, CHUNK, CHUNK + 7])
)


class Store(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = Artifacts(self.folder, QUOTA)
        self.known: dict[ArtifactId, bytes] = {}
        self.pins: dict[ArtifactId, int] = {}
        self.safe: set[ArtifactId] = set()

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(data=contents)
    def put(self, data: bytes) -> None:
        try:
            artifact = self.store.put_bytes(data)
        except QuotaExceededError:
            return
        self.known[artifact] = data

    @rule(data=contents, keep=st.integers(0, 2), wrong=st.booleans())
    def fetch(self, data: bytes, keep: int, wrong: bool) -> None:
        chunks = [data[i : i + CHUNK] for i in range(0, len(data), CHUNK)]
        manifest = Manifest(len(data), tuple(map(chunk_leaf, chunks)))
        self.known[manifest.id()] = data
        try:
            partial = self.store.begin(manifest.id(), manifest)
            for index in partial.missing()[:keep]:
                if wrong:
                    self.refuse(partial, index, chunks[index])
                partial.write_chunk(index, chunks[index])
            if not partial.missing():
                partial.finish()
        except (QuotaExceededError, TransientError):
            return

    def refuse(self, partial, index: int, chunk: bytes) -> None:
        try:
            partial.write_chunk(index, bytes([chunk[0] ^ 1]) + chunk[1:])
        except InputError:
            return
        raise AssertionError("a wrong chunk was taken")

    @precondition(lambda self: self.known)
    @rule(data=st.data(), until=st.integers(1, 9))
    def pin(self, data: st.DataObject, until: int) -> None:
        artifact = data.draw(st.sampled_from(sorted(self.known)))
        self.store.pin(artifact, "test", until)
        self.pins[artifact] = until
        if self.store.has(artifact):
            self.safe.add(artifact)

    @rule(height=st.integers(1, 9))
    def expire(self, height: int) -> None:
        self.store.expire(height)
        self.pins = {each: until for each, until in self.pins.items() if until > height}
        self.safe &= self.pins.keys()

    @rule(goal=st.integers(0, QUOTA))
    def collect(self, goal: int) -> None:
        before = self.store.used()
        freed = self.store.collect(goal)
        assert self.store.used() == before - freed

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = Artifacts(self.folder, QUOTA)

    @invariant()
    def what_is_here_is_whole(self) -> None:
        for artifact, data in self.known.items():
            if self.store.has(artifact):
                assert self.store.path(artifact).read_bytes() == data
                assert self.store.manifest(artifact).id() == artifact

    @invariant()
    def what_is_pinned_stays(self) -> None:
        assert all(self.store.has(artifact) for artifact in self.safe)

    @invariant()
    def the_quota_holds(self) -> None:
        assert self.store.used() <= QUOTA
        files = [file for file in self.folder.glob("objects/*/*") if file.suffix != ".leaves"]
        on_disk = sum(file.stat().st_size for file in files)
        assert on_disk <= self.store.used()


Store.TestCase.settings = settings(max_examples=20, stateful_step_count=12, deadline=None)
TestStore = Store.TestCase
