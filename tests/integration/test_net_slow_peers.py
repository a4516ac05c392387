"""Peers with free keys that keep to themselves what they were asked for hold up no fetch from who has it."""

import sys
from pathlib import Path

import pytest
import trio
from libp2p.abc import INetStream
from libp2p.custom_types import TProtocol

from protocol.net import Node
from protocol.net.framing import Wire
from protocol.net.transfer import PROTOCOL
from protocol.net.transfer.wire import REQUEST_SIZE, Kind, Request, Status
from protocol.store import CHUNK, Artifacts
from protocol.types import ArtifactId
from tests.unit.net.support import nodes

pytestmark = pytest.mark.trio

LIMIT = 1 << 30
DATA = bytes(range(256)) * (40 * CHUNK // 256)


def serve_slowly(node: Node, store: Artifacts, artifact: ArtifactId, *, chunk_s: float) -> list[Request]:
    """Serve the manifest at once and then a chunk each so many seconds; return what is asked for."""
    asked: list[Request] = []

    async def drip(stream: INetStream) -> None:
        wire = Wire(stream)
        while raw := await wire.read_or_end(REQUEST_SIZE):
            request = Request.from_bytes(raw)
            asked.append(request)
            if request.kind is Kind.MANIFEST:
                await wire.write(bytes([Status.OK]) + store.manifest(artifact).to_bytes())
            for index in range(request.first, request.first + request.count):
                await trio.sleep(chunk_s)
                await wire.write(bytes([Status.OK]) + store.read_chunk(artifact, index))

    node._host.set_stream_handler(TProtocol(PROTOCOL), drip)
    return asked


async def test_who_did_not_send_the_manifest_is_asked_for_no_chunk(tmp_path: Path) -> None:
    source, target = Artifacts(tmp_path / "source", LIMIT), Artifacts(tmp_path / "target", LIMIT)
    artifact = source.put_bytes(DATA)
    async with nodes(4) as (client, server, *strangers):
        server.serve_artifacts(source, lambda *_: True)

        async def say_nothing(_: INetStream) -> None:
            await trio.sleep_forever()

        for each in strangers:
            each._host.set_stream_handler(TProtocol(PROTOCOL), say_nothing)
        peers = [server.address, *(each.address for each in strangers)]
        with trio.fail_after(10):
            await client.fetch_artifact(target, artifact, peers, max_size=LIMIT)
        assert target.path(artifact).read_bytes() == DATA


@pytest.mark.parametrize("chunk_s", [1e9, 0.3], ids=["nothing more", "now and then a chunk"])
async def test_chunks_that_are_late_are_asked_of_who_is_idle(
    chunk_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen chunks of a peer that sent one each 18 s took minutes, whoever else had them."""
    monkeypatch.setattr(sys.modules["protocol.net.transfer.fetch"], "_TOGETHER", 1)
    monkeypatch.setattr(sys.modules["protocol.net.transfer.fetch"], "_NEXT_S", 0.1)
    monkeypatch.setattr(sys.modules["protocol.net.transfer.queue"], "LATE_S", 0.2, raising=False)
    source, target = Artifacts(tmp_path / "source", LIMIT), Artifacts(tmp_path / "target", LIMIT)
    artifact = source.put_bytes(DATA)
    async with nodes(3) as (client, slow, server):
        asked = serve_slowly(slow, source, artifact, chunk_s=chunk_s)
        server.serve_artifacts(source, lambda *_: True)
        steps: list[int] = []
        with trio.fail_after(4):
            await client.fetch_artifact(
                target,
                artifact,
                [slow.address, server.address],
                max_size=LIMIT,
                progress=lambda here, _: steps.append(here),
            )
        assert target.path(artifact).read_bytes() == DATA
        assert 0 < sum(each.count for each in asked) <= 16
        assert steps == sorted(steps)
        assert steps[-1] == len(DATA) == client.metrics.artifact_bytes_received
        points = {each.address: each.points for each in client.peers()}
        assert 0 < points[slow.address] <= 5
        assert points[server.address] == 0
