"""A job's operations: check, run, verify, compare."""

import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from protocol.engines.worker.hashing import HASHER
from protocol.engines.worker.interface import (
    CheckArgs,
    CompareArgs,
    CompareResult,
    ProgramInfo,
    RunArgs,
    RunProgress,
    RunResult,
    VerifyArgs,
    VerifyResult,
)
from protocol.engines.worker.items import ItemFile, OutputFile
from protocol.engines.worker.posted import Posted, read_posted
from protocol.engines.worker.programs import describe, load_program
from protocol.engines.worker.rehearsing import rehearsed
from protocol.tape import Tape
from protocol.tape.encoding import Items
from protocol.tape.roots import item_root, items_root, items_tree
from protocol.tape.tree_file import write_tree
from protocol.tape.validate import check_item
from protocol.types.errors import InputError, TransientError

Report = Callable[[RunProgress], None]


def remaining(start: float, limit: float) -> float:
    """Seconds left of a limit (0: none). TransientError once it is over; what is finished is kept."""
    if limit <= 0:
        return 0.0
    left = start + limit - time.monotonic()
    if left <= 0:
        raise TransientError(f"the time limit of {limit:g} s is over", "finished items are kept")
    return left


def check(args: CheckArgs) -> ProgramInfo:
    """Hold program and inputs to what the job says. InputError names what differs."""
    program = load_program(Path(args.program_path))
    if program.root != args.program_root:
        raise InputError(
            f"the program's root is 0x{program.root.hex()}, the job says 0x{args.program_root.hex()}"
        )
    # Its engines are made ready below, beside none of an earlier job's, which may be its own.
    program.engines.clear()
    program.make_room(max((each.threads for each in args.engines), default=1))
    began = time.process_time()
    if args.input_path is not None:
        _check_inputs(program.tape, args, ItemFile(Path(args.input_path)))
    # Narrow inputs take far longer to hash than their bytes say, and a trace's process hashes them as well.
    hashing = time.process_time() - began
    found = describe(program, args.speed, args.engines, args.item_count)
    found = replace(found, read_seconds=found.read_seconds + hashing)
    if not args.engines:
        return found
    return replace(found, plan_seconds=rehearsed(program.tape, args.engines))


def _check_inputs(tape: Tape, args: CheckArgs, inputs: ItemFile) -> None:
    inputs.expect(tape.inputs, "the inputs")
    if len(inputs) != args.item_count:
        raise InputError(f"the inputs hold {len(inputs)} items, the job says {args.item_count}")
    for index in range(len(inputs)):
        check_item(tape.inputs, inputs[index])
    root = items_root(inputs.roots(), HASHER)
    if root != args.input_root:
        raise InputError(f"the inputs' root is 0x{root.hex()}, the job says 0x{args.input_root.hex()}")


def run(args: RunArgs, report: Report) -> RunResult:
    """Run a range of items, going on from what an earlier call left."""
    wall, cpu = time.monotonic(), time.process_time()
    program = load_program(Path(args.program_path))
    inputs = ItemFile(Path(args.input_path))
    inputs.expect(program.tape.inputs, "the inputs")
    if args.count < 1 or args.first < 0 or args.first + args.count > len(inputs):
        raise InputError(f"items {args.first} to {args.first + args.count} of {len(inputs)}")
    source = items_root(inputs.roots(), HASHER)
    if args.roots is not None and args.roots != (program.root, source):
        raise InputError("program or inputs are not those that were checked")
    binding = b"".join([b"GVRUN\x01", program.root, source, args.first.to_bytes(4), args.count.to_bytes(4)])
    output = OutputFile(Path(args.output_path), binding, Items(program.tape.output_types, args.count))
    resumed = output.done
    try:
        engine = program.engine(args.device, args.threads) if output.done < args.count else None
        start = time.monotonic()
        while engine is not None and output.done < args.count:
            left = remaining(start, args.time_limit)
            output.append(engine.run(inputs[args.first + output.done], left))
            report(RunProgress(output.done, args.count, resumed, time.monotonic() - wall))
        output.finish()
    finally:
        output.close()
    return RunResult(
        output_root=bytes(items_root(output.roots, HASHER)),
        items=output.done,
        resumed=resumed,
        cpu_seconds=time.process_time() - cpu,
        wall_seconds=time.monotonic() - wall,
        peak_bytes=_peak_bytes(),
    )


def _peak_bytes() -> int:
    """Most memory resident since exec; `getrusage` alone would count what the parent had at the fork."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def verify(args: VerifyArgs) -> VerifyResult:
    """Recompute the root of outputs from their bytes."""
    types = load_program(Path(args.program_path)).tape.output_types
    root = bytes(read_posted(Path(args.output_path), types, args.item_count).root)
    return VerifyResult(root == args.expected_root, root)


def compare(args: CompareArgs, report: Report) -> CompareResult:
    """Run items again and compare with what is claimed."""
    wall, cpu = time.monotonic(), time.process_time()
    program = load_program(Path(args.program_path))
    types = program.tape.output_types
    claimed = read_posted(Path(args.output_path), types, args.item_count)
    inputs = ItemFile(Path(args.input_path))
    inputs.expect(program.tape.inputs, "the inputs")
    if len(inputs) != args.item_count:
        raise InputError(f"the inputs hold {len(inputs)} items, the job has {args.item_count}")
    own, first = bytearray(claimed.leaves), None
    chosen = _chosen(args, claimed)
    engine = program.engine(args.device, args.threads)
    start = time.monotonic()
    for done, item in enumerate(chosen, 1):
        root = item_root(types, engine.run(inputs[item], remaining(start, args.time_limit)), HASHER)
        own[32 * item : 32 * item + 32] = root
        theirs = claimed.item_root(item)
        if first is None and theirs is not None and theirs != root:
            first = (item, bytes(theirs), bytes(root))
        report(RunProgress(done, len(chosen), 0, time.monotonic() - wall))
    tree = items_tree(own, HASHER)
    if args.tree_path and tree.root != claimed.root:
        write_tree(Path(args.tree_path), tree)
    number, claimed_item, own_item = first or (None, None, None)
    return CompareResult(
        claimed_root=bytes(claimed.root),
        own_root=bytes(tree.root),
        compared=len(chosen),
        first_different=number,
        claimed_item_root=claimed_item,
        own_item_root=own_item,
        cpu_seconds=time.process_time() - cpu,
        wall_seconds=time.monotonic() - wall,
    )


def _chosen(args: CompareArgs, claimed: Posted) -> Sequence[int]:
    """The items to run, in order. InputError if one does not exist, or one that is not run is not known."""
    if args.items is None:
        return range(args.item_count)
    chosen = set(args.items)
    if not chosen or min(chosen) < 0 or max(chosen) >= args.item_count:
        raise InputError(f"items to compare must lie within 0 to {args.item_count - 1}")
    for item in range(args.item_count):
        if item not in chosen and claimed.item_root(item) is None:
            raise InputError(f"item {item} is not known, and is not to be run")
    return sorted(chosen)
