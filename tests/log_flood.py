"""Logs that a stranger makes for next to nothing, and a node that gives only so many at once."""

import json
from typing import Any

from protocol.chain.calls import Call
from protocol.chain.localnet import Localnet
from protocol.crypto import keccak256
from tests.flaky_node import FlakyNode

MOST = 1_000
"""Logs that `CappedNode` gives at once; public nodes give ten or twenty thousand."""
STRANGER = 7


class CappedNode(FlakyNode):
    """Refuses a request whose answer has more logs than `MOST`."""

    def _answer(self, body: bytes) -> bytes:
        answer, request = json.loads(super()._answer(body)), json.loads(body)
        pairs: Any = zip(request, answer, strict=True) if isinstance(request, list) else [(request, answer)]
        for asked, given in pairs:
            if asked["method"] == "eth_getLogs" and len(given.get("result") or ()) > MOST:
                given.pop("result")
                given["error"] = {"code": -32005, "message": f"query returned more than {MOST} results"}
        return json.dumps(answer).encode()


def flood_with_operators(net: Localnet, events: int = MOST + 200) -> int:
    """Make that many `OperatorSet` events in one block; return its number."""
    chain = net.chain(STRANGER)
    call = keccak256(b"setOperator(address)")[:4] + bytes(32)
    code = _repeated(bytes(chain.escrow.address), call, events)
    receipt = chain.send(Call(None, code, "a flood of logs"))
    assert len(receipt.logs) == events
    return int(receipt.block)


def _repeated(to: bytes, call: bytes, times: int) -> bytes:
    """Creation code that makes a call many times, and creates nothing."""
    store = b"".join(
        b"\x7f" + call[at : at + 32].ljust(32, b"\0") + b"\x60" + bytes([at]) + b"\x52"  # PUSH32, MSTORE
        for at in range(0, len(call), 32)
    )
    head = store + b"\x62" + times.to_bytes(3, "big")
    target = len(head)
    arguments = b"\x60\0\x60\0\x60" + bytes([len(call)]) + b"\x60\0\x60\0\x73" + to  # out, in, value, address
    again = b"\x50\x60\x01\x90\x03\x80\x60" + bytes([target]) + b"\x57"  # times -= 1; jump unless zero
    return head + b"\x5b" + arguments + b"\x5a\xf1" + again + b"\x00"
