"""What a provider executes or shows is held to its id before, and had again if the disk has damaged it."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from protocol.lease.provider_types import ProviderLease, Result, Usage
from protocol.store.artifacts import Artifacts, QuotaExceededError
from protocol.store.soundness import stamp_of
from protocol.types import ArtifactId, Hash32, InputError, LeaseId, TransientError
from provider_node.holdings import Holdings
from tests.strategies.provider import SPEC, fresh

pytestmark = pytest.mark.trio
LEASE = LeaseId(b"\5" * 32)


class Peer:
    """The client, as far as a node shows it: it serves everything that it once had."""

    def __init__(self, *parts: bytes) -> None:
        self.parts, self.asked = parts, 0

    def is_connected(self, _: object) -> bool:
        return True

    async def fetch_artifact(self, store: Artifacts, artifact: ArtifactId, *_: object, **__: object) -> None:
        if not store.sound(artifact):
            self.asked += 1
            assert artifact in [store.put_bytes(part) for part in self.parts]


def decay(store: Artifacts, artifact: ArtifactId) -> None:
    """Change a byte as a failing disk does: no time of the file tells of it."""
    file = store.path(artifact)
    file.chmod(0o600)
    body = bytearray(file.read_bytes())
    body[0] ^= 1
    file.write_bytes(body)
    store._sound[artifact] = stamp_of(file)


def world(folder: Path) -> tuple[Holdings, Peer, ProviderLease]:
    spec, program, inputs = parts = (b"spec", os.urandom(1_000), os.urandom(2_000))
    store, peer = Artifacts(folder / "store"), Peer(*parts)
    ids = [store.put_bytes(part) for part in (spec, program, inputs)]
    state = fresh()
    job = replace(SPEC, program=ids[1], inputs=ids[2])
    any_peer: Any = peer
    return (
        Holdings(any_peer, store, folder),
        peer,
        replace(state, spec=job, offer=replace(state.offer, spec=ids[0])),
    )


async def test_a_decay_that_left_no_trace_is_found_once_something_comes_out_wrong(tmp_path: Path) -> None:
    held, peer, state = world(tmp_path)
    assert state.spec is not None
    assert not await held.mended(LEASE, state)
    decay(held.store, state.spec.inputs)
    await held.job(LEASE, state)
    assert peer.asked == 0, "nothing shows it yet"
    assert await held.mended(LEASE, state)
    assert peer.asked == 1
    assert not await held.mended(LEASE, state)


async def test_a_job_that_finds_no_room_to_be_fetched_anew_is_not_called_bad(tmp_path: Path) -> None:
    """A lease is closed, at a penalty, for a bad job: a full disk passes."""
    held, peer, state = world(tmp_path)
    assert state.spec is not None
    decay(held.store, state.spec.inputs)

    async def no_room(*_: object, **__: object) -> None:
        raise QuotaExceededError("the store is full of pinned artifacts")

    peer.fetch_artifact = no_room  # type: ignore[method-assign]
    with pytest.raises(TransientError, match="cannot be fetched anew now: the store is full"):
        await held.mended(LEASE, state)


async def test_outputs_that_decayed_are_stored_again_from_where_they_were_written(tmp_path: Path) -> None:
    held, _, state = world(tmp_path)
    outputs = os.urandom(500)
    held.output(LEASE).write_bytes(outputs)
    artifact = held.store.put_bytes(outputs)
    usage = Usage(0, 0, 0, 0, 0, 0, 0, 2, "cpu")
    state = replace(state, result=Result(Hash32(bytes(32)), artifact, 500, usage, 0))
    decay(held.store, artifact)
    held.store._sound.clear()
    assert (await held.outputs(LEASE, state)).read_bytes() == outputs
    decay(held.store, artifact)
    held.store._sound.clear()
    held.output(LEASE).write_bytes(b"something else")
    with pytest.raises(InputError, match="are damaged, and"):
        await held.outputs(LEASE, state)
