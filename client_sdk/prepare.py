"""A described job into artifacts: the model lowered, inputs packed, all named by hash."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import trio

from client_sdk.formats import Prepared, find_format
from client_sdk.formats.raw import ONLY_INPUT
from client_sdk.job import PACKAGE, Job
from client_sdk.lowering import lowered
from client_sdk.worker import WorkerLimits
from protocol.engines.worker.interface import (
    InspectArgs,
    PackArgs,
    PackResult,
    ProgramInfo,
    from_wire,
    to_wire,
)
from protocol.messages import JobSpec
from protocol.runtime.child import Child
from protocol.store.artifacts import Artifacts
from protocol.types import ArtifactId, Hash32, InputError, JobKind

_FORMAT = 1
_SLACK = 1 << 20


@dataclass(frozen=True)
class PreparedJob:
    """A job whose artifacts are in the store."""

    job: Job
    spec: JobSpec
    spec_artifact: ArtifactId
    info: ProgramInfo
    notes: Mapping[str, Any]

    @property
    def run_seconds(self) -> float:
        """Estimated time of the whole run on one cautious thread."""
        return self.info.item_seconds * self.spec.item_count

    @property
    def most_output_bytes(self) -> int:
        """More than the outputs of this job can take."""
        words = sum(max(prod(each.shape), 1) for each in self.info.outputs)
        return 8 * words * self.spec.item_count + 64 * self.spec.item_count + _SLACK


async def prepare(
    job: Job, child: Child, store: Artifacts, models: Path, limits: WorkerLimits
) -> PreparedJob:
    """Return `job` with its artifacts stored.

    Raises `InputError` for what is wrong with model or inputs, a model that is not lowered within the limits
    among it; parsing and packing run in the child.
    """
    program = await _program(job, child, models, limits)
    info = from_wire(await child.call("inspect", to_wire(InspectArgs(str(program)))), ProgramInfo)
    maker = find_format(job.inputs.format)
    assert job.inputs.path is not None, "a checked job names its inputs"
    made = await trio.to_thread.run_sync(maker.prepare, job.inputs.path, job.inputs.options)
    with tempfile.TemporaryDirectory(dir=models) as folder:
        arrays, packed = Path(folder) / "arrays.npz", Path(folder) / "inputs"
        await trio.to_thread.run_sync(_save, arrays, made, info)
        done = from_wire(
            await child.call("pack_inputs", to_wire(PackArgs(str(program), str(arrays), str(packed)))),
            PackResult,
        )
        arrays.unlink()
        ids = [await trio.to_thread.run_sync(store.put_file, path) for path in (program, packed)]
        input_bytes = packed.stat().st_size
    spec = JobSpec(
        format=_FORMAT,
        kind=JobKind.TAPE,
        title=job.title,
        program=ids[0],
        program_root=Hash32(info.program_root),
        program_bytes=program.stat().st_size,
        inputs=ids[1],
        input_root=Hash32(done.input_root),
        input_bytes=input_bytes,
        item_count=done.item_count,
    )
    spec.check()
    artifact = await trio.to_thread.run_sync(store.put_bytes, spec.encode())
    return PreparedJob(job, spec, artifact, info, made.notes)


async def _program(job: Job, child: Child, models: Path, limits: WorkerLimits) -> Path:
    """Return the job's tape, lowered once per model and shapes."""
    shapes = dict(job.shapes)
    if job.model.startswith(PACKAGE):
        maker = find_format(job.model.removeprefix(PACKAGE))
        found = await trio.to_thread.run_sync(maker.model, models)
        if found is None:
            raise InputError(f"format {job.model.removeprefix(PACKAGE)} comes with no model", "name a file")
        model, shapes = found[0], {**found[1], **shapes}
    else:
        model = Path(job.model)
    if model.suffix == ".tape":
        return model
    return await lowered(model, shapes, child, models, limits)


def _save(path: Path, made: Prepared, info: ProgramInfo) -> None:
    import numpy as np

    arrays = dict(made.arrays)
    if ONLY_INPUT in arrays:
        if len(info.inputs) != 1:
            names = ", ".join(each.name for each in info.inputs)
            raise InputError(f"an .npy holds one array, the model has inputs {names}", "give an .npz")
        arrays[info.inputs[0].name] = arrays.pop(ONLY_INPUT)
    np.savez(path, **arrays)
