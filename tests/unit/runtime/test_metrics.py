import json
import threading

import pytest
import trio

from protocol.runtime.child import Faults
from protocol.runtime.metrics import Health, Metrics
from protocol.types import DiskError, InputError


async def ask(port: int, request: bytes) -> tuple[int, bytes, bytes]:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(request)
        answer = b""
        while data := await stream.receive_some():
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), head, body


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@pytest.mark.trio
async def test_metrics_and_health_are_served() -> None:
    metrics = Metrics()
    leases = metrics.gauge("gavel_leases", "Open leases.", ["state"])
    leases.labels("running").set(3)
    health = [Health(True, {"chain": "at block 7"})]
    before = set(threading.enumerate())  # idle workers of other tests may end in the meantime
    async with trio.open_nursery() as nursery:
        port = await nursery.start(metrics.serve, "127.0.0.1", 0, lambda: health[0])
        status, head, body = await ask(port, get("/metrics"))
        assert status == 200
        assert b"text/plain" in head
        assert b'gavel_leases{state="running"} 3.0' in body
        assert b"process_resident_memory_bytes" in body
        assert b"gavel_child_faults_total %d" % Faults.count in body
        status, _, body = await ask(port, get("/healthz?verbose=1"))
        assert (status, json.loads(body)) == (200, {"ok": True, "chain": "at block 7"})
        health[0] = Health(False, {"chain": "no node answers"})
        assert (await ask(port, get("/healthz")))[0] == 503
        assert not set(threading.enumerate()) - before
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_nonsense_is_answered_and_harms_nobody(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(Metrics().serve)
        assert (await ask(port, get("/etc/passwd")))[0] == 404
        assert (await ask(port, get("/metrics", "POST")))[0] == 405
        assert (await ask(port, b"hello\r\n\r\n"))[0] == 400
        assert (await ask(port, b"GET /metrics HTTP/1.1\r\n" + b"x" * 10000))[0] == 400
        status, _, body = await ask(port, get("/healthz", "HEAD"))
        assert (status, body) == (200, b"")
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_only_loopback_and_only_a_free_port() -> None:
    with pytest.raises(InputError, match=r"not on 0\.0\.0\.0"):
        await Metrics().serve("0.0.0.0")
    async with trio.open_nursery() as nursery:
        port = await nursery.start(Metrics().serve)
        with pytest.raises(InputError, match=f":{port}: Address already in use"):
            await Metrics().serve("127.0.0.1", port)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_figure_that_cannot_be_read_ends_no_daemon() -> None:
    def broken() -> Health:
        raise DiskError("the disk fails")

    async with trio.open_nursery() as nursery:
        port = await nursery.start(Metrics().serve, "127.0.0.1", 0, broken)
        assert (await ask(port, get("/healthz")))[0] == 500
        assert (await ask(port, get("/metrics")))[0] == 200
        nursery.cancel_scope.cancel()
