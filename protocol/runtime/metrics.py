"""Prometheus `/metrics` and `/healthz`, served on loopback by the daemon's own trio loop.

metrics = Metrics()
leases = metrics.gauge("gavel_leases", "Open leases.", ["state"])
port = await nursery.start(metrics.serve, "127.0.0.1", 9464, health)
"""

import ipaddress
import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import trio
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from protocol.runtime.child import Faults
from protocol.types import InputError

log = logging.getLogger(__name__)

_MAX_HEAD = 8192
_TIMEOUT_S = 5.0
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True)
class Health:
    """Whether the daemon does its work, with one line per part, e.g. `{"chain": "at block 12"}`."""

    ok: bool = True
    parts: dict[str, str] = field(default_factory=dict)


def _healthy() -> Health:
    return Health()


class _FaultCollector(Collector):
    def describe(self) -> "Iterable[CounterMetricFamily]":
        """Return nothing: the name is told with the figure."""
        return ()

    def collect(self) -> "Iterable[CounterMetricFamily]":
        """Yield the figure."""
        yield CounterMetricFamily(
            "gavel_child_faults", "Child processes that failed in a call.", Faults.count
        )


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(_FaultCollector())

    def counter(self, name: str, help: str, labels: Sequence[str] = ()) -> Counter:
        """Return a new counter, e.g. `gavel_results_posted_total`."""
        return Counter(name, help, labels, registry=self.registry)

    def gauge(self, name: str, help: str, labels: Sequence[str] = ()) -> Gauge:
        """Return a new gauge."""
        return Gauge(name, help, labels, registry=self.registry)

    def histogram(self, name: str, help: str, labels: Sequence[str] = ()) -> Histogram:
        """Return a new histogram with Prometheus's default buckets (seconds)."""
        return Histogram(name, help, labels, registry=self.registry)

    async def serve(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        health: Callable[[], Health] = _healthy,
        task_status: Any = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled; `task_status` gets the port.

        Raises `InputError` if the host is not loopback or the port is taken.
        """
        if not ipaddress.ip_address(host).is_loopback:
            raise InputError(
                f"metrics are served on loopback only, not on {host}", "put a proxy in front of it"
            )
        try:
            listeners = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            raise InputError(f"cannot serve metrics on {host}:{port}: {error.strerror}") from error
        bound: int = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, partial(self._answer, health=health), listeners)
            task_status.started(bound)

    async def _answer(self, stream: trio.SocketStream, health: Callable[[], Health]) -> None:
        """Answer one request and close: a scraper comes every few seconds, so connections are not kept."""
        with trio.move_on_after(_TIMEOUT_S):
            try:
                head = b""
                while b"\r\n\r\n" not in head and len(head) <= _MAX_HEAD:
                    data = await stream.receive_some(_MAX_HEAD)
                    if not data:
                        return
                    head += data
                await stream.send_all(self._response_or_fault(head, health))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return
            finally:
                await trio.aclose_forcefully(stream)

    def _response_or_fault(self, head: bytes, health: Callable[[], Health]) -> bytes:
        try:
            return self._response(head, health)
        except Exception:  # a figure that cannot be read, from a failing disk say, ends no daemon
            log.exception("a request for metrics or health failed")
            return _http(500, "text/plain", b"it cannot be told now, see the log\n")

    def _response(self, head: bytes, health: Callable[[], Health]) -> bytes:
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or len(head) > _MAX_HEAD:
            return _http(400, "text/plain", b"bad request\n")
        method, target = words[0], words[1].split(b"?", 1)[0]
        if method not in (b"GET", b"HEAD"):
            return _http(405, "text/plain", b"only GET\n")
        if target == b"/metrics":
            status, kind, body = 200, CONTENT_TYPE_LATEST, generate_latest(self.registry)
        elif target == b"/healthz":
            now = health()
            status, kind = (200 if now.ok else 503), "application/json"
            body = json.dumps({"ok": now.ok, **now.parts}).encode() + b"\n"
        else:
            status, kind, body = 404, "text/plain", b"there is /metrics and /healthz\n"
        return _http(status, kind, body, body_wanted=method == b"GET")


def _http(status: int, kind: str, body: bytes, body_wanted: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + (body if body_wanted else b"")
