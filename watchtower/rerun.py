"""Executes a posted result's job here, and compares."""

from dataclasses import replace

import trio

from protocol.engines.worker.interface import (
    CalibrateArgs,
    CheckArgs,
    CompareArgs,
    CompareResult,
    VerifyArgs,
    VerifyResult,
    to_wire,
)
from protocol.games.asking import ask
from protocol.runtime.child import (
    Child,
    ChildDiedError,
    ChildFaultError,
    ChildOptions,
    ChildOutOfMemoryError,
    open_child,
)
from protocol.runtime.retry import backoff
from protocol.types import InputError, Wei
from watchtower.config import WatchtowerConfig
from watchtower.demanding import demanded
from watchtower.judge import PostedResult
from watchtower.obtaining import Obtained, Rig, WithheldError, WrongArtifactsError, keep, obtain

WORKER = "protocol.engines.worker"


async def rerun(rig: Rig, result: PostedResult) -> CompareResult:
    """Return the comparison of the posted outputs with outputs computed here.

    Raises `TransientError` if the provider cannot be reached or has not got the artifacts,
    `WrongArtifactsError` if what it serves contradicts the chain, and `InputError` if this machine cannot run
    the job within its limits.
    """
    return await _judged(rig, result, await obtain(rig, result, result.window_end))


async def rerun_withheld(rig: Rig, result: PostedResult, job: Obtained, budget: Wei) -> CompareResult:
    """The same for a provider that does not serve the outputs: they are demanded on chain first.

    `InputError` with the reason if they are not to be had. What was demanded before a child failed is on
    the chain, and is not demanded again.
    """
    for attempt in range(rig.config.attempts):
        try:
            async with open_child(WORKER, options=options(rig.config)) as child:
                parts = (job.files.program, job.files.inputs)
                outputs = await demanded(rig, child, result, parts, budget)
            return await _judged(rig, result, replace(job, files=replace(job.files, outputs=outputs)))
        except (ChildDiedError, ChildFaultError):
            await trio.sleep(backoff(attempt))
    raise InputError("the worker failed each time that it judged the outputs")


async def _judged(rig: Rig, result: PostedResult, found: Obtained) -> CompareResult:
    async with open_child(WORKER, options=options(rig.config)) as child:
        compared = await _compare(rig, child, result, found)
    keep(rig, result, found)
    return compared


async def prove(config: WatchtowerConfig) -> None:
    """Raise `InputError` if the device is not here or fails its self-test.

    Asked at the start: a device whose bits differ would call right results wrong.
    """
    async with open_child(WORKER, options=options(config)) as child:
        try:
            await child.call(CalibrateArgs.OP, to_wire(CalibrateArgs(0.0, config.threads, config.device)))
        except ChildFaultError as error:
            raise InputError(f"{config.device} cannot be used: {error}") from error


def options(config: WatchtowerConfig) -> ChildOptions:
    """Return how the worker's child is run."""
    return ChildOptions(memory=config.memory, gpu=config.device.startswith("cuda"))


async def _compare(rig: Rig, child: Child, result: PostedResult, found: Obtained) -> CompareResult:
    spec, files = found.spec, found.files
    program, inputs, outputs = (str(path) for path in (files.program, files.inputs, files.outputs))
    check = CheckArgs(program, inputs, spec.program_root, spec.input_root, spec.item_count)
    try:
        await child.call(check.OP, to_wire(check))
    except ChildOutOfMemoryError:
        raise  # this machine's fault
    except InputError as error:
        raise WrongArtifactsError(error.message) from error
    verify = VerifyArgs(program, outputs, spec.item_count, result.output_root)
    if not (await ask(child, verify, VerifyResult)).matches:
        raise WithheldError("the outputs served are not those posted", found)
    compare = CompareArgs(
        program_path=program,
        input_path=inputs,
        output_path=outputs,
        item_count=spec.item_count,
        threads=rig.config.threads,
        device=rig.config.device,
        time_limit=rig.config.item_seconds * spec.item_count,
    )
    return await ask(child, compare, CompareResult)
