"""What the execution worker can be asked: one argument record and one result record per operation.

A frame on the pipe is a 4-byte big-endian length and a msgpack map. A request is `{"id", "op", "args"}`; its
reply is `{"id", "ok": result}` or `{"id", "error": {"kind", "message"}}`, after any number of
`{"id", "progress"}`. `to_wire` turns a record into the plain map that goes in, `from_wire` reads one back;
paths are text, roots 32 bytes.

This module imports no numerical library: daemons use it.
"""

from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import msgspec

from protocol.engines.worker.delivery_records import DELIVERY_RESULTS
from protocol.engines.worker.dispute_records import DISPUTE_RESULTS

MAX_FRAME = 16 * 2**20
"""Bytes in one frame. No reply grows with a job's items: what does is left in files."""

ErrorKind = Literal["input", "memory", "transient", "disk", "broken"]

T = TypeVar("T")


class TensorInfo(msgspec.Struct, frozen=True):
    """One input or output of a program: its name, dtype (`f32`, `i32` or `i8`) and shape for one item."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Speed(msgspec.Struct, frozen=True):
    """What one device of this machine does in a second, measured by `calibrate`."""

    device: str
    threads: int
    fmas: float
    """Multiply-adds of a CONTRACT per second."""
    steps: float
    """Scalar instructions of a MAP per second."""
    moved: float
    """Bytes read and written by MOVE, GATHER and JOIN per second."""
    memory: int = 0
    """Bytes free on a device that has memory of its own; 0 where the process's memory is all there is."""


class ProgramInfo(msgspec.Struct, frozen=True):
    """What a program is and what it costs."""

    program_root: bytes
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    nodes: int
    constants_bytes: int
    fmas: int
    """Multiply-adds of one item."""
    steps: int
    """Scalar instructions of one item, over all elements of all MAP and REDUCE nodes."""
    moved: int
    """Bytes that MOVE, GATHER and JOIN write, and what all nodes take beside their arithmetic."""
    peak_bytes: int
    """Memory that running one item needs, constants included."""
    trace_bytes: int
    """Memory that a worker needs to trace one item in a dispute: every value, kept and once more in use, and
    trees.
    """
    item_seconds: float
    """Estimated time of one item on one thread, at the given speed (or a cautious one), outputs hashed."""
    item_seconds_worst: float
    """The same if a hostile input makes every number subnormal: the bound that a time limit should allow
    for."""
    value_bytes: int
    """What an item's trace takes on disk: all values, constants and inputs left out, and their roots."""
    read_seconds: float = 0.0
    """Processor time that reading the program, and hashing the inputs, took this worker."""
    hash_seconds: float = 0.0
    """What hashing all values of an item takes this machine, and writing them."""
    hashed_bytes: int = 0
    """The leaves of all values of an item: rows of few bytes are up to 128 times as much as the values."""
    output_hashed_bytes: int = 0
    """Those of its outputs alone."""
    output_hash_seconds: float = 0.0
    """What hashing these takes this machine."""
    plan_seconds: float = 0.0
    """What making the slowest of the rehearsed engines ready took beyond reading the program."""
    answer_bytes: int = 0
    """Memory that a worker needs to answer a dispute out of a trace on disk."""


class LowerArgs(msgspec.Struct, frozen=True):
    """Turn the ONNX file at `onnx_path` into a program file at `out_path`.

    `shapes` pins dynamic axes: input name -> whole shape of one item. InputError names each input and axis
    left open, and each unsupported operator with its node. Beside the program a file (`sources_path`) says
    which files of external data were read.
    """

    OP: ClassVar[str] = "lower"
    onnx_path: str
    out_path: str
    shapes: dict[str, tuple[int, ...]] = {}


def sources_path(program: Path) -> Path:
    """Where a program's sources are listed: path of each file of external data to its size and mtime_ns."""
    return program.with_name(program.name + ".sources")


class InspectArgs(msgspec.Struct, frozen=True):
    """Read, validate and measure the program at `program_path`; result `ProgramInfo`."""

    OP: ClassVar[str] = "inspect"
    program_path: str
    speed: Speed | None = None


class PackArgs(msgspec.Struct, frozen=True):
    """Make the input artifact at `out_path` from an `.npz` whose arrays are named as the program's inputs.

    Each array has one leading axis, the item, then the input's shape. Integers are narrowed when every value
    fits.
    """

    OP: ClassVar[str] = "pack_inputs"
    program_path: str
    arrays_path: str
    out_path: str


class PackResult(msgspec.Struct, frozen=True):
    """The packed input artifact."""

    input_root: bytes
    item_count: int
    item_bytes: int


class UnpackArgs(msgspec.Struct, frozen=True):
    """Write the items of the artifact at `items_path` as an `.npz` at `arrays_path`, item axis first.

    Array names are the program's outputs, or its inputs where `side` is "inputs".
    """

    OP: ClassVar[str] = "unpack"
    program_path: str
    items_path: str
    arrays_path: str
    side: Literal["inputs", "outputs"] = "outputs"


class UnpackResult(msgspec.Struct, frozen=True):
    """How much was unpacked."""

    item_count: int
    tensors: tuple[TensorInfo, ...]


class Rehearsed(msgspec.Struct, frozen=True):
    """An engine that a job will need: one that runs it, or one that keeps every value of an item."""

    device: str
    threads: int
    keep: bool
    memory: int = 0
    """Bytes that it may take of a device's own memory; 0: any number."""


class CheckArgs(msgspec.Struct, frozen=True):
    """Recompute both roots from the bytes and hold them and the item count to what the job says.

    A provider does this before `start`, and whoever checks a result before it believes what a receipt names.
    Without `input_path` the program alone is checked. InputError says which of them differs, or that one of
    `engines` cannot be made ready.
    """

    OP: ClassVar[str] = "check_job"
    program_path: str
    input_path: str | None
    program_root: bytes
    input_root: bytes
    item_count: int
    speed: Speed | None = None
    engines: tuple[Rehearsed, ...] = ()


class RunArgs(msgspec.Struct, frozen=True):
    """Run items `first` to `first + count` and write their outputs to `output_path`.

    Unfinished work stays in `output_path + ".part"`, bound to the program and the inputs; a later call with
    the same
    arguments goes on from it. `time_limit` is in seconds of execution for this call (0: none).
    `roots` are those of program and inputs that were checked: other files, or damaged ones, are not run.
    """

    OP: ClassVar[str] = "run"
    program_path: str
    input_path: str
    output_path: str
    count: int
    first: int = 0
    threads: int = 1
    time_limit: float = 0.0
    device: str = "cpu"
    roots: tuple[bytes, bytes] | None = None


class RunProgress(msgspec.Struct, frozen=True):
    """Sent after each item."""

    done: int
    total: int
    resumed: int
    wall_seconds: float


class RunResult(msgspec.Struct, frozen=True):
    """The outputs' root and what they cost."""

    output_root: bytes
    items: int
    """How many the output file holds."""
    resumed: int
    """Items found finished in a partly written output."""
    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int
    """Largest resident size of the child so far."""


class VerifyArgs(msgspec.Struct, frozen=True):
    """Recompute the output root from the bytes at `output_path`, without running anything.

    Here, and wherever posted outputs are read, `output_path` may also hold the roots that the chain has shown
    of them (`protocol.dispute.delivery.PostedRoots`).
    """

    OP: ClassVar[str] = "verify"
    program_path: str
    output_path: str
    item_count: int
    expected_root: bytes


class VerifyResult(msgspec.Struct, frozen=True):
    """Whether the bytes are what was posted."""

    matches: bool
    output_root: bytes


class CompareArgs(msgspec.Struct, frozen=True):
    """Run the job again and compare with the outputs at `output_path`, or their roots as in `VerifyArgs`.

    `items` names the items to re-run; None is all of them. Items that only the posted root covers are run,
    not compared. `own_root` of the result covers claimed outputs with the re-run items put in their places:
    it equals the claimed root exactly when nothing differs. If something does, the tree over these items is
    left at `tree_path` (empty: nowhere), as `protocol.tape.tree_file` writes it.
    """

    OP: ClassVar[str] = "compare"
    program_path: str
    input_path: str
    output_path: str
    item_count: int
    items: tuple[int, ...] | None = None
    threads: int = 1
    time_limit: float = 0.0
    device: str = "cpu"
    tree_path: str = ""


class CompareResult(msgspec.Struct, frozen=True):
    """Both roots, and the first item that differs."""

    claimed_root: bytes
    own_root: bytes
    compared: int
    first_different: int | None
    claimed_item_root: bytes | None
    own_item_root: bytes | None
    cpu_seconds: float
    wall_seconds: float

    @property
    def matches(self) -> bool:
        """Whether every re-run item gave the claimed bits, and nothing stands behind the last item."""
        return self.own_root == self.claimed_root


class CalibrateArgs(msgspec.Struct, frozen=True):
    """Measure this machine's speed for about `seconds`."""

    OP: ClassVar[str] = "calibrate"
    seconds: float = 1.0
    threads: int = 1
    device: str = "cpu"


class DevicesArgs(msgspec.Struct, frozen=True):
    """List the devices that an engine can run on here."""

    OP: ClassVar[str] = "devices"


class DevicesResult(msgspec.Struct, frozen=True):
    """Device keys, `cpu` first."""

    devices: tuple[str, ...]


RESULTS: dict[str, type[msgspec.Struct]] = {
    "lower": ProgramInfo,
    "inspect": ProgramInfo,
    "pack_inputs": PackResult,
    "unpack": UnpackResult,
    "check_job": ProgramInfo,
    "run": RunResult,
    "verify": VerifyResult,
    "compare": CompareResult,
    "calibrate": Speed,
    "devices": DevicesResult,
    **DISPUTE_RESULTS,
    **DELIVERY_RESULTS,
}
"""Operation -> the record its reply holds. `run` and `compare` also send `RunProgress`."""


def to_wire(record: msgspec.Struct) -> dict[str, Any]:
    """A record as the plain map of a frame; bytes stay bytes."""
    plain = msgspec.to_builtins(record, builtin_types=(bytes,))
    assert isinstance(plain, dict)
    return plain


def from_wire(plain: object, kind: type[T]) -> T:
    """The record of type `kind` in a plain map from a frame. Raises msgspec.ValidationError if it is none."""
    return msgspec.convert(plain, kind, builtin_types=(bytes,))
