"""What building a trace costs after a challenge: the item again with every value kept, and all of it hashed.

`trace_ratio` is for one MiniLM item of 128 tokens on one thread, as a multiple of a plain run of the item,
with the program and its inputs read before in both. The two take turns, so that a busy machine slows both
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
        raise TransientError(f"trace_ratio could not be measured: {child.stderr[-2000:]}")
    figures: dict[str, dict[str, Any]] = json.loads(child.stdout.splitlines()[-1])
    return figures


def measure() -> dict[str, Any]:
    """One text through MiniLM-L6-v2: plainly, and into a trace."""
    import numpy as np

    from protocol.engines.onnx import lower, read_model
    from protocol.engines.worker.dispute_records import Item, OpenTraceArgs
    from protocol.engines.worker.disputing import open_trace
    from protocol.engines.worker.items import ItemFile
    from protocol.engines.worker.programs import load_program, write_program
    from protocol.engines.worker.room import value_bytes
    from protocol.tape.encoding import Items, join_item
    from scripts.models import minilm_onnx

    draw = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        program, inputs = Path(folder) / "program", Path(folder) / "inputs"
        onnx, shapes = minilm_onnx(Path(folder))
        tape, labels = lower(read_model(onnx), shapes)
        write_program(program, tape, labels)
        item = [
            (draw.integers(0, 1000, kind.shape) if name == "input_ids" else np.ones(kind.shape)).astype(
                kind.dtype.numpy
            )
            for kind, name in zip(tape.inputs, labels.inputs, strict=True)
        ]
        inputs.write_bytes(Items(tape.inputs, 1).head + join_item(tape.inputs, item))
        engine, held = load_program(program).engine("cpu", 1), ItemFile(inputs)
        wanted = OpenTraceArgs(Item(str(program), str(inputs), 0), fresh=True)
        open_trace(wanted)
        plain, traced = best_of(lambda: engine.run(held[0]), lambda: open_trace(wanted))
    shown = (
        f"plain {plain * 1e3:.1f} ms, trace {traced * 1e3:.1f} ms, {value_bytes(tape) / 1e6:.0f} MB of values"
    )
    return {"value": round(traced / plain, 3), "unit": "x time", "rival": shown}


if __name__ == "__main__":
    print(json.dumps({"trace_ratio": measure()}))
