"""Program files: reading, validating, naming, describing."""

import json
import mmap
import os
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from protocol.engines.cpu import estimate
from protocol.engines.worker.cost import CAUTIOUS, seconds, worst_seconds
from protocol.engines.worker.devices import Engine, open_engine
from protocol.engines.worker.hashing import HASHER, leaf_seconds, prove_hasher, tracing_seconds
from protocol.engines.worker.interface import ProgramInfo, Rehearsed, Speed, TensorInfo
from protocol.engines.worker.room import (
    answer_bytes,
    constant_bytes,
    file_bytes,
    hashed_bytes,
    kept_bytes,
    limit_bytes,
    peak_bytes,
    planned_bytes,
    running_bytes,
    use_bytes,
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
    def held_bytes(self) -> int:
        """What it takes while nothing of it runs."""
        return constant_bytes(self.tape) + planned_bytes(self.tape)

    @cached_property
    def _running(self) -> int:
        return running_bytes(self.tape, threads=0, items=0)

    @cached_property
    def _kept(self) -> int:
        return kept_bytes(self.tape)

    def running_bytes(self, threads: int, items: int) -> int:
        """As in `room`. What takes time is done once: this is asked for at every trace."""
        return self._running + use_bytes(self.tape, threads, items)

    def trace_bytes(self, threads: int, items: int) -> int:
        """What a worker needs to make the trace of one item on so many threads, and keep it."""
        return self.running_bytes(threads, items) + self._kept

    def engine(self, device: str, threads: int) -> Engine:
        """The engine for a device, made once."""
        key = (device, threads)
        if key not in self.engines:
            self.make_room(threads)
            self.engines[key] = open_engine(device, self.tape, threads)
        return self.engines[key]

    def make_room(self, threads: int) -> None:
        """Let the other programs go that do not fit beside what running this one takes."""
        make_room(self, peak_bytes(self.tape, estimate(self.tape, threads=0), threads))


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


def make_room(program: Program, needed: int) -> int | None:
    """Let the other programs go if they do not fit beside what this one needs, and return None.

    If they do, return the bytes that they take.

    INVARIANT: what is reckoned for one job is enough, whatever the worker did before. Engines hold most, and
    those of the others are let go in any case.
    """
    others = [each for each in _READY.values() if each is not program]
    for each in others:
        each.engines.clear()
    held, limit = sum(each.held_bytes for each in others), limit_bytes()
    if limit is None or needed + held <= limit:
        return held
    for key in [key for key, each in _READY.items() if each is not program]:
        del _READY[key]
    return None


def let_go() -> None:
    """Keep no program."""
    _READY.clear()


def load_program(path: Path) -> Program:
    """The program at `path`; the last ones are kept. InputError if the bytes are no valid tape."""
    prove_hasher()
    try:
        return _loaded(path)
    except MemoryError:
        if not _READY:
            raise
    let_go()  # out of the handler, which holds what was read so far
    return _loaded(path)


def _loaded(path: Path) -> Program:
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
        tape = _read(path)
    except (FileNotFoundError, IsADirectoryError) as fault:
        raise InputError(f"there is no program file {path}") from fault
    inputs, outputs = _names(path, tape)
    root = program_root(tape, HASHER)
    _READY[key] = Program(tape, root, inputs, outputs, read_seconds=time.process_time() - began)
    return _READY[key]


def _read(path: Path) -> Tape:
    """From the mapped file: its constants are copied out of it, and need no memory twice."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise InputError(f"{path.name} is empty")
        return decode(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))


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


def _threads(engines: Sequence[Rehearsed], keep: bool) -> int:
    return max((each.threads for each in engines if each.keep is keep), default=1)


def describe(
    program: Program, speed: Speed | None = None, engines: Sequence[Rehearsed] = (), items: int = 1
) -> ProgramInfo:
    """What a program is and what it costs at a speed, for a job of so many items on these engines."""
    tape = program.tape
    running, tracing = (_threads(engines, keep) for keep in (False, True))
    work = estimate(tape, threads=0)
    rate = speed or CAUTIOUS
    hashed, outside = hashed_bytes(tape.types[tape.first_node :]), hashed_bytes(tape.output_types)
    a_byte = leaf_seconds() / LEAF_BYTES
    return ProgramInfo(
        program_root=bytes(program.root),
        inputs=_info(program.inputs, tape.inputs),
        outputs=_info(program.outputs, tape.output_types),
        nodes=len(tape.nodes),
        constants_bytes=constant_bytes(tape),
        fmas=work.fmas,
        steps=work.steps,
        moved=work.moved,
        peak_bytes=peak_bytes(tape, work, running, items),
        trace_bytes=program.trace_bytes(tracing, items),
        answer_bytes=answer_bytes(tape, items),
        item_seconds=seconds(work, rate) + a_byte * outside,
        item_seconds_worst=worst_seconds(work, rate) + a_byte * outside,
        value_bytes=file_bytes(tape),
        read_seconds=program.read_seconds,
        hash_seconds=tracing_seconds(tape),
        hashed_bytes=hashed,
        output_hashed_bytes=outside,
        output_hash_seconds=a_byte * outside,
    )
