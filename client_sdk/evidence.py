"""What a challenge starts from: a posted result and its job, as whoever challenges holds them.

A provider that serves nothing, or signs something else than it posted, leaves its client without a
receipt. The client has everything else: so what it checked is written down whatever the provider signed.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from client_sdk.home import ClientHome
from client_sdk.receipts import VERSION, ReceiptFile, known_fields, load, parsed, read_receipt
from protocol.messages import Bid, Domain
from protocol.store.files import write_whole
from protocol.types import Address, ArtifactId, InputError, parse_address, to_hex

_FIELDS = frozenset(
    {"version", "network", "chain_id", "escrow", "bid", "spec", "outputs", "output_bytes", "provider"}
)


@dataclass(frozen=True)
class Evidence:
    """A result whose bytes have the posted root. Artifacts that are not here can be asked of `provider`."""

    network: str
    domain: Domain
    bid: Bid
    spec: ArtifactId
    outputs: ArtifactId
    output_bytes: int
    provider: Address

    @classmethod
    def of_receipt(cls, file: ReceiptFile) -> "Evidence":
        """What a receipt says of it; `InputError` if nobody signed it."""
        signed = file.signed()
        receipt = signed.message
        named = (receipt.spec, receipt.outputs, receipt.output_bytes, signed.signer)
        return cls(file.network, file.domain, file.bid, *named)

    def write(self, path: Path) -> None:
        """Write it down for `read_evidence`."""
        content = {
            "version": VERSION,
            "network": self.network,
            "chain_id": self.domain.chain_id,
            "escrow": to_hex(self.domain.escrow),
            "bid": to_hex(self.bid.packed()),
            "spec": to_hex(self.spec),
            "outputs": to_hex(self.outputs),
            "output_bytes": self.output_bytes,
            "provider": to_hex(self.provider),
        }
        write_whole(path, json.dumps(content, indent=1).encode())


def read_evidence(path: Path) -> Evidence:
    """Return what a job's evidence or a receipt says; `InputError` names file and field that are wrong."""
    content = load(path)
    if "receipt" in content:
        return Evidence.of_receipt(read_receipt(path))
    known_fields(path, content, _FIELDS)
    with parsed(path):
        return Evidence(
            str(content["network"]),
            Domain(int(content["chain_id"]), parse_address(content["escrow"])),
            Bid.from_packed(_bytes(content["bid"])),
            ArtifactId(_bytes(content["spec"])),
            ArtifactId(_bytes(content["outputs"])),
            int(content["output_bytes"]),
            parse_address(content["provider"]),
        )


def find_evidence(name: str, network: str) -> Path:
    """Return the file that `name` is, or that the job of this name has. `InputError` if there is none."""
    path = Path(name)
    if path.is_file() or path.suffix == ".json":
        return path
    folder = ClientHome.of(network).job(name)
    found = next((each for each in (folder.evidence, folder.receipt) if each.exists()), None)
    if found is None:
        raise InputError(
            f"job {folder.id} has no outputs that were checked", "gavel job result fetches and checks them"
        )
    return found


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
