"""Logs that a stranger makes for next to nothing, and a node that gives only so many at once."""

import json
from typing import Any

from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.localnet import Localnet
from protocol.types import ZERO_ADDRESS, to_hex
from tests.flaky_node import FlakyNode

Sending = dict[str, str]
"""A transaction of one of the node's own accounts."""
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
    (block,) = one_block(net, _flood(net, "setOperator", ZERO_ADDRESS, events=events))
    return block


def flood_with_registrations(net: Localnet, *others: Sending, events: int = MOST + 200) -> int:
    """Make that many `Registered` events in one block, after what `others` send; return its number."""
    operator = net.chain(STRANGER).address
    blocks = one_block(net, *others, _flood(net, "register", operator, b"junk", events=events))
    assert len(set(blocks)) == 1
    return blocks[0]


def sending(chain: Chain, call: Call) -> Sending:
    """What sends a call from a chain's key."""
    return {"from": to_hex(chain.address), "to": to_hex(call.to or b""), "data": to_hex(call.data)}


def one_block(net: Localnet, *transactions: Sending) -> list[int]:
    """Put transactions in one block, and return where each of them lies."""
    net.anvil.call("evm_setAutomine", False)
    hashes = [net.anvil.call("eth_sendTransaction", each) for each in transactions]
    net.anvil.mine(1)
    net.anvil.call("evm_setAutomine", True)
    receipts = [net.anvil.call("eth_getTransactionReceipt", each) for each in hashes]
    assert all(each["status"] == "0x1" for each in receipts)
    return [int(each["blockNumber"], 16) for each in receipts]


def _flood(net: Localnet, function: str, *args: object, events: int) -> Sending:
    chain = net.chain(STRANGER)
    code = _repeated(chain.escrow.address, chain.escrow.abi.call_data(function, *args), events)
    return {"from": to_hex(chain.address), "data": to_hex(code), "gas": hex(14_900_000)}


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
