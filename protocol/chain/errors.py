"""Reverts as typed errors: decoded by selector against every shipped ABI, never by text."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from protocol.chain.abi import NAMES
from protocol.chain.codec import Abi, Entry, decode_values
from protocol.chain.refusals import REFUSALS
from protocol.chain.views import LeaseState
from protocol.dispute.delivery.names import Status
from protocol.dispute.records import Phase
from protocol.types import BrokenInvariant, InputError, to_hex

_ERROR_STRING = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")


class Revert(InputError):  # noqa: N818 - a revert is what it is called on chain
    """A contract refused a call. `name` is the custom error ("Escrow_Overdraw"), `evidence` its arguments.

    `name` is "Error" for a plain reason, "Panic" for a failed assertion, "" if nothing was said.
    """

    def __init__(self, name: str, evidence: Mapping[str, Any], what: str = "", data: bytes = b"") -> None:
        self.name, self.evidence, self.data = name, dict(evidence), data
        facts = ", ".join(f"{key} {_show(key, value)}" for key, value in self.evidence.items())
        said = f"{name}: {facts}" if facts else name or "reverted without a reason"
        advice = ""
        if refusal := REFUSALS.get(name):
            said, advice = f"{refusal.wrong} ({said})", refusal.advice
        super().__init__(f"{what} refused: {said}" if what else said, advice)


def revert_of(data: bytes, what: str = "") -> Revert:
    """Return the error that revert `data` stands for; `what` names the call for people."""
    selector, body = data[:4], data[4:]
    try:
        if selector == _ERROR_STRING:
            return Revert("Error", {"reason": decode_values(["string"], body, "revert")[0]}, what, data)
        if selector == _PANIC:
            return Revert("Panic", {"code": decode_values(["uint256"], body, "revert")[0]}, what, data)
        if entry := known_errors().get(selector):
            values = decode_values([kind for _, kind, _ in entry.inputs], body, entry.signature)
            names = [name or f"argument {i}" for i, (name, _, _) in enumerate(entry.inputs)]
            return Revert(entry.name, dict(zip(names, values, strict=True)), what, data)
    except BrokenInvariant:
        pass  # a hostile contract may answer anything: then its bytes are all there is to say
    return Revert("", {"data": data[:68]} if data else {}, what, data)


@cache
def known_errors() -> dict[bytes, Entry]:
    """Return every custom error of the shipped ABIs by selector."""
    return {selector: entry for name in NAMES for selector, entry in Abi.shipped(name).errors.items()}


def _show(key: str, value: Any) -> str:
    if key == "state" and value in set(LeaseState):
        return LeaseState(value).name
    if key == "phase" and value in set(Phase):
        return Phase(value).name
    if key == "status" and value in set(Status):
        return Status(value).name
    if isinstance(value, bytes):
        word = value.rstrip(b"\0")
        return word.decode() if word.isalnum() and len(value) == 32 else to_hex(value)
    if isinstance(value, tuple):
        return f"[{', '.join(_show('', item) for item in value)}]"
    return str(value)
