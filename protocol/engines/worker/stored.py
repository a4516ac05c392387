"""Traces as files: written by the process that executed the item, read by the one that answers.

So no answer waits for the run of another item, and a trace outlives both processes. A disk may rot: every
tensor is held to its root before anything is said about it. For running values are sent without a proof, and
one that follows from a bent operand would convict a right result.
"""

import mmap
import os
import struct
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from protocol.crypto.hashing import keccak256
from protocol.dispute.steps import places
from protocol.dispute.trace import Plan, Trace
from protocol.engines.worker.dispute_records import Item
from protocol.engines.worker.hashing import HASHER
from protocol.engines.worker.room import TRACE_HEAD_BYTES, file_bytes, kept_bytes, value_bytes
from protocol.engines.worker.traces import PlannedJob, Traces, raw_bytes, trace_room
from protocol.tape import Tape
from protocol.tape.merkle import Bytes, Nodes
from protocol.tape.roots import item_root
from protocol.types import Hash32, TransientError

_MAGIC = b"gavel trace 1\n\0\0"
_HEAD = struct.Struct("<16s32sQQ")
"""Magic, check of the roots that follow, item, number of roots."""
assert _HEAD.size == TRACE_HEAD_BYTES
_EACH = 600
"""Bytes that an open trace takes for each value beside its content: of many small ones that is most of it."""


class TraceGoneError(TransientError):
    """There is no such trace file, or it is not what was written: the item is to be executed again."""


class StoredTrace(Trace):
    """A trace over values in a file; `roots` are those of the nodes' tensors, and are held against them."""

    def __init__(self, plan: Plan, item: int, values: Sequence[Bytes], roots: Sequence[Hash32]) -> None:
        super().__init__(plan, item, values, HASHER)
        self._written = dict(enumerate(roots, plan.tape.first_node))
        self._roots |= self._written

    def running(self, node: int, element: int) -> list[int]:
        """The running values of an element's chain, from operands that are what they were."""
        for at in places(self.site(node, element)):
            self.tensor(at.value)
        return super().running(node, element)

    def _build(self, value: int) -> Nodes:
        found = super()._build(value)
        if found.root != self._written.get(value, found.root):
            raise TraceGoneError(f"value {value} of item {self.item} is not what was executed")
        return found


def write_trace(path: Path, trace: Trace) -> None:
    """Write a trace whose roots are all computed; it is there whole or not at all."""
    tape = trace.plan.tape
    values = range(tape.first_node, len(tape.types))
    roots = b"".join(map(trace.tensor_root, values))
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(_HEAD.pack(_MAGIC, _check(trace.item, roots), trace.item, len(values)))
            file.write(roots)
            for value in values:
                file.write(trace.raw(value))
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_trace(path: Path, job: PlannedJob, item: int) -> StoredTrace:
    """The trace in a file, its values left there. `TraceGoneError` if it is none of this item."""
    tape = job.program.tape
    count = len(tape.nodes)
    start = file_bytes(tape) - value_bytes(tape)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != file_bytes(tape):
                raise TraceGoneError(f"{path.name} is cut off, or of another job")
            held = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError as fault:
        raise TraceGoneError(f"there is no trace {path.name}") from fault
    magic, check, number, written = _HEAD.unpack(held[: _HEAD.size])
    roots = bytes(held[_HEAD.size : start])
    if (magic, number, written) != (_MAGIC, item, count) or check != _check(item, roots):
        raise TraceGoneError(f"{path.name} is damaged, or of another item")
    inputs = job.inputs[item]
    if item_root(tape.inputs, inputs, HASHER) != job.plan.items.hash_at(0, item):
        raise TraceGoneError(f"the inputs of item {item} are not what they were")
    values: list[Bytes] = [raw_bytes(array) for array in inputs]
    values += [constant.data for constant in tape.constants]
    for kind in tape.types[tape.first_node :]:
        values.append(held[start : start + kind.nbytes])
        start += kind.nbytes
    tensors = [Hash32(roots[at : at + 32]) for at in range(0, len(roots), 32)]
    return StoredTrace(job.plan, item, values, tensors)


class Shelf:
    """The stored traces that were read last, within the memory that traces may take."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces
        self._open: OrderedDict[tuple[str, int, int], StoredTrace] = OrderedDict()

    def get(self, item: Item, path: Path) -> StoredTrace:
        """The trace of an item in a file. `TraceGoneError` if it is not there, whole and of this item."""
        try:
            found = path.stat()
        except FileNotFoundError as fault:
            raise TraceGoneError(f"there is no trace {path.name}") from fault
        key = (str(path), found.st_size, found.st_mtime_ns)
        if key not in self._open:
            job = self._traces.job(item.program_path, item.input_path)
            room = trace_room(job.program) - open_bytes(job.program.tape)
            while self._open and self._held() > room:
                self._open.popitem(last=False)
            self._open[key] = read_trace(path, job, item.item)
        self._open.move_to_end(key)
        return self._open[key]

    def _held(self) -> int:
        return sum(open_bytes(each.plan.tape) for each in self._open.values())


def open_bytes(tape: Tape) -> int:
    """What a stored trace of a tape takes while it is open."""
    return kept_bytes(tape) + _EACH * len(tape.types)


def _check(item: int, roots: bytes) -> Hash32:
    return keccak256(_MAGIC + item.to_bytes(8, "little") + roots)
