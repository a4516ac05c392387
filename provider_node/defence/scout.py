"""Tells game machines what the chain says: every game of every lease that is held up, at every new height.

There is no cursor and nothing to catch up: each look reads all games with all their moves. So outages,
restarts and re-organisations need no case of their own. All games of all leases wait for the look: it reads
the chain, and leaves to `Errands` whatever else has to be known.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.game_steps import PlayedGame, Step
from protocol.chain.networks import Clock
from protocol.dispute.defence import ENDED, wake
from protocol.dispute.defence_types import Defence, SawGame, SawLeaseEnd
from protocol.dispute.moves import ChallengerMove, Made
from protocol.dispute.names import Case, Job
from protocol.dispute.records import Game
from protocol.dispute.replay import View
from protocol.lease.provider import ENDED as LEASE_ENDED
from protocol.lease.provider_types import Phase, ProviderLease, Stage
from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.types import BlockNo, GavelError, InputError, LeaseId, TransientError, Verification
from provider_node.defence.desk import Desk
from provider_node.defence.errands import Errands
from provider_node.defence.items import Items
from provider_node.defence.runs import Runs
from provider_node.defence.seen import seen_games
from provider_node.defence.tracer import Kept, Tracer
from provider_node.watcher import KIND as LEASE
from provider_node.watcher import Watcher

log = logging.getLogger(__name__)

KIND = "game"
"""Kind of the machines; log lines of their effects carry it with the game's name."""
_FORGET_AFTER = 1_000
"""Blocks for which a game that is over is still shown."""


@dataclass
class Scout:
    """Reads the chain while `run` runs. `trouble`: why some game cannot be followed, or empty."""

    chain: AsyncChain
    loop: Loop
    watcher: Watcher
    items: Items
    tracer: Tracer
    runs: Runs
    confirmations: int
    desk: Desk
    errands: Errands = field(default_factory=Errands)
    trouble: str = ""
    _jobs: dict[LeaseId, Job] = field(default_factory=dict)
    _looked: object = None

    async def run(self) -> None:
        """Look whenever there is a new height, until cancelled."""
        await self.watcher.ready()
        while True:
            await self.look()
            await trio.sleep(self.watcher.poll_s)

    async def look(self) -> None:
        """Read every game of every lease that is held up or has machines; give these what is news or due."""
        height = self.watcher.height
        held = {lease: state for lease, state in self._leases() if self._is_held(lease, state)}
        looking = (height, tuple(sorted(held)))
        if looking == self._looked:
            return
        trouble = ""
        for lease, state in held.items():
            try:
                if state.phase in LEASE_ENDED:
                    await self._end(lease, SawLeaseEnd(height, state.phase == Phase.CONVICTED))
                else:
                    await self._read(lease, state, height)
            except GavelError as error:  # the other leases' clocks run all the same
                trouble = str(error)
        await self._forget(height)
        await self._keep(held)
        if trouble != self.trouble:
            log.log(logging.WARNING if trouble else logging.INFO, "games: %s", trouble or "all are followed")
        self._looked, self.trouble = None if trouble else looking, trouble

    def _leases(self) -> Iterator[tuple[LeaseId, ProviderLease]]:
        for id, state in self.loop.states(LEASE).items():
            if state.bid.verification == Verification.TAPE:
                yield LeaseId(id), state

    def _is_held(self, lease: LeaseId, state: ProviderLease) -> bool:
        frozen = state.chain.stage == Stage.POSTED and state.chain.frozen
        return frozen or any(True for _ in self._machines(lease))

    def _machines(self, lease: LeaseId) -> Iterator[tuple[MachineId, Defence]]:
        for id, state in self.loop.states(KIND).items():
            if state.case.lease_id == lease and state.phase not in ENDED:
                yield MachineId(KIND, id), state

    async def _end(self, lease: LeaseId, end: SawLeaseEnd) -> None:
        for machine, _ in list(self._machines(lease)):
            await self.loop.give(machine, end)
        self._jobs.pop(lease, None)

    async def _read(self, lease: LeaseId, state: ProviderLease, height: BlockNo) -> None:
        by_block = self.chain.blocking.network.clock is Clock.BLOCK
        since = state.chain.posted_at if by_block else None
        games = await self.chain.run(Chain.games_of, state.bid, self._jobs.get(lease), since)
        if lease not in self._jobs:
            self._want_job(lease, games)
        block = await self.chain.run(Chain.block_number)
        seen = await seen_games(games, block, self.confirmations, self._find)
        for game in sorted(games, key=lambda game: _due(game.now)):
            if game.game in seen:
                await self._give(state, game, SawGame(height, seen[game.game]))
        there = {game.game for game in games}
        for machine, known in list(self._machines(lease)):
            if machine.id not in there and known.seen is not None:
                await self.loop.give(machine, SawGame(height, None))
        if len(seen) < len(there):
            raise TransientError(
                f"{len(there) - len(seen)} games of lease 0x{lease.hex()} cannot be followed"
            )

    def _want_job(self, lease: LeaseId, games: Sequence[PlayedGame]) -> None:
        """Where a contract challenged, the job's terms are in no transaction, but follow from its bytes."""
        due = [_due(game.now) for game in games if game.steps[0].made is None]
        if due:
            with suppress(TransientError):  # until the next look these games cannot be followed
                self._jobs[lease] = self.errands.result(lease, "job", partial(self._job, lease, min(due)))

    async def _job(self, lease: LeaseId, deadline: BlockNo) -> Job:
        program, inputs, _ = await self.items.files(lease)
        async with self.desk.turn(deadline, lease, self.items.longest_ms(lease) / 1_000):
            return await self.tracer.job(program, inputs)

    def _find(self, case: Case, view: View, step: Step) -> Made:
        """Return a wallet contract's move; `TransientError` until it is found in our own trace.

        It hangs on nothing but what is named here, so a re-org that moves it is another question.
        """
        assert step.state is not None
        move = self.errands.result(
            case.lease_id, (case, view, step.state), partial(self._look_for, case, view, step.state)
        )
        return Made(move, view.challenger, step.state.moved_at, view.game)

    async def _look_for(self, case: Case, view: View, word: Game) -> ChallengerMove:
        path = await self.runs.asked((case.lease_id, case.item), _due(word))
        if path is None:
            raise TransientError(f"item {case.item} is executed to find a move that no transaction shows")
        kept = Kept(await self.items.of(case, 0), path)
        took_s = self.items.longest_ms(case.lease_id) / 1_000
        async with self.desk.turn(_due(word), case.lease_id, took_s):
            move = await self.tracer.find(kept, case, view, word)
        if move is None:
            raise InputError("a move that no transaction shows leads nowhere in our trace")
        return move

    async def _keep(self, held: Collection[LeaseId]) -> None:
        """Forget what was executed for leases without games; where there are none, end the children."""
        await self.runs.keep(held)
        self.errands.keep(held)
        if not held:
            self.tracer.rest()

    async def _give(self, lease: ProviderLease, game: PlayedGame, saw: SawGame) -> None:
        machine = MachineId(KIND, game.game)
        state: Defence | None = self.loop.state(machine)
        if state is None:
            fresh = Defence(lease.bid, game.case, game.opened.challenger, game.opened.seal)
            log.warning("game 0x%s challenges item %d", game.game.hex(), game.case.item)
            await self.loop.open(machine, fresh, saw)
        elif state.phase not in ENDED and (state.seen != saw.seen or _is_due(state, saw.height)):
            await self.loop.give(machine, saw)

    async def _forget(self, height: BlockNo) -> None:
        for id, state in list(self.loop.states(KIND).items()):
            # The pace of later traces follows from games that are over, for as long as an allowance.
            kept = max(_FORGET_AFTER, state.bid.trace_allowance)
            if state.phase in ENDED and height > state.height + kept:
                await self.loop.forget(MachineId(KIND, id))


def _due(word: Game) -> BlockNo:
    return BlockNo(word.moved_at + word.mover_left)


def _is_due(state: Defence, height: BlockNo) -> bool:
    due = wake(state)
    return due is not None and due <= height
