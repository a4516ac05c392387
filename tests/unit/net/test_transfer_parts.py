"""The parts of the artifact protocol that need no network."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.net import PeerProtocolError
from protocol.net.transfer.queue import ChunkQueue
from protocol.net.transfer.wire import REQUEST_SIZE, Kind, Request
from protocol.types import ArtifactId

ID = ArtifactId(bytes(range(32)))


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
    queue, written = ChunkQueue(missing), []
    while not queue.done:
        run = queue.take_run(data.draw(st.integers(1, 9)))
        assert run
        lost = {index for index in run if data.draw(st.booleans())}
        queue.give_back(lost)
        written += [index for index in run if index not in lost]
        queue.wrote(len(run) - len(lost))
    assert sorted(written) == sorted(missing)
    assert not queue.take_run(5)


def test_a_run_is_consecutive_and_starts_at_the_front() -> None:
    queue = ChunkQueue([0, 1, 2, 5, 6])
    assert [list(queue.take_run(2)), list(queue.take_run(2)), list(queue.take_run(9))] == [
        [0, 1],
        [2],
        [5, 6],
    ]
    queue.give_back([1, 6])
    assert list(queue.take_run(9)) == [1]
    assert not queue.take_run(0)
