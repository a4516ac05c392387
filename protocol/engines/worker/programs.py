"""Program files: reading, validating, naming, describing."""

import json
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from protocol.engines.cpu import estimate
from protocol.engines.worker.cost import CAUTIOUS, seconds, worst_seconds
from protocol.engines.worker.devices import Engine, open_engine
from protocol.engines.worker.hashing import HASHER, leaf_seconds, prove_hasher, tracing_seconds
from protocol.engines.worker.interface import ProgramInfo, Speed, TensorInfo
from protocol.engines.worker.room import (
    PROCESS_BYTES,
    carried_bytes,
    file_bytes,
    hashed_bytes,
    kept_bytes,
    planned_bytes,
    running_bytes,
)
from protocol.tape import Labels, Tape, TensorType
from protocol.tape.encoding import decode, encode
from protocol.tape.limits import LEAF_BYTES
from protocol.tape.roots import program_root
from protocol.types.errors import InputError

MAX_PROGRAM_BYTES = 8 * 2**30
KEPT = 2
"""Programs kept ready: a job's and the one that is compared."""


@dataclass
class Program:
    """A validated tape, its names for people, and the engines made for it."""

    tape: Tape
    root: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    engines: dict[tuple[str, int], Engine] = field(default_factory=dict)
    read_seconds: float = 0.0
    """Processor time that reading it took, its roots included: many nodes may have few bytes."""

    @cached_property
    def running_bytes(self) -> int:
        """As in `room`. Once: it looks at every node, and is asked for at every trace."""
        return running_bytes(self.tape)

    @cached_property
    def trace_bytes(self) -> int:
        """What a worker needs to make the trace of one item, and keep it. Once, as above."""
        return self.running_bytes + kept_bytes(self.tape)

    def engine(self, device: str, threads: int) -> Engine:
        """The engine for a device, made once."""
        key = (device, threads)
        if key not in self.engines:
            self.engines[key] = open_engine(device, self.tape, threads)
        return self.engines[key]


def names_path(program: Path) -> Path:
    """Where a program's names lie: beside it, since they are not part of what is hashed."""
    return program.with_name(program.name + ".names")


def write_program(path: Path, tape: Tape, labels: Labels) -> None:
    """Write the program artifact and its names. InputError if the tape is not valid."""
    data = encode(tape)
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    names = {"inputs": labels.inputs, "outputs": labels.outputs, "nodes": labels.nodes}
    names_path(path).write_text(json.dumps(names), encoding="utf-8")
    part.replace(path)


_READY: OrderedDict[tuple[str, int, int], Program] = OrderedDict()


def load_program(path: Path) -> Program:
    """The program at `path`; the last ones are kept. InputError if the bytes are no valid tape."""
    prove_hasher()
    try:
        found = path.stat()
        key = (str(path.resolve()), found.st_size, found.st_mtime_ns)
        if key in _READY:
            _READY.move_to_end(key)
            return _READY[key]
        if found.st_size > MAX_PROGRAM_BYTES:
            raise InputError(
                f"{path.name} is {found.st_size} bytes; a program is at most {MAX_PROGRAM_BYTES}"
            )
        # Make room first: two large programs need not fit beside a third.
        while len(_READY) >= KEPT:
            _READY.popitem(last=False)
        began = time.process_time()
        tape = decode(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError) as fault:
        raise InputError(f"there is no program file {path}") from fault
    inputs, outputs = _names(path, tape)
    root = program_root(tape, HASHER)
    _READY[key] = Program(tape, root, inputs, outputs, read_seconds=time.process_time() - began)
    return _READY[key]


def _names(path: Path, tape: Tape) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names for people.

    They come from beside the artifact, so nothing but display and packing trusts them.
    """
    plain = (
        tuple(f"in{i}" for i in range(len(tape.inputs))),
        tuple(f"out{i}" for i in range(tape.outputs)),
    )
    try:
        held = json.loads(names_path(path).read_text(encoding="utf-8"))
        given = tuple(tuple(str(n) for n in held[side]) for side in ("inputs", "outputs"))
    except (OSError, ValueError, KeyError, TypeError):
        return plain
    fits = all(len(a) == len(b) == len(set(a)) and all(a) for a, b in zip(given, plain, strict=True))
    return (given[0], given[1]) if fits else plain


def _info(names: tuple[str, ...], types: tuple[TensorType, ...]) -> tuple[TensorInfo, ...]:
    return tuple(
        TensorInfo(name, kind.dtype.name.lower(), kind.shape) for name, kind in zip(names, types, strict=True)
    )


def describe(program: Program, speed: Speed | None = None) -> ProgramInfo:
    """What a program is and what it costs at a speed."""
    tape = program.tape
    work = estimate(tape)
    constants = sum(constant.type.nbytes for constant in tape.constants)
    rate = speed or CAUTIOUS
    hashed, outside = hashed_bytes(tape.types[tape.first_node :]), hashed_bytes(tape.output_types)
    a_byte = leaf_seconds() / LEAF_BYTES
    return ProgramInfo(
        program_root=bytes(program.root),
        inputs=_info(program.inputs, tape.inputs),
        outputs=_info(program.outputs, tape.output_types),
        nodes=len(tape.nodes),
        constants_bytes=constants,
        fmas=work.fmas,
        steps=work.steps,
        moved=work.moved,
        peak_bytes=PROCESS_BYTES + planned_bytes(tape) + work.peak_bytes + carried_bytes(tape),
        trace_bytes=program.trace_bytes,
        item_seconds=seconds(work, rate) + a_byte * outside,
        item_seconds_worst=worst_seconds(work, rate) + a_byte * outside,
        value_bytes=file_bytes(tape),
        read_seconds=program.read_seconds,
        hash_seconds=tracing_seconds(tape),
        hashed_bytes=hashed,
        output_hashed_bytes=outside,
        output_hash_seconds=a_byte * outside,
    )
