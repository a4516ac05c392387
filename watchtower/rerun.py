"""Executes a posted result's job here, and compares."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import trio

from protocol.dispute.delivery import PostedRoots
from protocol.engines.worker.interface import (
    CalibrateArgs,
    CompareArgs,
    CompareResult,
    to_wire,
)
from protocol.games.asking import Asked, ask
from protocol.games.bench import SeatedChild
from protocol.games.demanding import DemandTerms, demand_terms
from protocol.games.turns import Claim
from protocol.net import Patience
from protocol.runtime.child import (
    ChildDiedError,
    ChildFaultError,
    ChildOptions,
    open_child,
)
from protocol.runtime.hardware import memory_limit
from protocol.runtime.retry import backoff
from protocol.tape.merkle import Nodes
from protocol.tape.tree_file import open_tree
from protocol.types import InputError, TransientError, Wei, to_hex
from watchtower.config import WatchtowerConfig
from watchtower.demanding import demanded
from watchtower.fetching import Hold
from watchtower.judge import PostedResult
from watchtower.obtaining import Obtained, Rig, WithheldError, keep, keep_shown, obtain

WORKER = "protocol.engines.worker"

_IDLE_S = 5.0
"""Many results are waited for at once: no idle child takes memory meanwhile."""


@dataclass
class Trial:
    """One look at a result: whose turns it takes, how long it may fetch, and how long this machine worked."""

    result: PostedResult
    claim: Claim
    patience: Patience
    began: float = field(default_factory=trio.current_time)
    worked: float = 0.0

    @classmethod
    def of(cls, rig: Rig, result: PostedResult) -> "Trial":
        """Return one that begins now."""
        return cls(result, rig.claim(result), rig.patience(result))


async def rerun(rig: Rig, trial: Trial) -> CompareResult:
    """Return the comparison of the posted outputs with outputs computed here.

    Raises as `obtain` does if the job cannot be had, and `InputError` if this machine cannot run it within
    its limits.
    """
    result = trial.result
    async with _seated(rig, trial) as child:
        found = await obtain(rig, child, result, held(result), trial.patience, claim=trial.claim)
        if found.shown:  # by demands that an earlier process made, and may not have seen to their end
            raise WithheldError("the outputs were demanded", found, again=False)
        compared = await _compare(rig, child, found)
    keep(rig, result, found)
    return compared


async def rerun_withheld(rig: Rig, trial: Trial, job: Obtained, budget: Wei) -> CompareResult:
    """The same for a provider that does not serve the outputs: they are demanded on chain first.

    `InputError` with the reason if they are not to be had. What was demanded before a child failed is on
    the chain, and is not demanded again.
    """
    for attempt in range(rig.config.attempts):
        try:
            async with _seated(rig, trial) as child:
                compared = await _Withheld(rig, child, trial.result, job, budget).judged()
        except (ChildDiedError, ChildFaultError):
            await trio.sleep(backoff(attempt))
        else:
            keep(rig, trial.result, job)
            return compared
    raise InputError("the worker failed each time that it judged the outputs")


@asynccontextmanager
async def _seated(rig: Rig, trial: Trial) -> AsyncIterator[SeatedChild]:
    """A child that works when it is the result's turn."""
    async with open_child(WORKER, options=replace(options(rig.config), idle_s=_IDLE_S)) as child:
        seated = SeatedChild(child, rig.runs, rig.precedence, trial.claim)
        try:
            yield seated
        finally:
            trial.worked += seated.worked


@dataclass(frozen=True)
class _Withheld:
    """A result whose outputs are not served, and the child that judges it."""

    rig: Rig
    child: Asked
    result: PostedResult
    job: Obtained
    budget: Wei

    async def judged(self) -> CompareResult:
        files = self.job.files
        terms = await demand_terms(self.child, str(files.program), str(files.inputs))
        if terms.shape.big or not terms.shape.filled:  # of empty outputs nothing is missing but a right root
            return await self._by_first_difference(terms)
        return await self._compared(await demanded(self.rig, self.result, terms, self.budget))

    async def _by_first_difference(self, terms: DemandTerms) -> CompareResult:
        """What is too large to be demanded is not: only the way to what differs from the own run."""
        known = PostedRoots(self.result.output_root, {})
        file = keep_shown(self.rig, self.result, known).with_suffix(".own")
        try:
            compared = await self._compared(known, file)
            if compared.matches:
                return compared
            with open_tree(file, self.job.files.items) as own:
                file.unlink()  # demands take clocks, and a process that is killed removes nothing
                return await self._differing(terms, compared, own)
        finally:
            file.unlink(missing_ok=True)

    async def _differing(self, terms: DemandTerms, compared: CompareResult, own: Nodes) -> CompareResult:
        posted = await demanded(self.rig, self.result, terms, self.budget, own)
        for number, item in posted.items.items():
            roots = {"claimed_item_root": item.root, "own_item_root": own.hash_at(0, number)}
            return msgspec.structs.replace(compared, first_different=number, **roots)
        return compared

    async def _compared(self, posted: PostedRoots, tree: Path | None = None) -> CompareResult:
        outputs = keep_shown(self.rig, self.result, posted)
        files = replace(self.job.files, outputs=outputs)
        return await _compare(self.rig, self.child, replace(self.job, files=files, shown=True), tree)


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
    return ChildOptions(memory=config.memory)


def staked(config: WatchtowerConfig, idle_s: float) -> ChildOptions:
    """Return the same where a bond or a stake is lost by what cannot be run."""
    return replace(options(config), most=memory_limit(), idle_s=idle_s)


def games_memory(config: WatchtowerConfig) -> int:
    """Return the bytes that games may take which all have to be played at once."""
    return config.games_memory or memory_limit() * 3 // 4


async def _compare(rig: Rig, child: Asked, found: Obtained, tree: Path | None = None) -> CompareResult:
    files = found.files
    args = CompareArgs(
        program_path=str(files.program),
        input_path=str(files.inputs),
        output_path=str(files.outputs),
        item_count=files.items,
        threads=rig.config.threads,
        device=rig.config.device,
        time_limit=rig.config.item_seconds * files.items,
        tree_path=str(tree or ""),
    )
    try:
        return await ask(child, args, CompareResult)
    except (ChildDiedError, ChildFaultError):
        raise
    except TransientError as error:
        raise InputError(error.message) from error  # its time is over here: the next try would take as long
