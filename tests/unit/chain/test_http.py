"""Answers that last or grow without end: a byte now and then, or what unpacks to gigabytes."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from protocol.chain import http
from protocol.chain.http import BoundedSession, TooLongError

Answer = Callable[[Any], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], str]]:
    servers = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    answer(self)
                except OSError:
                    self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def plain(handler: Any, body: bytes = b"whole", **headers: str) -> None:
    handler.send_response(200)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def chunked(handler: Any, *parts: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for part in (*parts, b""):
        handler.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")


def drip(handler: Any, head: bytes) -> None:
    handler.wfile.write(head)
    for _ in range(600):
        handler.wfile.write(b"x")
        handler.wfile.flush()
        time.sleep(0.05)


LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n"
HEADER = b"HTTP/1.1 200 OK\r\nX-Long: "
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "head", [LONG, CHUNKS, HEADER, CLOSING], ids=["length", "chunks", "header", "closing"]
)
def test_who_sends_a_byte_now_and_then_is_given_up(serve: Callable[[Answer], str], head: bytes) -> None:
    url = serve(lambda handler: drip(handler, head))
    session = BoundedSession(4, 0.5)
    began = time.monotonic()
    with pytest.raises(requests.Timeout, match="no whole answer in"):
        session.post(url, data=b"q", timeout=5)
    assert time.monotonic() - began < 5


def test_behind_a_proxy_an_exchange_has_an_end_too(
    serve: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", serve(lambda handler: drip(handler, LONG)))
    monkeypatch.delenv("no_proxy", raising=False)
    began = time.monotonic()
    with pytest.raises(requests.Timeout, match="no whole answer in"):
        BoundedSession(4, 0.5).post("http://node.invalid/", data=b"q", timeout=5)
    assert time.monotonic() - began < 15, "it is cut, not waited for: that takes thirty"


@pytest.mark.parametrize("packed", [False, True])
def test_no_more_is_taken_than_an_answer_may_have(
    serve: Callable[[Answer], str], packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_BODY", 1 << 20)
    body = bytes((1 << 20) + 1)
    url = serve(
        lambda handler: (
            plain(handler, gzip.compress(body), Content_Encoding="gzip") if packed else plain(handler, body)
        )
    )
    with pytest.raises(TooLongError, match="longer than 1 MiB"):
        BoundedSession(4, 30).post(url, data=b"q", timeout=5)


@pytest.mark.parametrize(
    "answer",
    [
        plain,
        lambda handler: plain(handler, gzip.compress(b"whole"), Content_Encoding="gzip"),
        lambda handler: chunked(handler, b"wh", b"ole"),
    ],
    ids=["plain", "packed", "in chunks"],
)
def test_whole_answers_come_as_they_are_over_one_connection(
    serve: Callable[[Answer], str], answer: Answer
) -> None:
    ports = set()

    def noted(handler: Any) -> None:
        ports.add(handler.client_address[1])
        answer(handler)

    url, session = serve(noted), BoundedSession(4, 0.5)
    for _ in range(5):
        assert session.post(url, data=b"q", timeout=5).content == b"whole"
    time.sleep(0.6)  # a watch that is over shuts no socket that serves others
    assert session.post(url, data=b"q", timeout=5).content == b"whole"
    assert len(ports) == 1


@pytest.mark.parametrize("status", [302, 307])
def test_no_answer_leads_elsewhere_nor_is_it_longer_than_others(
    serve: Callable[[Answer], str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, bomb = list[str](), gzip.compress(bytes((1 << 20) + 1))

    def moved(handler: Any) -> None:
        asked.append(handler.path)
        handler.send_response(status)
        handler.send_header("Location", "/elsewhere")
        if body := bomb if len(asked) > 1 else b"":
            handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    monkeypatch.setattr(http, "MAX_BODY", 1 << 20)
    url, session = serve(moved), BoundedSession(4, 5)
    with pytest.raises(requests.TooManyRedirects):
        session.post(url, data=b"q", timeout=5)
    with pytest.raises(TooLongError):
        session.post(url, data=b"q", timeout=5)
    assert asked == ["/", "/"]


def test_a_connection_that_breaks_off_is_no_answer(serve: Callable[[Answer], str]) -> None:
    def broken(handler: Any) -> None:
        handler.wfile.write(LONG + b"half")
        handler.close_connection = True

    with pytest.raises(requests.RequestException):
        BoundedSession(4, 5).post(serve(broken), data=b"q", timeout=5)
