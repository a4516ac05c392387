"""Performs what game machines ask for: make the forced answer and send it, end a game, raise the alarm."""

import logging
from dataclasses import dataclass, field

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.calls import NOTHING, Due
from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.dispute.defence_types import (
    Alarm,
    Answer,
    Defence,
    DidContradict,
    DidMove,
    ExpireGame,
    Rejected,
    SeenGame,
)
from protocol.dispute.moves import Timeout
from protocol.dispute.records import Game
from protocol.lease.provider_types import ProviderLease
from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.runtime.performer import Context
from protocol.types import ZERO_HASH, Address, BlockNo, Blocks, Hash32, InputError
from provider_node.defence.desk import Desk
from provider_node.defence.items import Items
from provider_node.defence.pacing import turn_of
from provider_node.defence.runs import Runs
from provider_node.defence.scout import KIND
from provider_node.defence.suspension import Suspension
from provider_node.defence.tracer import Answerer, Kept, Tracer
from provider_node.sending import Sending
from provider_node.watcher import KIND as LEASE
from provider_node.watcher import Watcher

log = logging.getLogger(__name__)


@dataclass
class Answering:
    """Handlers of the effects of game machines. `alarms`: contradictions since the start."""

    chain: AsyncChain
    loop: Loop
    watcher: Watcher
    sending: Sending
    suspension: Suspension
    tracer: Tracer
    runs: Runs
    operator: Address
    items: Items
    move_clock: Blocks
    alarms: int = 0
    desk: Desk = field(default_factory=Desk)

    @property
    def suspended(self) -> bool:
        """Whether new jobs are refused because this machine contradicted itself."""
        return bool(self.suspension.market.suspended)

    async def answer(self, effect: Answer, context: Context) -> DidMove | DidContradict:
        """Perform `Answer`: have the item executed if it was not yet, hold it to what was posted, answer."""
        state, seen = self._game(context)
        if not await self._waits(context, seen):
            return DidMove(effect.round, NOTHING)
        name = (state.case.lease_id, state.case.item)
        path = await self.runs.built(name, state.deadline, effect.doubts)
        if seen.trace_root == ZERO_HASH:
            await self._turn(state)
        kept = Kept(await self.items.of(state.case, 0), path)
        took_s = self.items.longest_ms(state.case.lease_id) / 1_000
        async with self.desk.turn(state.deadline, state.case.lease_id, took_s):
            own = await self.tracer.opened(kept)
            if own.item_root != state.case.item_root or seen.trace_root not in (ZERO_HASH, own.trace_root):
                await trio.to_thread.run_sync(self.runs.shelf.drop, name)
                return DidContradict(effect.round, Hash32(own.item_root), Hash32(own.trace_root))
            by = Answerer(state.bid.owner, state.bid.struct_hash(), self.operator)
            root = b"" if seen.trace_root == ZERO_HASH else seen.trace_root
            move = await self.tracer.answer(kept, state.case, seen.view, Hash32(root), by)
        if move is None:
            return DidMove(effect.round, NOTHING)
        worth = await self.chain.run(lambda chain: chain.worth(state.bid.token, state.bid.bond))
        call = self.chain.blocking.disputes.move(move).by(
            Due.between(seen.word.moved_at, state.deadline, worth)
        )
        log.info("answering with %s, %d blocks left", call.what, state.deadline - self.watcher.height)
        try:
            receipt = await self.sending.send(call, context.effect_id.hex())
        except Revert:
            if await self._waits(context, seen):
                raise
            log.info("%s was done by somebody else, or the game is over", call.what)
            return DidMove(effect.round, NOTHING)
        return DidMove(effect.round, receipt.fee)

    async def expire(self, effect: ExpireGame, context: Context) -> DidMove:
        """Perform `ExpireGame`: what is left of the bond becomes coin of the owner."""
        state, seen = self._game(context)
        if not await self._waits(context, seen):
            return DidMove(effect.round, NOTHING)
        move = Timeout(state.bid, state.case, state.challenger, state.seal)
        try:
            call = self.chain.blocking.disputes.move(move)
            receipt = await self.sending.send(call, context.effect_id.hex())
        except Revert:
            if await self._waits(context, seen):
                raise
            return DidMove(effect.round, NOTHING)
        return DidMove(effect.round, receipt.fee)

    async def alarm(self, effect: Alarm, _: Context) -> None:
        """Perform `Alarm`. No new job is taken until the operator says so, restarts included."""
        self.alarms += 1
        await self.suspension.begin("its results are in doubt")
        log.error(
            "THIS MACHINE CONTRADICTS ITS OWN RESULT: %s. No new jobs are taken. Nothing is answered from "
            "such a run; the item is executed again until it gives what was posted. Check memory and GPUs, "
            "then: gavel provider resume",
            effect.reason,
        )

    async def note(self, effect: Rejected, context: Context) -> None:
        """Perform `Rejected`."""
        log.warning("%s: %s in phase %s: %s", context.machine, effect.input, effect.phase.name, effect.reason)

    async def _turn(self, state: Defence) -> None:
        """Wait until it is this trace's turn (`protocol.dispute.pace`)."""
        lease: ProviderLease | None = self.loop.state(MachineId(LEASE, state.case.lease_id))
        if lease is None:
            return
        turn = turn_of(state, self.loop.states(KIND).values(), lease.chain, self.move_clock)
        if turn > self.watcher.height:
            log.info("the trace of item %d is posted from block %d on", state.case.item, turn)
        while self.watcher.height < turn:
            await trio.sleep(self.watcher.poll_s)

    async def _waits(self, context: Context, seen: SeenGame) -> bool:
        """Whether the game still stands where the machine saw it."""
        now = (await self.chain.run(Chain.game, Hash32(context.machine.id))).game
        return _place(now) == _place(seen.word)

    def _game(self, context: Context) -> tuple[Defence, SeenGame]:
        state: Defence = self.loop.state(context.machine)
        if state.seen is None:
            raise InputError("the chain does not show the game")
        return state, state.seen


def _place(word: Game) -> tuple[int, ...]:
    return word.phase, word.moved_at, word.tag, word.chosen


def blocks_left(state: Defence, height: BlockNo) -> int:
    """Return the blocks that the mover has left."""
    return max(state.deadline - height, 0)
