"""What watching costs, and what a challenge costs the provider, on MiniLM items of 128 tokens, one thread.

`trace_ratio`: building the trace of an item, which is the item again with every value kept and all of it
hashed, as a multiple of a plain run of the item. `rerun_ratio`: the watchtower's re-run of some items, which
is the items again, their outputs hashed and held to those posted, as a multiple of plain runs of them.
Program and inputs were read before in all; what is compared takes turns, so that a busy machine slows both
alike.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from protocol.types import TransientError
from scripts.bench.tape import ONE_THREAD, best_of

ITEMS = 4
"""Items of the job that is run again."""


def run() -> dict[str, dict[str, Any]]:
    """Measure in a child process, whose libraries start with one thread."""
    path = os.pathsep.join(filter(None, sys.path))
    child = subprocess.run(
        [sys.executable, "-m", "scripts.bench.traces"],
        env=os.environ | dict.fromkeys(ONE_THREAD, "1") | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode:
        raise TransientError(f"what watching costs could not be measured: {child.stderr[-2000:]}")
    figures: dict[str, dict[str, Any]] = json.loads(child.stdout.splitlines()[-1])
    return figures


def measure() -> dict[str, dict[str, Any]]:
    """Texts through MiniLM-L6-v2: plainly, into a trace, and as a watchtower runs them again."""
    with tempfile.TemporaryDirectory() as folder:
        paths = _files(Path(folder))
        return {"trace_ratio": _traced(*paths), "rerun_ratio": _rerun(*paths)}


def _files(folder: Path) -> tuple[Path, Path]:
    """The program, and inputs of some items."""
    import numpy as np

    from protocol.engines.onnx import lower, read_model
    from protocol.engines.worker.programs import write_program
    from protocol.tape.encoding import Items, join_item
    from scripts.models import minilm_onnx

    draw = np.random.default_rng(1)
    program, inputs = folder / "program", folder / "inputs"
    onnx, shapes = minilm_onnx(folder)
    tape, labels = lower(read_model(onnx), shapes)
    write_program(program, tape, labels)
    named = list(zip(tape.inputs, labels.inputs, strict=True))

    def item() -> bytes:
        return join_item(
            tape.inputs,
            [
                (draw.integers(0, 1000, kind.shape) if name == "input_ids" else np.ones(kind.shape)).astype(
                    kind.dtype.numpy
                )
                for kind, name in named
            ],
        )

    inputs.write_bytes(Items(tape.inputs, ITEMS).head + b"".join(item() for _ in range(ITEMS)))
    return program, inputs


def _traced(program: Path, inputs: Path) -> dict[str, Any]:
    from protocol.engines.worker.dispute_records import Item, OpenTraceArgs
    from protocol.engines.worker.disputing import open_trace
    from protocol.engines.worker.items import ItemFile
    from protocol.engines.worker.programs import load_program
    from protocol.engines.worker.room import value_bytes

    ready, held = load_program(program), ItemFile(inputs)
    engine = ready.engine("cpu", 1)
    wanted = OpenTraceArgs(Item(str(program), str(inputs), 0), fresh=True)
    open_trace(wanted)
    plain, traced = best_of(lambda: engine.run(held[0]), lambda: open_trace(wanted))
    size = value_bytes(ready.tape) / 1e6
    return _ratio(
        traced, plain, f"plain {plain * 1e3:.1f} ms, trace {traced * 1e3:.1f} ms, {size:.0f} MB of values"
    )


def _rerun(program: Path, inputs: Path) -> dict[str, Any]:
    from protocol.engines.worker import jobs
    from protocol.engines.worker.interface import CompareArgs, RunArgs
    from protocol.engines.worker.items import ItemFile
    from protocol.engines.worker.programs import load_program

    outputs = program.with_name("outputs")
    jobs.run(RunArgs(str(program), str(inputs), str(outputs), ITEMS), lambda _: None)
    engine, held = load_program(program).engine("cpu", 1), ItemFile(inputs)
    args = CompareArgs(str(program), str(inputs), str(outputs), ITEMS)

    def plainly() -> None:
        for item in range(ITEMS):
            engine.run(held[item])

    plain, again = best_of(plainly, lambda: jobs.compare(args, lambda _: None))
    return _ratio(again, plain, f"{ITEMS} items plain {plain * 1e3:.1f} ms, re-run {again * 1e3:.1f} ms")


def _ratio(value: float, plain: float, shown: str) -> dict[str, Any]:
    return {"value": round(value / plain, 3), "unit": "x time", "rival": shown}


if __name__ == "__main__":
    print(json.dumps(measure()))
