"""Writes tests/vectors/bids.json: python -m tests.vectors.make_bids. Run it only to add cases."""

import json
import random
from pathlib import Path
from typing import Any

from protocol.crypto import address_of, keccak256, sign_digest
from protocol.messages import Bid
from protocol.messages.bid import delegates_hash, job_hash
from protocol.messages.fields import Kind
from protocol.messages.message import Domain, field_kinds

DOMAIN = Domain(31337, bytes.fromhex("5fbdb2315678afecb367f032d93f642f64180aa3"))
KEY = keccak256(b"gavel test vector key")
RANDOM = random.Random(20261121)
LENGTHS = {"address": 20, "bytes32": 32}


def _largest(kind: Kind) -> Any:
    length = LENGTHS.get(kind.name)
    return b"\xff" * length if length else (1 << int(kind.name.removeprefix("uint"))) - 1


def _zero(kind: Kind) -> Any:
    return bytes(LENGTHS[kind.name]) if kind.name in LENGTHS else 0


def _random(kind: Kind) -> Any:
    length = LENGTHS.get(kind.name)
    return RANDOM.randbytes(length) if length else RANDOM.getrandbits(int(kind.name.removeprefix("uint")))


def _legal(fields: dict[str, Any]) -> dict[str, Any]:
    fields["lease_class"] = 1 + fields["lease_class"] % 2
    fields["verification"] %= 2
    fields["flags"] %= 2
    fields["top_up_cap"] = max(fields["top_up_cap"], fields["max_blocks"])
    return fields


def _cases() -> list[dict[str, Any]]:
    kinds = field_kinds(Bid)
    zero = {name: _zero(kind) for name, kind in kinds}
    cases = [zero, {name: _largest(kind) for name, kind in kinds}]
    # One field full and all others zero: a field that leaks into its neighbour shows.
    cases += [{**zero, name: _largest(kind)} for name, kind in kinds]
    cases += [{name: _random(kind) for name, kind in kinds} for _ in range(8)]
    return [_legal(dict(case)) for case in cases]


def _hex(value: bytes) -> str:
    return "0x" + value.hex()


def _bid(fields: dict[str, Any]) -> dict[str, Any]:
    bid = Bid(**fields)
    return {
        "fields": {n: _hex(v) if isinstance(v, bytes) else str(v) for n, v in fields.items()},
        "packed": _hex(bid.packed()),
        "bidHash": _hex(bid.struct_hash()),
        "leaseId": _hex(bid.lease_id()),
        "digest": _hex(bid.digest(DOMAIN)),
        "deposit": str(bid.deposit()),
        "signature": _hex(sign_digest(KEY, bid.digest(DOMAIN))),
    }


def _job(items: int) -> dict[str, Any]:
    program, inputs = RANDOM.randbytes(32), RANDOM.randbytes(32)
    job = job_hash(program, inputs, items)
    return {"programRoot": _hex(program), "inputRoot": _hex(inputs), "itemCount": items, "jobHash": _hex(job)}


def _delegates(count: int) -> dict[str, str]:
    members = sorted(RANDOM.randbytes(20) for _ in range(count))
    return {"packed": _hex(b"".join(members)), "hash": _hex(delegates_hash(frozenset(members)))}


def main() -> None:
    """Write the file."""
    vectors = {
        "domain": {
            "chainId": DOMAIN.chain_id,
            "escrow": _hex(DOMAIN.escrow),
            "separator": _hex(DOMAIN.separator()),
        },
        "operatorKey": _hex(KEY),
        "operator": _hex(address_of(KEY)),
        "bids": [_bid(fields) for fields in _cases()],
        "jobs": [_job(items) for items in (0, 1, 2**32 - 1)],
        "delegates": [_delegates(count) for count in (1, 2, 5)],
    }
    (Path(__file__).parent / "bids.json").write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
