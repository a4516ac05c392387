"""The tape's speed against OpenBLAS (numpy) and onnxruntime, one thread each, in the same run.

`gemm_ratio`: the slower of 512 and 1024, as a share of OpenBLAS's speed. `minilm_ratio`: MiniLM over 128
tokens, as a multiple of onnxruntime's time. Whole calls are timed: our checks and copies are included.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from protocol.types.errors import TransientError

ROUNDS = 12
# Libraries read these when they are loaded: hence a process of its own.
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run() -> dict[str, dict[str, Any]]:
    """Measure in a child process, whose libraries start with one thread."""
    path = os.pathsep.join(filter(None, sys.path))
    environment = os.environ | dict.fromkeys(ONE_THREAD, "1") | {"PYTHONPATH": path}
    child = subprocess.run(
        [sys.executable, "-m", "scripts.bench.tape"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if child.returncode:
        raise TransientError(
            f"the measurement ended with exit code {child.returncode}: {child.stderr[-2000:]}"
        )
    figures: dict[str, dict[str, Any]] = json.loads(child.stdout.splitlines()[-1])
    return figures


def best_of(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """The best times in seconds of two calls made in turn, so that a busy machine slows both alike."""
    best = [float("inf")] * 2
    for _ in range(ROUNDS):
        for i, call in enumerate((first, second)):
            start = time.perf_counter()
            call()
            best[i] = min(best[i], time.perf_counter() - start)
    return best[0], best[1]


def gemm() -> dict[str, Any]:
    """Square f32 products of two inputs."""
    import numpy as np

    from protocol.engines.cpu import Engine
    from protocol.tape import F32, TapeBuilder
    from protocol.tape.products import matmul

    ratios, rivals = [], []
    for size in (512, 1024):
        builder = TapeBuilder()
        left, right = (builder.input(F32, (size, size)) for _ in range(2))
        tape, _ = builder.build([matmul(builder, left, right)])
        source = np.random.default_rng(size)
        a, b = (source.standard_normal((size, size), dtype=np.float32) for _ in range(2))
        with Engine(tape) as engine:
            ours, theirs = best_of(partial(engine.run, [a, b]), partial(np.matmul, a, b.T))
        ratios.append(theirs / ours)
        rivals.append(f"{size}: {ours * 1e3:.2f} ms against {theirs * 1e3:.2f} ms")
    return {
        "value": round(min(ratios), 3),
        "unit": "x speed",
        "rival": "OpenBLAS sgemm, " + ", ".join(rivals),
    }


def minilm() -> dict[str, Any]:
    """One text of 128 tokens through MiniLM-L6-v2."""
    import numpy as np
    import onnxruntime

    from protocol.engines.cpu import Engine
    from protocol.engines.onnx import lower, read_model
    from scripts.models import minilm_onnx

    with tempfile.TemporaryDirectory() as folder:
        path, shapes = minilm_onnx(Path(folder))
        tape, labels = lower(read_model(path), shapes)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    source = np.random.default_rng(1)
    item = [
        source.integers(0, 1000, kind.shape) if name == "input_ids" else np.ones(kind.shape, np.int64)
        for kind, name in zip(tape.inputs, labels.inputs, strict=True)
    ]
    wide = {given.name for given in session.get_inputs() if given.type == "tensor(int64)"}
    ours_in = [array.astype(kind.dtype.numpy) for array, kind in zip(item, tape.inputs, strict=True)]
    theirs_in = {
        name: array if name in wide else array.astype(np.int32)
        for name, array in zip(labels.inputs, item, strict=True)
    }
    with Engine(tape) as engine:
        ours, theirs = best_of(lambda: engine.run(ours_in), lambda: session.run(None, theirs_in))
    rival = f"onnxruntime {theirs * 1e3:.1f} ms, ours {ours * 1e3:.1f} ms"
    return {"value": round(ours / theirs, 3), "unit": "x time", "rival": rival}


if __name__ == "__main__":
    print(json.dumps({"gemm_ratio": gemm(), "minilm_ratio": minilm()}))
