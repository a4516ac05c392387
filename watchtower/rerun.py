"""Executes a posted result's job here, and compares."""

from dataclasses import dataclass, replace

import msgspec
import trio

from protocol.dispute.delivery import PostedRoots
from protocol.engines.worker.interface import (
    CalibrateArgs,
    CompareArgs,
    CompareResult,
    to_wire,
)
from protocol.games.asking import ask
from protocol.games.demanding import DemandTerms, demand_terms
from protocol.runtime.child import (
    Child,
    ChildDiedError,
    ChildFaultError,
    ChildOptions,
    open_child,
)
from protocol.runtime.retry import backoff
from protocol.tape.roots import items_tree
from protocol.types import Hash32, InputError, TransientError, Wei, to_hex
from watchtower.config import WatchtowerConfig
from watchtower.demanding import demanded
from watchtower.fetching import Hold, Patience
from watchtower.judge import PostedResult
from watchtower.obtaining import Obtained, Rig, WithheldError, keep, keep_shown, obtain

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
                compared = await _Withheld(rig, child, result, job, budget).judged()
        except (ChildDiedError, ChildFaultError):
            await trio.sleep(backoff(attempt))
        else:
            keep(rig, result, job)
            return compared
    raise InputError("the worker failed each time that it judged the outputs")


@dataclass(frozen=True)
class _Withheld:
    """A result whose outputs are not served, and the child that judges it."""

    rig: Rig
    child: Child
    result: PostedResult
    job: Obtained
    budget: Wei

    async def judged(self) -> CompareResult:
        files = self.job.files
        terms = await demand_terms(self.child, str(files.program), str(files.inputs))
        if terms.shape.big:
            return await self._by_first_difference(terms)
        return await self._compared(await demanded(self.rig, self.result, terms, self.budget))

    async def _by_first_difference(self, terms: DemandTerms) -> CompareResult:
        """What is too large to be demanded is not: only the way to what differs from the own run."""
        compared = await self._compared(PostedRoots(self.result.output_root, {}))
        if compared.matches:
            return compared
        if not compared.own_item_roots:
            raise InputError(f"{self.job.files.items} items are too many to find the one that differs")
        own = items_tree([Hash32(root) for root in compared.own_item_roots])
        posted = await demanded(self.rig, self.result, terms, self.budget, own)
        for number, item in posted.items.items():
            roots = {"claimed_item_root": item.root, "own_item_root": own.hash_at(0, number)}
            return msgspec.structs.replace(compared, first_different=number, **roots)
        return compared

    async def _compared(self, posted: PostedRoots) -> CompareResult:
        outputs = keep_shown(self.rig, self.result, posted)
        files = replace(self.job.files, outputs=outputs)
        async with self.rig.after_demands:
            return await _compare(self.rig, self.child, replace(self.job, files=files, shown=True))


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
