"""Models into tapes, each lowered once: kept by what the model, its external data and its shapes are."""

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import trio

from client_sdk.worker import WorkerLimits
from protocol.engines.worker.interface import LowerArgs, sources_path, to_wire
from protocol.runtime.child import Child, ChildOutOfMemoryError
from protocol.types import InputError

Shapes = Mapping[str, tuple[int, ...]]


async def lowered(model: Path, shapes: Shapes, child: Child, models: Path, limits: WorkerLimits) -> Path:
    """Return the tape of a model with its open axes pinned, out of the folder `models` if it is kept there.

    `InputError` for what is wrong with the model, or if `limits` do not suffice to lower it.
    """
    name = await trio.to_thread.run_sync(_digest, model, shapes)
    tape = models / f"{name}.tape"
    if not await trio.to_thread.run_sync(_is_current, tape):
        # In a folder of its own first: two processes may lower the same model at once.
        with tempfile.TemporaryDirectory(dir=models) as folder:
            draft = Path(folder) / tape.name
            await _lower(child, LowerArgs(str(model), str(draft), dict(shapes)), limits)
            for made in sorted(draft.parent.iterdir(), key=lambda each: each == draft):
                made.replace(models / made.name)  # what lies beside the tape comes first
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
    except InputError as error:
        if name in str(error):
            raise
        raise type(error)(f"{name}: {error}") from error


def _digest(model: Path, shapes: Shapes) -> str:
    """Return the name of a kept tape: the model's absolute path is in it, since external data lie beside."""
    try:
        with model.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except OSError as error:
        raise InputError(f"cannot read model {model}: {error.strerror}") from error
    digest.update(json.dumps([str(model.resolve().parent), sorted(shapes.items())]).encode())
    return digest.hexdigest()[:32]


def _is_current(tape: Path) -> bool:
    """Say whether the tape is there and every file of external data is as it was when it was made.

    Only who parses the model knows which files these are, so the child has listed them beside the tape.
    """
    try:
        listed = json.loads(sources_path(tape).read_text())
        found = {path: [stat.st_size, stat.st_mtime_ns] for path in listed if (stat := Path(path).stat())}
        return tape.exists() and bool(found == listed)
    except (OSError, ValueError):
        return False
