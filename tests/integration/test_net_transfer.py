"""Artifacts between nodes over loopback, into the real store."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol

from protocol.net import (
    ArtifactTooLargeError,
    ArtifactUnavailableError,
    NetSettings,
    Node,
    PeerUnreachableError,
    WrongBytesError,
)
from protocol.net.framing import Wire
from protocol.net.settings import StreamSettings
from protocol.net.transfer import PROTOCOL, serve
from protocol.net.transfer.wire import Kind, Request, Status
from protocol.store import CHUNK, Artifacts, Manifest, QuotaExceededError
from protocol.types import Address, ArtifactId
from tests.unit.net.support import nodes, until

pytestmark = pytest.mark.trio

LIMIT = 1 << 30


def anybody(_peer: Address, _artifact: ArtifactId) -> bool:
    return True


def noise(size: int, seed: str = "noise") -> bytes:
    return hashlib.shake_128(seed.encode()).digest(size)


@pytest.fixture
def store(tmp_path: Path) -> Callable[[str], Artifacts]:
    def make(name: str, quota: int = LIMIT) -> Artifacts:
        return Artifacts(tmp_path / name, quota)

    return make


class Bent:
    """A store that serves as a dishonest or broken peer would."""

    def __init__(self, inner: Artifacts) -> None:
        self.inner = inner
        self.reads: list[int] = []
        self.wrong_at: int | None = None
        self.stop_after: int | None = None
        self.on_stop: Callable[[], None] = lambda: None
        self.lie: Manifest | None = None

    def has(self, artifact: ArtifactId) -> bool:
        return self.inner.has(artifact)

    def sound(self, artifact: ArtifactId) -> bool:
        return self.inner.sound(artifact)

    def manifest(self, artifact: ArtifactId) -> Manifest:
        return self.lie or self.inner.manifest(artifact)

    def read_chunk(self, artifact: ArtifactId, index: int) -> bytes:
        self.reads.append(index)
        if self.stop_after is not None and len(self.reads) > self.stop_after:
            self.stop_after = None
            self.on_stop()
            raise OSError("disk went away")
        data = self.inner.read_chunk(artifact, index)
        return data[:-1] + bytes([data[-1] ^ 1]) if index == self.wrong_at else data


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 40 * CHUNK + 17])
async def test_every_size_arrives_whole(store: Callable[..., Artifacts], size: int) -> None:
    source, target = store("source"), store("target")
    artifact = source.put_bytes(noise(size))
    steps: list[tuple[int, int]] = []
    async with nodes(2) as (server, client):
        server.serve_artifacts(source, anybody)
        manifest = await client.fetch_artifact(
            target, artifact, [server.address], max_size=LIMIT, progress=lambda *step: steps.append(step)
        )
        assert manifest.size == size
        assert target.path(artifact).read_bytes() == noise(size)
        assert steps[-1] == (size, size)
        assert steps == sorted(steps)
        assert client.metrics.artifact_bytes_received == server.metrics.artifact_bytes_sent == size


def rot(store: Artifacts, artifact: ArtifactId, at: int) -> None:
    file = store.path(artifact)
    file.chmod(0o600)
    with file.open("r+b") as damaged:
        damaged.seek(at)
        damaged.write(b"\0\0\0\0")


async def test_what_rots_on_a_disk_is_fetched_again_and_costs_nobody_a_ban(
    store: Callable[..., Artifacts],
) -> None:
    """Whoever serves a wrong chunk is banned for it: a rotten artifact counts as missing, on either side."""
    source, target, data = store("source"), store("target"), noise(3 * CHUNK)
    artifact = source.put_bytes(data)
    async with nodes(2) as (server, client):
        server.serve_artifacts(source, anybody)
        await client.fetch_artifact(target, artifact, [server.address], max_size=LIMIT)
        rot(target, artifact, 2 * CHUNK + 5)
        await client.fetch_artifact(target, artifact, [server.address], max_size=LIMIT)
        assert target.path(artifact).read_bytes() == data
        rot(target, artifact, 5)
        rot(source, artifact, CHUNK + 5)
        with pytest.raises(ArtifactUnavailableError):
            await client.fetch_artifact(target, artifact, [server.address], max_size=LIMIT)
        assert source.put_bytes(data) == artifact
        await client.fetch_artifact(target, artifact, [server.address], max_size=LIMIT)
        assert target.path(artifact).read_bytes() == data
        assert client.metrics.peers_banned == server.metrics.peers_banned == 0


async def test_several_peers_share_the_work(store: Callable[..., Artifacts]) -> None:
    target = store("target")
    data = noise(60 * CHUNK)
    async with nodes(3) as (one, two, client):
        bents = []
        for node, name in ((one, "one"), (two, "two")):
            bent = Bent(store(name))
            artifact = bent.inner.put_bytes(data)
            node.serve_artifacts(bent, anybody)
            bents.append(bent)
        client.learn(two.address, two.addrs)
        await client.fetch_artifact(target, artifact, [one.address, two.address], max_size=LIMIT)
        assert target.path(artifact).read_bytes() == data
        assert sorted(bents[0].reads + bents[1].reads) == list(range(60))
        assert all(len(bent.reads) >= 8 for bent in bents)


async def test_a_broken_fetch_goes_on_where_it_ended_even_in_another_process(
    store: Callable[..., Artifacts],
) -> None:
    bent, target = Bent(store("source")), store("target")
    artifact = bent.inner.put_bytes(noise(40 * CHUNK))
    bent.stop_after = 25
    async with nodes(2) as (server, client):
        server.serve_artifacts(bent, anybody)
        with pytest.raises(ArtifactUnavailableError, match="failed to read") as caught:
            await client.fetch_artifact(target, artifact, [server.address], max_size=LIMIT)
        assert set(caught.value.failures) == {server.address}
    target.close()
    seen = len(bent.reads)
    async with nodes(2) as (server, client):
        server.serve_artifacts(bent, anybody)
        await client.fetch_artifact(store("target"), artifact, [server.address], max_size=LIMIT)
    # 25 chunks came the first time; none of them is asked for again.
    assert len(bent.reads) - seen == 40 - 25
    assert store("target").path(artifact).read_bytes() == noise(40 * CHUNK)


async def test_a_broken_connection_is_dialled_again(store: Callable[..., Artifacts]) -> None:
    bent, target = Bent(store("source")), store("target")
    artifact = bent.inner.put_bytes(noise(30 * CHUNK))
    async with nodes(2) as (server, client):
        server.serve_artifacts(bent, anybody)
        cut = trio.lowlevel.current_trio_token()
        bent.stop_after = 12

        def hang_up() -> None:
            peer = server._peers.id_of(client.address)
            assert peer is not None
            trio.from_thread.run(server._host.disconnect, peer, trio_token=cut)

        bent.on_stop = hang_up
        await client.fetch_artifact(target, artifact, [server.address], max_size=LIMIT)
        assert target.path(artifact).read_bytes() == noise(30 * CHUNK)
        assert len(bent.reads) < 30 + 20


async def test_a_peer_that_serves_wrong_bytes_is_dropped_named_and_banned(
    store: Callable[..., Artifacts],
) -> None:
    good, bent, target = store("good"), Bent(store("bent")), store("target")
    artifact = good.put_bytes(noise(20 * CHUNK))
    bent.inner.put_bytes(noise(20 * CHUNK))
    bent.wrong_at = 3
    async with nodes(3) as (honest, liar, client):
        honest.serve_artifacts(good, anybody)
        liar.serve_artifacts(bent, anybody)
        await client.connect(liar.addrs[0])
        with pytest.raises(WrongBytesError) as caught:
            await client.fetch_artifact(target, artifact, [liar.address], max_size=LIMIT)
        assert caught.value.peers == (liar.address,)
        assert liar.address.hex() in str(caught.value)
        await until(lambda: not client.is_connected(liar.address))
        # The honest peer completes it, whatever the banned one says.
        await client.fetch_artifact(target, artifact, [liar.address, honest.address], max_size=LIMIT)
        assert target.path(artifact).read_bytes() == noise(20 * CHUNK)
        assert client.metrics.peers_banned == 1


async def test_a_false_manifest_is_refused(store: Callable[..., Artifacts]) -> None:
    bent, target = Bent(store("bent")), store("target")
    artifact = bent.inner.put_bytes(noise(3 * CHUNK))
    bent.lie = Manifest(CHUNK, (bytes(32),))
    async with nodes(2) as (liar, client):
        liar.serve_artifacts(bent, anybody)
        with pytest.raises(WrongBytesError, match="manifest"):
            await client.fetch_artifact(target, artifact, [liar.address], max_size=LIMIT)
    assert not target.has(artifact)


async def test_limits_of_the_caller_and_of_the_store(store: Callable[..., Artifacts]) -> None:
    source, small = store("source"), store("small", quota=CHUNK)
    artifact = source.put_bytes(noise(2 * CHUNK))
    async with nodes(2) as (server, client):
        server.serve_artifacts(source, anybody)
        with pytest.raises(ArtifactTooLargeError, match=f"{2 * CHUNK} bytes, limit {CHUNK}"):
            await client.fetch_artifact(small, artifact, [server.address], max_size=CHUNK)
        with pytest.raises(QuotaExceededError):
            await client.fetch_artifact(small, artifact, [server.address], max_size=LIMIT)
        assert server.metrics.artifact_bytes_sent == 0


async def test_a_peer_that_says_nothing_delays_nobody_elses_answer(
    store: Callable[..., Artifacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["protocol.net.transfer.fetch"], "_NEXT_S", 0.1, raising=False)
    source, target = store("source"), store("target")
    artifact = source.put_bytes(noise(20 * CHUNK))
    async with nodes(3) as (client, silent, server):

        async def say_nothing(_: INetStream) -> None:
            await trio.sleep_forever()

        silent._host.set_stream_handler(TProtocol(PROTOCOL), say_nothing)
        server.serve_artifacts(source, anybody)
        with trio.fail_after(10):
            await client.fetch_artifact(target, artifact, [silent.address, server.address], max_size=LIMIT)


async def test_who_may_have_what_is_the_servers_choice(store: Callable[..., Artifacts]) -> None:
    source, target = store("source"), store("target")
    secret, public = source.put_bytes(b"secret"), source.put_bytes(b"public")
    async with nodes(3) as (server, friend, stranger):

        def allow(peer: Address, artifact: ArtifactId) -> bool:
            return artifact == public or peer == friend.address

        server.serve_artifacts(source, allow)
        with pytest.raises(ArtifactUnavailableError, match="does not serve it to this node"):
            await stranger.fetch_artifact(target, secret, [server.address], max_size=LIMIT)
        with pytest.raises(ArtifactUnavailableError, match="does not have it"):
            await friend.fetch_artifact(target, ArtifactId(bytes(32)), [server.address], max_size=LIMIT)
        with pytest.raises(ArtifactUnavailableError, match="no peer to ask"):
            await friend.fetch_artifact(target, secret, [], max_size=LIMIT)
        await friend.fetch_artifact(target, secret, [server.address], max_size=LIMIT)
        await stranger.fetch_artifact(store("other"), public, [server.address], max_size=LIMIT)


async def test_junk_requests_cost_the_peer_its_stream_and_its_name(store: Callable[..., Artifacts]) -> None:
    source = store("source")
    async with nodes(2) as (server, client):
        server.serve_artifacts(source, anybody)
        for _ in range(2):
            wire = Wire(await client.open_stream(server.address, PROTOCOL))
            await wire.write(b"\xff" * 41)
            assert await _ended(wire)
        assert server.peers()[0].points > 49


async def test_a_peer_is_answered_on_four_streams_at_a_time(store: Callable[..., Artifacts]) -> None:
    source, target = store("source"), store("target")
    artifact = source.put_bytes(noise(5 * CHUNK))
    async with nodes(2) as (server, client):
        server.serve_artifacts(source, anybody)
        wires = [Wire(await client.open_stream(server.address, PROTOCOL)) for _ in range(8)]
        for wire in wires[:4]:
            # More than the window of a stream: its answer is not written until somebody reads it.
            await wire.write(Request(Kind.CHUNKS, artifact, 0, 5).to_bytes())
            assert await wire.read_exact(1) == b"\x01"
        with pytest.raises(PeerUnreachableError):
            await _first_byte(client, server, Request(Kind.CHUNKS, artifact, 0, 1))
        assert server.metrics.streams_refused == 1
        for wire in wires[:4]:
            await wire.finish()
            assert len(await wire.read_exact(5 * (CHUNK + 1) - 1)) == 5 * (CHUNK + 1) - 1
            assert await _ended(wire)
        # The four places are free again; the other streams, on which nothing was asked, never had any.
        await client.fetch_artifact(target, artifact, [server.address], max_size=LIMIT)


@pytest.mark.parametrize("status", [Status.MISSING, Status.DENIED])
async def test_who_is_refused_takes_no_place_and_loses_its_stream(
    status: Status, store: Callable[..., Artifacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    """64 streams of free keys, refused again and again, kept everybody from fetching anything."""
    monkeypatch.setattr(serve, "_TOTAL", 3)
    source, target = store("source"), store("target")
    artifact = source.put_bytes(noise(CHUNK))
    async with nodes(3) as (server, honest, attacker):
        server.serve_artifacts(source, lambda _, asked: status is Status.MISSING or asked == artifact)
        wires = [Wire(await attacker.open_stream(server.address, PROTOCOL)) for _ in range(4)]
        for wire in wires[:2]:
            for _ in range(3):
                await wire.write(Request(Kind.MANIFEST, ArtifactId(bytes(32))).to_bytes())
            assert await wire.read_exact(1) == bytes([status])
            assert await _ended(wire)
        await honest.fetch_artifact(target, artifact, [server.address], max_size=LIMIT)
        assert server.metrics.streams_refused == 0


async def test_who_has_its_answer_holds_no_place_until_it_asks_again(
    store: Callable[..., Artifacts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "_TOTAL", 1)
    source = store("source")
    artifact = source.put_bytes(noise(CHUNK))
    async with nodes(3) as (server, honest, idle):
        server.serve_artifacts(source, anybody)
        question = Request(Kind.CHUNKS, artifact, 0, 1).to_bytes()
        wires = [Wire(await node.open_stream(server.address, PROTOCOL)) for node in (idle, honest)]
        for wire in wires * 2:
            await wire.write(question)
            assert await wire.read_exact(CHUNK + 1) == b"\x01" + noise(CHUNK)
        assert server.metrics.streams_refused == 0


async def test_a_stream_on_which_nothing_is_asked_is_ended(store: Callable[..., Artifacts]) -> None:
    settings = NetSettings(streams=StreamSettings(idle_s=0.1))
    async with nodes(2, settings) as (server, client):
        server.serve_artifacts(store("source"), anybody)
        assert await _ended(Wire(await client.open_stream(server.address, PROTOCOL)))


async def test_a_request_behind_another_is_answered_in_order(store: Callable[..., Artifacts]) -> None:
    source = store("source")
    artifact = source.put_bytes(noise(3 * CHUNK))
    async with nodes(2) as (server, client):
        server.serve_artifacts(source, anybody)
        wire = Wire(await client.open_stream(server.address, PROTOCOL))
        for first in (2, 0):
            await wire.write(Request(Kind.CHUNKS, artifact, first, 1).to_bytes())
        for index in (2, 0):
            assert await wire.read_exact(1) == b"\x01"
            assert await wire.read_exact(CHUNK) == noise(3 * CHUNK)[index * CHUNK :][:CHUNK]


async def _first_byte(client: Node, server: Node, request: Request) -> bytes:
    wire = Wire(await client.open_stream(server.address, PROTOCOL))
    await wire.write(request.to_bytes())
    return await wire.read_exact(1)


async def _ended(wire: Wire) -> bool:
    try:
        with trio.fail_after(5):
            return await wire.read_or_end(1) is None
    except Exception as error:
        return "stream" in str(error)
