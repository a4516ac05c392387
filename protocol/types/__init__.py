"""Value types and units that every room shares."""

from protocol.types.enums import BidFlags, EnergyGrade, JobKind, LeaseClass, Verification
from protocol.types.errors import (
    BrokenInvariant,
    DiskError,
    GavelError,
    InputError,
    OutOfMemoryError,
    TransientError,
)
from protocol.types.hexes import parse_address, parse_bytes, parse_hash, to_checksum, to_hex
from protocol.types.units import (
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    Amount,
    ArtifactId,
    BlockNo,
    Blocks,
    Hash32,
    LeaseId,
    Wei,
)
from protocol.types.words import several

__all__ = [
    "ZERO_ADDRESS",
    "ZERO_HASH",
    "Address",
    "Amount",
    "ArtifactId",
    "BidFlags",
    "BlockNo",
    "Blocks",
    "BrokenInvariant",
    "DiskError",
    "EnergyGrade",
    "GavelError",
    "Hash32",
    "InputError",
    "JobKind",
    "LeaseClass",
    "LeaseId",
    "OutOfMemoryError",
    "TransientError",
    "Verification",
    "Wei",
    "parse_address",
    "parse_bytes",
    "parse_hash",
    "several",
    "to_checksum",
    "to_hex",
]
