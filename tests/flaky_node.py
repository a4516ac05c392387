"""An HTTP proxy before a real node that can be made to fail in the ways that RPC providers do."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

Answer = dict[str, Any]
MOST_IN_A_BATCH = 100
"""As public nodes have it."""


@dataclass(frozen=True)
class Forge:
    """Changes each answer to `method`, a JSON-RPC object with result or error."""

    method: str
    change: Callable[[Answer], Answer]


Refuse = Callable[[dict[str, Any]], dict[str, Any] | None]


class FlakyNode:
    """Forwards JSON-RPC to `target`. `refuse` may answer a request with a JSON-RPC error instead; `status`
    other than 200 answers everything with it; `chain_id` is what it says to be; with `nothing` all its
    answers are null; with `body` that is all it says; `lag` is by how many blocks it is behind; `forge` may
    change an answer of a method; `stop` closes the port, `start` opens it again.
    """

    def __init__(self, target: str) -> None:
        self.target, self.status, self.seen = target, 200, list[str]()
        self.gas = list[str]()
        """What calls may burn, where they say it."""
        self.refuse: Refuse = lambda _: None
        self.chain_id, self.nothing = 0, False
        self.body = b""
        self.lag, self.forge = 0, Forge("", dict)
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = node.body or (b"broken" if node.status != 200 else node._answer(body))
                self.send_response(node.status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, body: bytes) -> bytes:
        request = json.loads(body)
        each = request if isinstance(request, list) else [request]
        self.seen += [one["method"] for one in each]
        self.gas += [one["params"][0]["gas"] for one in each if "gas" in str(one.get("params", ()))]
        if self.nothing and not isinstance(request, list):
            return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": None}).encode()
        if len(each) > MOST_IN_A_BATCH:
            error = {"code": -32600, "message": f"more than {MOST_IN_A_BATCH} requests in a batch"}
            return json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        errors = [self.refuse(one) for one in each]
        if not any(errors):
            return self._forged(request, self._ask(self._aged(request)))
        answers = [
            {
                "jsonrpc": "2.0",
                "id": one["id"],
                "error": error or {"code": -32000, "message": "batch refused"},
            }
            for one, error in zip(each, errors, strict=True)
        ]
        return json.dumps(answers if isinstance(request, list) else answers[0]).encode()

    def _ask(self, request: Any) -> Any:
        return requests.post(self.target, json=request, timeout=10).json()

    def _aged(self, request: Any) -> Any:
        """The request as a node reads it whose newest block is older."""
        if not self.lag or not isinstance(request, dict):
            return [self._aged(one) for one in request] if self.lag else request
        then = hex(
            int(self._ask({**request, "method": "eth_blockNumber", "params": []})["result"], 16) - self.lag
        )
        if request["method"] == "eth_blockNumber":
            return {**request, "method": "eth_getBlockByNumber", "params": [then, False]}
        return {**request, "params": [then if each == "latest" else each for each in request["params"]]}

    def _forged(self, request: Any, answer: Any) -> bytes:
        each = zip(request, answer, strict=True) if isinstance(request, list) else [(request, answer)]
        for asked, given in each:
            if self.chain_id and asked["method"] == "eth_chainId":
                given["result"] = hex(self.chain_id)
            if self.lag and asked["method"] == "eth_blockNumber":
                given["result"] = given["result"]["number"]
            if asked["method"] == self.forge.method:
                changed = self.forge.change(dict(given))
                given.clear()
                given.update(changed)
        return json.dumps(answer).encode()
