"""The parts of the artifact protocol that need no network."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.net import NetMetrics, PeerProtocolError, StreamSettings
from protocol.net.transfer import ArtifactServer
from protocol.net.transfer.queue import LATE_S, ChunkQueue
from protocol.net.transfer.wire import REQUEST_SIZE, Kind, Request, Status
from protocol.store import Artifacts, Manifest
from protocol.types import Address, ArtifactId

ID = ArtifactId(bytes(range(32)))
ONE, TWO, THREE = (Address(bytes([each]) * 20) for each in (1, 2, 3))


@given(st.integers(0, 2**32 - 1), st.integers(1, 2**32 - 1))
def test_requests_have_one_encoding(first: int, count: int) -> None:
    request = Request(Kind.CHUNKS, ID, first, count)
    assert len(request.to_bytes()) == REQUEST_SIZE
    assert Request.from_bytes(request.to_bytes()) == request


@given(st.binary(max_size=60))
def test_junk_is_refused_or_is_the_one_encoding_of_what_it_says(junk: bytes) -> None:
    try:
        request = Request.from_bytes(junk)
    except PeerProtocolError:
        return
    assert request.to_bytes() == junk


@pytest.mark.parametrize(("kind", "first", "count"), [(1, 0, 1), (1, 1, 0), (2, 0, 0), (3, 0, 1), (0, 0, 0)])
def test_requests_that_no_honest_peer_sends(kind: int, first: int, count: int) -> None:
    raw = bytes([kind]) + ID + first.to_bytes(4, "big") + count.to_bytes(4, "big")
    with pytest.raises(PeerProtocolError):
        Request.from_bytes(raw)


@given(st.sets(st.integers(0, 60)), st.data())
def test_every_missing_chunk_is_handed_out_once_unless_it_comes_back(
    missing: set[int], data: st.DataObject
) -> None:
    queue, written = ChunkQueue(missing, lambda: 0.0), []
    while not queue.done:
        run = queue.take_run(ONE, data.draw(st.integers(1, 9)))
        assert run
        lost = {index for index in run if data.draw(st.booleans())}
        queue.give_back(ONE, lost)
        written += [index for index in run if index not in lost]
        assert all(queue.wrote(ONE, index) == [] for index in run if index not in lost)
    assert sorted(written) == sorted(missing)
    assert not queue.take_run(ONE, 5)


def test_a_run_is_consecutive_and_starts_at_the_front() -> None:
    queue = ChunkQueue([0, 1, 2, 5, 6], lambda: 0.0)
    assert [list(queue.take_run(ONE, most)) for most in (2, 2, 9)] == [[0, 1], [2], [5, 6]]
    queue.give_back(ONE, [1, 6])
    assert list(queue.take_run(ONE, 9)) == [1]
    assert not queue.take_run(ONE, 0)


def test_late_chunks_go_to_who_has_nothing_else_to_do() -> None:
    now = 0.0
    queue = ChunkQueue(range(6), lambda: now)
    assert list(queue.take_run(ONE, 4)) == [0, 1, 2, 3]
    assert list(queue.take_run(TWO, 9)) == [4, 5]
    now = LATE_S
    assert not queue.take_run(TWO, 9), "it is late itself"
    assert queue.wrote(TWO, 4) == queue.wrote(TWO, 5) == []
    assert list(queue.take_run(TWO, 3)) == [1, 2, 3], "whoever is only slow goes on at the front"
    assert not queue.take_run(THREE, 0)
    assert list(queue.take_run(THREE, 9)) == [0]
    assert queue.wrote(TWO, 2) == [ONE]
    assert not queue.wants(2)
    assert queue.wrote(ONE, 2) is None
    queue.give_back(TWO, [1, 3])
    queue.give_back(ONE, [0, 1, 2])
    assert list(queue.take_run(TWO, 9)) == [1], "the others are under way, 2 is here"
    assert [queue.wrote(peer, index) for peer, index in ((ONE, 3), (TWO, 1), (THREE, 0))] == [[], [], []]
    assert queue.done


def test_who_brings_nothing_for_a_while_is_slow() -> None:
    now = 0.0
    queue = ChunkQueue(range(8), lambda: now)
    queue.take_run(ONE, 4)
    queue.take_run(TWO, 2)
    now = LATE_S
    queue.wrote(TWO, 4)
    now += 0.1
    assert queue.slow() == {ONE}
    queue.give_back(ONE, range(4))
    assert queue.slow() == set()


class Collected(Artifacts):
    """A store from which everything is collected between two looks."""

    def manifest(self, artifact: ArtifactId) -> Manifest:
        raise FileNotFoundError(str(artifact))

    def read_chunk(self, artifact: ArtifactId, index: int) -> bytes:
        raise FileNotFoundError(f"{artifact!r} {index}")


def test_what_is_collected_while_it_is_asked_for_is_not_here(tmp_path: Path) -> None:
    server = ArtifactServer(
        Collected(tmp_path, 1 << 20), lambda *_: True, StreamSettings(), NetMetrics(), lambda *_: None
    )
    assert server._manifest(ID) == server._read(ID, range(2))[0] == bytes([Status.MISSING])
