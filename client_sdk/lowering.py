"""Models into tapes, each lowered once."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import trio

from client_sdk.worker import WorkerLimits
from protocol.engines.worker.interface import LowerArgs, to_wire
from protocol.runtime.child import Child, ChildOutOfMemoryError
from protocol.types import InputError

Shapes = Mapping[str, tuple[int, ...]]


async def lowered(model: Path, shapes: Shapes, child: Child, models: Path, limits: WorkerLimits) -> Path:
    """Return the tape of a model with its open axes pinned, out of the folder `models` if it is kept there.

    `InputError` for what is wrong with the model, or if `limits` do not suffice to lower it.
    """
    name = await trio.to_thread.run_sync(_digest, model, shapes)
    tape = models / f"{name}.tape"
    if not tape.exists():
        # In a folder of its own first: two processes may lower the same model at once.
        with tempfile.TemporaryDirectory(dir=models) as folder:
            draft = Path(folder) / tape.name
            await _lower(child, LowerArgs(str(model), str(draft), dict(shapes)), limits)
            for made in sorted(draft.parent.iterdir(), key=lambda each: each == draft):
                made.replace(models / made.name)  # the names beside the tape come first
    return tape


async def _lower(child: Child, args: LowerArgs, limits: WorkerLimits) -> None:
    name = Path(args.onnx_path).name
    try:
        with trio.fail_after(limits.lowering_s):
            await child.call(args.OP, to_wire(args))
    except trio.TooSlowError:
        raise InputError(
            f"the model {name} takes more than {limits.lowering_s:g} seconds to be lowered",
            "raise lowering_time in client.yaml if you trust the model",
        ) from None
    except ChildOutOfMemoryError as error:
        raise InputError(
            f"the model {name} needs more than {limits.bytes >> 20} MiB of memory to be lowered",
            "raise worker_memory in client.yaml if you trust the model",
        ) from error


def _digest(model: Path, shapes: Shapes) -> str:
    try:
        with model.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except OSError as error:
        raise InputError(f"cannot read model {model}: {error.strerror}") from error
    # External data lies beside the model: a change there must not find the old tape.
    for each in sorted(model.parent.iterdir()):
        if each.is_file() and each.suffix not in (".tape", ".npz"):
            digest.update(f"{each.name} {each.stat().st_size} {each.stat().st_mtime_ns}".encode())
    digest.update(json.dumps(sorted(shapes.items())).encode())
    return digest.hexdigest()[:32]
