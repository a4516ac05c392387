"""Tells game machines what the chain says: every game of every lease that is held up, at every new height.

There is no cursor and nothing to catch up: each look reads all games with all their moves. So outages,
restarts and re-organisations need no case of their own.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.dispute_events import GameLost, Judged
from protocol.chain.game_steps import PlayedGame
from protocol.chain.games import in_order
from protocol.chain.networks import Clock
from protocol.dispute.defence import ENDED, wake
from protocol.dispute.defence_types import Defence, SawGame, SawLeaseEnd, SeenGame
from protocol.dispute.moves import Challenge
from protocol.dispute.names import Job
from protocol.dispute.replay import Played, replay
from protocol.lease.provider import ENDED as LEASE_ENDED
from protocol.lease.provider_types import Phase, ProviderLease, Stage
from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.store.artifacts import Artifacts
from protocol.types import ZERO_HASH, BlockNo, GavelError, Hash32, LeaseId, TransientError, Verification
from provider_node.defence.tracer import Tracer
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
    store: Artifacts
    tracer: Tracer
    confirmations: int
    trouble: str = ""
    _jobs: dict[LeaseId, Job] = field(default_factory=dict)
    _looked: object = None

    async def run(self) -> None:
        """Look whenever there is a new height, until cancelled."""
        await self.watcher.ready()
        while True:
            try:
                await self.look()
                self.trouble = ""
            except GavelError as error:
                if str(error) != self.trouble:
                    log.warning("games cannot be read: %s", error)
                self._looked, self.trouble = None, str(error)
            await trio.sleep(self.watcher.poll_s)

    async def look(self) -> None:
        """Read every game of every lease that is held up or has machines; give these what is news or due."""
        height = self.watcher.height
        held = {lease: state for lease, state in self._leases() if self._is_held(lease, state)}
        looking = (height, tuple(sorted(held)))
        if looking == self._looked:
            return
        for lease, state in held.items():
            if state.phase in LEASE_ENDED:
                await self._end(lease, SawLeaseEnd(height, state.phase == Phase.CONVICTED))
            else:
                await self._read(lease, state, height)
        await self._forget(height)
        self._looked = looking

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
        if any(not game.steps or game.steps[0].made is None for game in games) and lease not in self._jobs:
            # A contract challenged: the job's terms are not in its transaction, but follow from its bytes.
            self._jobs[lease] = await self._job(state)
            games = await self.chain.run(Chain.games_of, state.bid, self._jobs[lease], since)
        block = await self.chain.run(Chain.block_number)
        seen = await trio.to_thread.run_sync(self._seen, games, block)
        for game in sorted(games, key=lambda game: game.now.moved_at + game.now.mover_left):
            await self._give(state, game, SawGame(height, seen[game.game]))
        for machine, known in list(self._machines(lease)):
            if machine.id not in seen and known.seen is not None:
                await self.loop.give(machine, SawGame(height, None))

    async def _job(self, state: ProviderLease) -> Job:
        spec = state.spec
        assert spec is not None, "what is posted was fetched"
        paths = [await trio.to_thread.run_sync(self.store.path, each) for each in (spec.program, spec.inputs)]
        return await self.tracer.job(*map(str, paths))

    def _seen(self, games: Sequence[PlayedGame], block: int) -> dict[Hash32, SeenGame]:
        judged = [event for game in games for event in game.others if isinstance(event, Judged)]
        sentence = min((event.at.block for event in judged), default=None)
        found = {}
        for played in _replayed(games):
            for game in games:
                view = played.views.get(game.game)
                if view is None:
                    continue
                if not view.agrees(game.now):
                    raise TransientError(f"the moves of game 0x{game.game.hex()} do not lead to its state")
                lost = [event.at.block for event in game.others if isinstance(event, GameLost)]
                over = sentence if sentence is not None else min(lost, default=None)
                found[game.game] = SeenGame(
                    view,
                    game.now,
                    played.trace_root or ZERO_HASH,
                    convicted=sentence is not None,
                    final=over is not None and block - over >= self.confirmations - 1,
                )
        return found

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
            if state.phase in ENDED and height > state.height + _FORGET_AFTER:
                await self.loop.forget(MachineId(KIND, id))


def _is_due(state: Defence, height: BlockNo) -> bool:
    due = wake(state)
    return due is not None and due <= height


def _replayed(games: Sequence[PlayedGame]) -> Iterator[Played]:
    """Every case with all its games: what one of them opened holds for all."""
    for case in {game.case for game in games}:
        steps = in_order(game for game in games if game.case == case)
        made = [step.made for step in steps if step.made is not None]
        first = next((each.move for each in made if isinstance(each.move, Challenge)), None)
        if first is not None:
            yield replay(case, first.job, made)
