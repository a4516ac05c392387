"""The watchtower at work: scan, judge, respond."""

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import trio

from protocol.chain.errors import Revert
from protocol.engines.worker.interface import CompareResult
from protocol.net import TooSlowError
from protocol.runtime.logs import about
from protocol.runtime.metrics import Health, Metrics
from protocol.runtime.retry import backoff
from protocol.types import (
    BlockNo,
    Blocks,
    BrokenInvariant,
    InputError,
    LeaseId,
    TransientError,
    Wei,
    to_hex,
)
from watchtower.auditing.auditor import Court
from watchtower.auditing.moves import stake_due
from watchtower.auditing.survey import Seen
from watchtower.demanding import can_demand
from watchtower.fetching import WrongArtifactsError
from watchtower.games import Games, Subject
from watchtower.judge import Policy, PostedResult, Rerun, ResultId, View, judge, next_try, why_not
from watchtower.keeping import Keeping
from watchtower.obtaining import Rig, WithheldError
from watchtower.rerun import Trial, held, rerun, rerun_withheld
from watchtower.scan import Scan
from watchtower.verdicts import Finding, Verdict, Verdicts, wrong_item

log = logging.getLogger(__name__)

_POLL_S = 1.0
_AGAIN_S = 60.0
"""Shortest pause before a result that could not be judged is tried again."""


@dataclass
class Tower:
    """Polls, asks the judge, and does what it says. Verdicts on disk are its only memory.

    `known`: the newest verdict of each lease. It is about one posted root, and says nothing of another that
    a re-org puts in its place: that one is judged anew.
    """

    rig: Rig
    scan: Scan
    rules: Policy
    verdicts: Verdicts
    nursery: trio.Nursery
    metrics: Metrics
    games: Games | None = None
    keeping: Keeping | None = None
    demand_budget: Wei = Wei(0)  # noqa: RUF009 - a number
    running: set[ResultId] = field(default_factory=set)
    demanding: set[ResultId] = field(default_factory=set)
    passed: dict[LeaseId, str] = field(default_factory=dict)
    height: BlockNo = BlockNo(0)  # noqa: RUF009 - a number
    chain_state: str = "not read yet"
    known: dict[LeaseId, Verdict] = field(default_factory=dict)
    resumed: int = -1

    def __post_init__(self) -> None:
        self._found = self.metrics.counter(
            "gavel_watchtower_verdicts_total", "Re-runs by finding.", ["finding"]
        )
        self._running = self.metrics.gauge("gavel_watchtower_running", "Re-runs under way.")
        self._height = self.metrics.gauge("gavel_watchtower_height", "Clock reading last seen.")

    def court(self) -> Court:
        """Return how audits open games."""
        games = self.games
        if games is None:
            raise BrokenInvariant("games are opened where none are played")

        async def accuse(seen: Seen, took: float) -> None:
            if (shown := seen.sight.shown) is not None:
                due = await self.rig.chain.run(stake_due, seen)
                games.accuse(seen.opened, seen.sight.audit.item, shown.trace, due, took)

        def prepare(seen: Seen, took: float) -> None:
            games.prepare(seen.opened, seen.sight.audit.item, took)

        def keep(prepared: Collection[tuple[LeaseId, int]]) -> None:
            games.keep({Subject(*each) for each in prepared})

        return Court(accuse, games.is_accused, prepare, keep, games.traces)

    def health(self) -> Health:
        """Say whether the chain is being read."""
        return Health(self.chain_state.startswith("at "), {"chain": self.chain_state})

    async def run(self) -> None:
        """Poll until cancelled."""
        failures = 0
        self.known |= await trio.to_thread.run_sync(self.verdicts.sound)
        while True:
            try:
                await self._turn()
                failures = 0
            except (TransientError, Revert) as error:  # a view that "reverts" is a node's word
                self.chain_state = f"unreachable: {error.message}"
                log.warning("cannot read the chain, trying again: %s", error)
                failures += 1
            await trio.sleep(backoff(failures) if failures else _POLL_S)

    async def _turn(self) -> None:
        height, results = await self.rig.chain.run(self.scan.poll)
        still = self.rig.chain.blocking.standstill
        self.chain_state = f"does not move: {still}" if still else f"at {height}"
        self.height = height
        self._height.set(height)
        self._forget()
        for bench in (self.rig.tries, self.rig.runs):
            bench.look(height)
        try:
            await trio.to_thread.run_sync(self.rig.store.expire, height)
        except TransientError as error:  # a full disk; games must go on
            log.error("artifacts cannot be let go: %s", error)
        if self.games is not None:
            if self.resumed != self.scan.rollbacks:  # at the start, and after a re-org
                rollbacks = self.scan.rollbacks
                await self.games.resume()
                self.resumed = rollbacks  # not before: what could not be read is read at the next turn
            await self.games.look_after(results, self._wrong())
        if self.keeping is not None:
            held = [each for each in results if each.is_held and not why_not(each, self.rules)]
            self.keeping.look_after(height, held, frozenset(self._right()))
        judged = frozenset(each.about for each in self.known.values()) | self.demanding
        view = View(height, results, judged, frozenset(self.running), self._again())
        for action in judge(view, self.rules):
            match action:
                case Rerun(result):
                    self.running.add(result.id)
                    self._running.set(len(self.running))
                    self.nursery.start_soon(self._rerun, result)
                case pass_:
                    self._note(pass_.lease, pass_.why)

    def _forget(self) -> None:
        """Remember nothing of leases whose end is confirmed: what was found about them is on disk."""
        follows = self.scan.is_following
        self.known = {lease: each for lease, each in self.known.items() if follows(lease)}
        self.passed = {lease: why for lease, why in self.passed.items() if follows(lease)}

    def _wrong(self) -> dict[ResultId, int]:
        """The first wrong item of each result with a mismatch."""
        items = ((each.about, wrong_item(each)) for each in self.known.values())
        return {result: item for result, item in items if item is not None}

    def _right(self) -> Iterator[ResultId]:
        return (each.about for each in self.known.values() if each.finding is Finding.MATCH)

    def _again(self) -> dict[ResultId, int]:
        """When results that could not be judged are tried again; none that is being tried right now."""
        waiting = ((each.about, each.again_at) for each in self.known.values() if each.again_at)
        return {result: at for result, at in waiting if result not in self.demanding}

    def _note(self, lease: LeaseId, why: str) -> None:
        if lease not in self.passed:
            self.passed[lease] = why
            log.info("lease %s is left alone: %s", to_hex(lease), why)

    async def _rerun(self, result: PostedResult) -> None:
        with about(lease=to_hex(result.lease)):
            before = self.known.get(result.lease)
            if before is not None and before.about != result.id:
                before = None
            log.info("re-running the result of 0x%s", result.bid.owner.hex())
            trial = Trial.of(self.rig, result)
            found = await self._find(trial, again=before is not None)
            verdict = self._dated(trial, found, before)
            self.known[result.lease] = verdict
            file: Path | str = "not on disk"
            try:
                if verdict.finding is not Finding.MISMATCH:  # no game will need it
                    await trio.to_thread.run_sync(self.rig.store.release, held(result).reason)
                file = await trio.to_thread.run_sync(self.verdicts.add, verdict)
            except TransientError as error:  # a full disk: after a restart it is judged again
                log.error("a verdict is kept in memory alone: %s", error)
            if before is None or before.finding is not verdict.finding:
                self._found.labels(verdict.finding).inc()
            level = logging.ERROR if verdict.finding is Finding.MISMATCH else logging.INFO
            log.log(level, "%s (%s)", verdict.sentence(), file)
        self.running.discard(result.id)
        self._running.set(len(self.running))

    def _dated(self, trial: Trial, found: Verdict, before: Verdict | None) -> Verdict:
        """The verdict with its place in the window; one that another try may change names the next.

        Pauses are at least four times as long as the work: what this machine cannot run is not to fill it.
        """
        tries = before.tries + 1 if before is not None else 1
        verdict = replace(found, late=self.height >= trial.result.window_end, tries=tries)
        if not verdict.finding.is_open:
            return verdict
        network = self.rig.chain.blocking.network
        least = max(network.span(max(_AGAIN_S, 4 * trial.worked)), 1)
        return replace(verdict, again_at=next_try(trial.result, self.height, tries, Blocks(least)))

    async def _find(self, trial: Trial, *, again: bool = False) -> Verdict:
        """Judge a result; `again`: it was tried before, so one attempt to fetch it is enough for now."""
        attempts = 1 if again else self.rig.config.attempts
        try:
            return await self.rig.tries.work(trial.claim, partial(self._in_turn, trial, attempts))
        except WithheldError as withheld:
            if can_demand(self.rig, trial.result, self.demand_budget):
                return await self._demand(trial, withheld)
            return self._verdict(trial, Finding.UNAVAILABLE, withheld.message)

    async def _in_turn(self, trial: Trial, attempts: int) -> Verdict:
        """As `_find`; `WithheldError` if all is here but the outputs.

        A try that gives way to another holds nothing any more.
        """
        trial.patience = self.rig.patience(trial.result)
        try:
            return await self._attempts(trial, attempts)
        except trio.Cancelled:
            self._let_go(trial)
            raise

    async def _attempts(self, trial: Trial, attempts: int) -> Verdict:
        detail, withheld = "", None
        for attempt in range(attempts):
            try:
                return self._compared(trial, await rerun(self.rig, trial))
            except WrongArtifactsError as error:
                return self._verdict(trial, Finding.UNAVAILABLE, error.message)
            except InputError as error:
                return self._verdict(trial, Finding.UNJUDGED, error.message)
            except TransientError as error:
                detail, withheld = error.message, error if isinstance(error, WithheldError) else None
                log.info("cannot re-run yet: %s", error)
                if isinstance(error, TooSlowError) or (withheld is not None and not withheld.again):
                    break
                await trio.sleep(backoff(attempt))
        if withheld is not None:
            raise withheld
        return self._verdict(trial, Finding.UNAVAILABLE, detail)

    async def _demand(self, trial: Trial, withheld: WithheldError) -> Verdict:
        """Judge by outputs that are demanded on chain. Meanwhile others are re-run: that takes clocks."""
        result = trial.result
        self.running.discard(result.id)
        self.demanding.add(result.id)
        # Demands take clocks: who serves large inputs and no outputs must not fill the disk meanwhile.
        await trio.to_thread.run_sync(self._let_go, trial, self.rig.store.is_half_held)
        try:
            found = await rerun_withheld(self.rig, trial, withheld.job, self.demand_budget)
        except (InputError, TransientError) as error:
            return self._verdict(trial, Finding.UNAVAILABLE, f"{withheld.message}; {error.message}")
        finally:
            self.running.add(result.id)  # until its verdict is written
            self.demanding.discard(result.id)
        return self._compared(trial, found)

    def _let_go(self, trial: Trial, where: Callable[[], bool] = lambda: True) -> None:
        """Hold nothing for a try any more, if `where` says so; on a full disk it is held on. Blocking."""
        try:
            if where():
                self.rig.store.release(held(trial.result).reason)
        except TransientError as error:
            log.error("artifacts cannot be let go: %s", error)

    def _compared(self, trial: Trial, found: CompareResult) -> Verdict:
        return replace(
            self._verdict(trial, Finding.MATCH if found.matches else Finding.MISMATCH),
            own_root=to_hex(found.own_root),
            first_different_item=found.first_different,
            claimed_item_root=to_hex(found.claimed_item_root or b"") if not found.matches else "",
            own_item_root=to_hex(found.own_item_root or b"") if not found.matches else "",
        )

    def _verdict(self, trial: Trial, finding: Finding, detail: str = "") -> Verdict:
        result = trial.result
        return Verdict(
            lease=to_hex(result.lease),
            owner=to_hex(result.bid.owner),
            finding=finding,
            claimed_root=to_hex(result.output_root),
            window_end=result.window_end,
            seconds=round(trio.current_time() - trial.began, 3),
            detail=detail,
        )
