"""Executes a posted result's job here, and compares."""

from dataclasses import replace

import trio

from protocol.engines.worker.interface import (
    CalibrateArgs,
    CompareArgs,
    CompareResult,
    to_wire,
)
from protocol.games.asking import ask
from protocol.runtime.child import (
    Child,
    ChildDiedError,
    ChildFaultError,
    ChildOptions,
    open_child,
)
from protocol.runtime.retry import backoff
from protocol.types import InputError, TransientError, Wei, to_hex
from watchtower.config import WatchtowerConfig
from watchtower.demanding import demanded
from watchtower.fetching import Hold, Patience
from watchtower.judge import PostedResult
from watchtower.obtaining import Obtained, Rig, WithheldError, keep, obtain

WORKER = "protocol.engines.worker"


async def rerun(rig: Rig, result: PostedResult, patience: Patience) -> CompareResult:
    """Return the comparison of the posted outputs with outputs computed here.

    Raises as `obtain` does if the job cannot be had, and `InputError` if this machine cannot run it within
    its limits.
    """
    async with open_child(WORKER, options=options(rig.config)) as child:
        found = await obtain(rig, child, result, held(result), patience)
        if found.shown:  # by demands that an earlier process made, and may not have seen to their end
            raise WithheldError("the outputs were demanded", found, again=False)
        compared = await _compare(rig, child, found)
    keep(rig, result, found)
    return compared


async def rerun_withheld(rig: Rig, result: PostedResult, job: Obtained, budget: Wei) -> CompareResult:
    """The same for a provider that does not serve the outputs: they are demanded on chain first.

    `InputError` with the reason if they are not to be had. What was demanded before a child failed is on
    the chain, and is not demanded again.
    """
    for attempt in range(rig.config.attempts):
        try:
            async with open_child(WORKER, options=options(rig.config)) as child:
                parts = (job.files.program, job.files.inputs)
                posted = await demanded(rig, child, result, parts, budget)
                found = replace(job, files=replace(job.files, outputs=posted), shown=True)
                compared = await _compare(rig, child, found)
        except (ChildDiedError, ChildFaultError):
            await trio.sleep(backoff(attempt))
        else:
            keep(rig, result, found)
            return compared
    raise InputError("the worker failed each time that it judged the outputs")


def held(result: PostedResult) -> Hold:
    """Return why a re-run keeps artifacts."""
    return Hold(f"re-run {to_hex(result.lease)}", result.window_end)


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


async def _compare(rig: Rig, child: Child, found: Obtained) -> CompareResult:
    files = found.files
    args = CompareArgs(
        program_path=str(files.program),
        input_path=str(files.inputs),
        output_path=str(files.outputs),
        item_count=files.items,
        threads=rig.config.threads,
        device=rig.config.device,
        time_limit=rig.config.item_seconds * files.items,
    )
    try:
        return await ask(child, args, CompareResult)
    except (ChildDiedError, ChildFaultError):
        raise
    except TransientError as error:
        raise InputError(error.message) from error  # its time is over here: the next try would take as long
