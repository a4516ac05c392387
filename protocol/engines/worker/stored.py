"""Traces as files: written by the process that executed the item, read by the one that answers.

So no answer waits for the run of another item, and a trace outlives both processes. Of every tensor, inputs
and constants included, the middle of its tree is there as well: an answer hashes a few blocks of leaves,
however large the tensors are, and takes as long the hundredth time as the first.

A disk may rot: middles are held to their roots, and leaves to their middle before anything is said about
them. For running values are sent without a proof, and one that follows from a bent operand would convict a
right result.
"""

import mmap
import os
import struct
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

from protocol.crypto.hashing import keccak256
from protocol.dispute.steps import places
from protocol.dispute.trace import Plan, Trace, middle_bytes
from protocol.engines.worker.dispute_records import Item
from protocol.engines.worker.hashing import HASHER
from protocol.engines.worker.room import TRACE_HEAD_BYTES, file_bytes, kept_bytes, value_bytes
from protocol.engines.worker.traces import PlannedJob, Traces, trace_room
from protocol.tape.merkle import Bytes
from protocol.tape.roots import item_root_of, leaf_count, leaves_per_row
from protocol.tape.tensor_tree import root_over
from protocol.types import Hash32, TransientError

_MAGIC = b"gavel trace 2\n\0\0"
_HEAD = struct.Struct("<16s32sQQ")
"""Magic, check of the middles that follow, item, number of values."""
assert _HEAD.size == TRACE_HEAD_BYTES


class TraceGoneError(TransientError):
    """There is no such trace file, or it is not what was written: the item is to be executed again."""


class StoredTrace(Trace):
    """A trace over values that may rot, with the middles of their trees. What it says is what was executed.

    `ChangedError` where a value is that no more.
    """

    def __init__(self, plan: Plan, item: int, values: Sequence[Bytes], middles: Sequence[bytes]) -> None:
        super().__init__(plan, item, values, HASHER)
        self._middles |= enumerate(middles)

    def leaf(self, value: int, index: int) -> bytes:
        """As it was."""
        if index < leaf_count(self.plan.types[value]):
            self.tensor(value).hold(index, 1)
        return super().leaf(value, index)

    def running(self, node: int, element: int) -> list[int]:
        """The running values of an element's chain, from rows that are what they were."""
        for at in places(self.site(node, element)):
            per_row = leaves_per_row(self.plan.types[at.value])
            self.tensor(at.value).hold(at.leaf // per_row * per_row, per_row)
        return super().running(node, element)


def write_trace(path: Path, trace: Trace) -> None:
    """Write a trace; it is there whole or not at all."""
    tape = trace.plan.tape
    values = range(len(tape.types))
    middles = b"".join(map(trace.middle, values))
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(_HEAD.pack(_MAGIC, _check(trace.item, middles), trace.item, len(values)))
            file.write(middles)
            for value in values[tape.first_node :]:
                file.write(trace.raw(value))
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_trace(path: Path, job: PlannedJob, item: int) -> StoredTrace:
    """The trace in a file, its values left there. `TraceGoneError` if it is none of this item."""
    tape = job.program.tape
    start = file_bytes(tape) - value_bytes(tape)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != file_bytes(tape):
                raise TraceGoneError(f"{path.name} is cut off, or of another job")
            held = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except FileNotFoundError as fault:
        raise TraceGoneError(f"there is no trace {path.name}") from fault
    magic, check, number, written = _HEAD.unpack(held[: _HEAD.size])
    content = bytes(held[_HEAD.size : start])
    if (magic, number, written) != (_MAGIC, item, len(tape.types)) or check != _check(item, content):
        raise TraceGoneError(f"{path.name} is damaged, or of another item")
    middles = _split(content, map(middle_bytes, tape.types))
    roots = [root_over(*each, HASHER) for each in zip(tape.inputs, middles, strict=False)]
    if item_root_of(roots) != job.plan.items.hash_at(0, item):
        raise TraceGoneError(f"the inputs of item {item} are not those of its trace")
    constants = slice(len(tape.inputs), tape.first_node)
    if tuple(middles[constants]) != job.plan.middles:
        raise TraceGoneError("the constants are not those of the trace")
    middles[constants] = job.plan.middles  # kept once
    values: list[Bytes] = [job.inputs.tensor(item, number) for number in range(len(tape.inputs))]
    values += [constant.data for constant in tape.constants]
    for kind in tape.types[tape.first_node :]:
        values.append(held[start : start + kind.nbytes])
        start += kind.nbytes
    return StoredTrace(job.plan, item, values, middles)


def _split(content: bytes, sizes: Iterable[int]) -> list[bytes]:
    """Pieces of these sizes, one after the other."""
    found, start = [], 0
    for size in sizes:
        found.append(content[start : start + size])
        start += size
    return found


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
            room = trace_room(job.program) - kept_bytes(job.program.tape)
            while self._open and self._held() > room:
                self._open.popitem(last=False)
            self._open[key] = read_trace(path, job, item.item)
        self._open.move_to_end(key)
        return self._open[key]

    def _held(self) -> int:
        return sum(kept_bytes(each.plan.tape) for each in self._open.values())


def _check(item: int, middles: bytes) -> Hash32:
    return keccak256(_MAGIC + item.to_bytes(8, "little") + middles)
