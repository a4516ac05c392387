"""The watchtower at work: scan, judge, respond."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import trio

from protocol.engines.worker.interface import CompareResult
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
from watchtower.auditing.survey import Seen
from watchtower.demanding import can_demand
from watchtower.games import Games
from watchtower.judge import Policy, PostedResult, Rerun, View, judge, next_try, why_not
from watchtower.keeping import Keeping
from watchtower.obtaining import Rig, WithheldError, WrongArtifactsError
from watchtower.rerun import rerun, rerun_withheld
from watchtower.scan import Scan
from watchtower.verdicts import Finding, Verdict, Verdicts, lease_name, wrong_item

log = logging.getLogger(__name__)

_POLL_S = 1.0
_AGAIN_S = 60.0
"""Shortest pause before a result that could not be judged is tried again."""


@dataclass
class Tower:
    """Polls, asks the judge, and does what it says. Verdicts on disk are its only memory.

    `known`: the newest verdict of each lease; `wrong`: the first wrong item of each with a mismatch.
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
    running: set[LeaseId] = field(default_factory=set)
    demanding: set[LeaseId] = field(default_factory=set)
    passed: dict[LeaseId, str] = field(default_factory=dict)
    height: BlockNo = BlockNo(0)  # noqa: RUF009 - a number
    chain_state: str = "not read yet"
    known: dict[LeaseId, Verdict] = field(default_factory=dict)
    wrong: dict[LeaseId, int] = field(default_factory=dict)
    resumed: int = -1

    def __post_init__(self) -> None:
        self._found = self.metrics.counter(
            "gavel_watchtower_verdicts_total", "Re-runs by finding.", ["finding"]
        )
        self._running = self.metrics.gauge("gavel_watchtower_running", "Re-runs under way.")
        self._height = self.metrics.gauge("gavel_watchtower_height", "Clock reading last seen.")

    def court(self) -> Court:
        """Return how audits open games: as re-runs do.

        From then on all results of the provider are re-run, so that outputs which it hides are demanded.
        """
        games = self.games
        if games is None:
            raise BrokenInvariant("games are opened where none are played")

        async def accuse(seen: Seen) -> None:
            owner, shown = seen.opened.bid.owner, seen.sight.shown
            self.rules = replace(self.rules, owners=self.rules.owners | {owner})
            if shown is not None:
                games.accuse(seen.opened, seen.sight.audit.item, shown.trace)

        return Court(accuse, games.playing.__contains__)

    def health(self) -> Health:
        """Say whether the chain is being read."""
        return Health(self.chain_state.startswith("at "), {"chain": self.chain_state})

    async def run(self) -> None:
        """Poll until cancelled."""
        failures = 0
        for lease, verdict in (await trio.to_thread.run_sync(self.verdicts.by_lease)).items():
            self._know(lease, verdict)
        while True:
            try:
                await self._turn()
                failures = 0
            except TransientError as error:
                self.chain_state = f"unreachable: {error.message}"
                log.warning("cannot read the chain, trying again: %s", error)
                failures += 1
            await trio.sleep(backoff(failures) if failures else _POLL_S)

    async def _turn(self) -> None:
        height, results = await self.rig.chain.run(self.scan.poll)
        self.chain_state = f"at {height}"
        self.height = height
        self._height.set(height)
        await trio.to_thread.run_sync(self.rig.store.expire, height)
        if self.games is not None:
            if self.resumed != self.scan.rollbacks:  # at the start, and after a re-org
                self.resumed = self.scan.rollbacks
                await self.games.resume()
            await self.games.look_after(results, self.wrong)
        if self.keeping is not None:
            held = [each for each in results if each.is_held and not why_not(each, self.rules)]
            self.keeping.look_after(height, held, frozenset(self._right()))
        judged = await trio.to_thread.run_sync(self.verdicts.judged)
        view = View(height, results, judged | self.demanding, frozenset(self.running), self._again())
        for action in judge(view, self.rules):
            match action:
                case Rerun(result):
                    self.running.add(result.lease)
                    self._running.set(len(self.running))
                    self.nursery.start_soon(self._rerun, result)
                case pass_:
                    self._note(pass_.lease, pass_.why)

    def _know(self, lease: LeaseId, verdict: Verdict) -> None:
        self.known[lease] = verdict
        if (item := wrong_item(verdict)) is not None:
            self.wrong[lease] = item

    def _right(self) -> Iterator[LeaseId]:
        return (lease for lease, each in self.known.items() if each.finding is Finding.MATCH)

    def _again(self) -> dict[LeaseId, int]:
        """When leases that could not be judged are tried again; none that is being tried right now."""
        waiting = ((lease, each.again_at) for lease, each in self.known.items() if each.again_at)
        return {lease: at for lease, at in waiting if lease not in self.demanding}

    def _note(self, lease: LeaseId, why: str) -> None:
        if lease not in self.passed:
            self.passed[lease] = why
            log.info("lease %s is left alone: %s", to_hex(lease), why)

    async def _rerun(self, result: PostedResult) -> None:
        with about(lease=to_hex(result.lease)):
            before = self.known.get(result.lease)
            log.info("re-running the result of 0x%s", result.bid.owner.hex())
            started = trio.current_time()
            found = await self._find(result, started, again=before is not None)
            verdict = self._dated(result, found, before)
            file = await trio.to_thread.run_sync(self.verdicts.add, verdict)
            self._know(result.lease, verdict)
            if before is None or before.finding is not verdict.finding:
                self._found.labels(verdict.finding).inc()
            level = logging.ERROR if verdict.finding is Finding.MISMATCH else logging.INFO
            log.log(level, "%s (%s)", verdict.sentence(), file)
        self.running.discard(result.lease)
        self._running.set(len(self.running))

    def _dated(self, result: PostedResult, found: Verdict, before: Verdict | None) -> Verdict:
        """The verdict with its place in the window; one that another try may change names the next.

        Pauses are at least four times as long as the try: what this machine cannot run is not to fill it.
        """
        tries = before.tries + 1 if before is not None else 1
        verdict = replace(found, late=self.height >= result.window_end, tries=tries)
        if not verdict.finding.is_open:
            return verdict
        network = self.rig.chain.blocking.network
        least = max(network.span(max(_AGAIN_S, 4 * found.seconds)), 1)
        return replace(verdict, again_at=next_try(result, self.height, tries, Blocks(least)))

    async def _find(self, result: PostedResult, started: float, *, again: bool = False) -> Verdict:
        """Judge a result; `again`: it was tried before, so one attempt to fetch it is enough for now."""
        detail, withheld = "", None
        for attempt in range(1 if again else self.rig.config.attempts):
            try:
                found = await rerun(self.rig, result)
            except WrongArtifactsError as error:
                return self._verdict(result, Finding.UNAVAILABLE, started, error.message)
            except InputError as error:
                return self._verdict(result, Finding.UNJUDGED, started, error.message)
            except TransientError as error:
                detail, withheld = error.message, error if isinstance(error, WithheldError) else None
                log.info("cannot re-run yet: %s", error)
                await trio.sleep(backoff(attempt))
            else:
                return self._compared(result, found, started)
        if withheld is not None and can_demand(self.rig, result, self.demand_budget):
            return await self._demand(result, withheld, started)
        return self._verdict(result, Finding.UNAVAILABLE, started, detail)

    async def _demand(self, result: PostedResult, withheld: WithheldError, started: float) -> Verdict:
        """Judge by outputs that are demanded on chain. Meanwhile others are re-run: that takes clocks."""
        self.running.discard(result.lease)
        self.demanding.add(result.lease)
        try:
            found = await rerun_withheld(self.rig, result, withheld.job, self.demand_budget)
        except InputError as error:
            detail = f"{withheld.message}; {error.message}"
            return self._verdict(result, Finding.UNAVAILABLE, started, detail)
        finally:
            self.running.add(result.lease)  # until its verdict is written
            self.demanding.discard(result.lease)
        return self._compared(result, found, started)

    def _compared(self, result: PostedResult, found: CompareResult, started: float) -> Verdict:
        return Verdict(
            lease=lease_name(result.lease),
            owner=to_hex(result.bid.owner),
            finding=Finding.MATCH if found.matches else Finding.MISMATCH,
            claimed_root=to_hex(found.claimed_root),
            own_root=to_hex(found.own_root),
            first_different_item=found.first_different,
            claimed_item_root=to_hex(found.claimed_item_root or b"") if not found.matches else "",
            own_item_root=to_hex(found.own_item_root or b"") if not found.matches else "",
            window_end=result.window_end,
            seconds=round(trio.current_time() - started, 3),
        )

    def _verdict(self, result: PostedResult, finding: Finding, started: float, detail: str) -> Verdict:
        return Verdict(
            lease=lease_name(result.lease),
            owner=to_hex(result.bid.owner),
            finding=finding,
            claimed_root=to_hex(result.output_root),
            window_end=result.window_end,
            seconds=round(trio.current_time() - started, 3),
            detail=detail,
        )
