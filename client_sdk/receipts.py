"""The receipt file: what is needed to check a finished job from chain and artifacts alone."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from protocol.auction.money import Unit
from protocol.chain.networks import Network
from protocol.messages import Bid, Domain, Receipt, Signed, open_signed
from protocol.store.files import write_whole
from protocol.types import InputError, parse_address, to_hex

if TYPE_CHECKING:
    from client_sdk.auditing import Outcome

VERSION = 1
_FIELDS = frozenset(("version", "network", "chain_id", "escrow", "bid", "receipt", "readable", "audit"))


@dataclass(frozen=True)
class ReceiptFile:
    """A receipt with the lease that it is about."""

    network: str
    domain: Domain
    bid: Bid
    envelope: bytes
    readable: dict[str, Any]
    """What a person reads: a copy of the signed fields, which somebody may have changed."""

    def signed(self) -> Signed[Receipt]:
        """Return the operator's signed receipt; `InputError` if the envelope is none."""
        return open_signed(self.envelope, Receipt, self.domain)

    def altered(self) -> tuple[str, ...]:
        """Return the names of fields whose readable copy is not what was signed."""
        signed = _readable(self.signed().message)
        names = {**signed, **self.readable}
        return tuple(name for name in names if signed.get(name) != self.readable.get(name))


def write_receipt(path: Path, bid: Bid, envelope: bytes, domain: Domain, network: Network) -> None:
    """Write the receipt of a lease, with a readable copy of its fields."""
    receipt = open_signed(envelope, Receipt, domain).message
    content = {
        "version": VERSION,
        "network": network.name,
        "chain_id": domain.chain_id,
        "escrow": to_hex(domain.escrow),
        "bid": to_hex(bid.packed()),
        "receipt": to_hex(envelope),
        "readable": _readable(receipt),
    }
    write_whole(path, json.dumps(content, indent=1).encode())


def note_audit(path: Path, outcome: "Outcome", unit: Unit) -> None:
    """Add to a receipt what its lease's audit came to; nothing relies on it. No receipt: nothing is done."""
    if not path.exists():
        return
    content = json.loads(path.read_text())
    content["audit"] = {
        "auditors": outcome.ordered,
        "drawn": outcome.drawn,
        "abstained": outcome.abstained,
        "late": outcome.late,
        "paid": unit.plain(outcome.paid),
        "refunded": unit.plain(outcome.refunded),
        "token": unit.symbol,
        "convicted": outcome.convicted,
    }
    write_whole(path, json.dumps(content, indent=1).encode())


def load(path: Path) -> dict[str, Any]:
    """Return the content of a receipt or of a job's evidence; `InputError` if it is neither."""
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise InputError(f"cannot read receipt {path}: {error.strerror}") from error
    except (ValueError, RecursionError):
        raise InputError(f"{path} is not JSON") from None
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise InputError(f"{path} is no receipt of version {VERSION}")
    return content


def known_fields(path: Path, content: dict[str, Any], names: Iterable[str]) -> None:
    """Raise `InputError` if there are other fields than these."""
    if unknown := sorted(set(content) - set(names)):
        raise InputError(
            f"{path}: unknown field {unknown[0]}", "the file was changed, or is of a newer version"
        )


@contextmanager
def parsed(path: Path) -> Iterator[None]:
    """Say in which file a field is wrong."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: a field is missing or malformed: {error}") from None


def read_receipt(path: Path) -> ReceiptFile:
    """Return what `write_receipt` wrote; `InputError` names the file and the field that is wrong."""
    content = load(path)
    known_fields(path, content, _FIELDS)
    with parsed(path):
        domain = Domain(int(content["chain_id"]), parse_address(content["escrow"]))
        bid = Bid.from_packed(bytes.fromhex(content["bid"].removeprefix("0x")))
        envelope = bytes.fromhex(content["receipt"].removeprefix("0x"))
        readable = dict(content.get("readable", {}))
        return ReceiptFile(str(content["network"]), domain, bid, envelope, readable)


def _readable(receipt: Receipt) -> dict[str, Any]:
    return {each.name: _plain(getattr(receipt, each.name)) for each in fields(receipt)}


def _plain(value: Any) -> Any:
    return to_hex(value) if isinstance(value, bytes) else value
