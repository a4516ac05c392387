"""What the worker can be asked about delivery on demand: records as in `interface`.

This module imports no numerical library: daemons use it.
"""

from pathlib import Path
from typing import ClassVar

import msgspec


def noted_path(outputs: Path) -> Path:
    """Where a run notes the roots of the items that it writes to `outputs`."""
    return outputs.with_name(outputs.name + ".key")


class DeliverArgs(msgspec.Struct, frozen=True):
    """The answer to a demand, out of the outputs at `output_path`: fields as in `Wanted` and `Spot`.

    `noted_path` (empty: none) ends in the items' roots that the run noted: hashing all outputs again may take
    as long as the run, and a demand does not wait for it. Notes that do not hash to `node` are passed over.

    InputError if the outputs there are not those whose root was posted.
    """

    OP: ClassVar[str] = "deliver"
    output_path: str
    kind: int
    node: bytes
    size: int
    item: int
    output: int
    index: int
    levels: int
    noted_path: str = ""


class DeliverResult(msgspec.Struct, frozen=True):
    """Hashes or leaves, back to back."""

    data: bytes


class DemandTermsArgs(msgspec.Struct, frozen=True):
    """What demands of a job's outputs are made from. Executes nothing."""

    OP: ClassVar[str] = "demand_terms"
    program_path: str
    input_path: str


class DemandTermsResult(msgspec.Struct, frozen=True):
    """The job; of each output its type, and its node's header with the siblings up to the program's nodes."""

    job: bytes
    types: tuple[tuple[int, tuple[int, ...]], ...]
    headers: tuple[tuple[bytes, tuple[bytes, ...]], ...]


DELIVERY_RESULTS: dict[str, type[msgspec.Struct]] = {
    "deliver": DeliverResult,
    "demand_terms": DemandTermsResult,
}
"""Operation -> the record its reply holds; part of `interface.RESULTS`."""
