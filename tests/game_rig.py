"""A provider that cheats and defends its lie: its answers come out of the lying worker (`tests.cheat`)."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import trio

from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.chain.games import in_order
from protocol.chain.localnet import Localnet
from protocol.dispute.moves import ProviderMove
from protocol.dispute.replay import replay
from protocol.engines.worker.dispute_records import AccuseArgs, AccuseResult, AnswerArgs, Item, MoveResult
from protocol.engines.worker.game_wire import CASES, JOBS, MOVES, VIEWS
from protocol.engines.worker.interface import RunArgs, from_wire, to_wire
from protocol.messages import Bid
from protocol.runtime.child import Child, ChildOptions, open_child
from protocol.types import ArtifactId, Blocks, Verification
from tests.chain_helpers import OPERATOR
from tests.watch_rig import ITEMS, Provider


@dataclass
class Cheat:
    """Posts what the lying worker makes of a provider's job, and answers every game about it."""

    provider: Provider
    child: Child
    folder: Path
    answered: int = 0

    @property
    def net(self) -> Localnet:
        """The chain."""
        return self.provider.net

    async def post(self, nonce: int = 1) -> Bid:
        """Run the job falsely and post the result."""
        outputs = self.folder / "false-outputs"
        args = RunArgs(*self._job(), str(outputs), ITEMS)
        await self.child.call(args.OP, to_wire(args))
        bid = self.provider.bid(nonce, challenge_window=Blocks(300), verification=int(Verification.TAPE))
        return await trio.to_thread.run_sync(self.provider.post_under, bid, outputs)

    def _job(self) -> tuple[str, str]:
        spec, store = self.provider.job.spec, self.provider.store
        return str(store.path(ArtifactId(spec.program))), str(store.path(ArtifactId(spec.inputs)))

    async def defend(self, bid: Bid) -> None:
        """Answer games until cancelled."""
        chain = self.net.chain(OPERATOR)
        while True:
            if move := await self._owed(chain, bid):
                try:
                    await trio.to_thread.run_sync(chain.send, chain.disputes.move(move))
                    self.answered += 1
                except Revert:
                    pass  # the lease is convicted, or a re-org came between
            await trio.sleep(0.05)

    async def _owed(self, chain: Chain, bid: Bid) -> ProviderMove | None:
        games = await trio.to_thread.run_sync(chain.games_of, bid)
        for case in dict.fromkeys(game.case for game in games):
            item = Item(*self._job(), case.item)
            accused = AccuseArgs(item, str(self.folder / "false-outputs"))
            found = from_wire(await self.child.call(accused.OP, to_wire(accused)), AccuseResult)
            made = [step.made for step in in_order(games) if step.made and step.made.game in _of(games, case)]
            played = replay(case, JOBS.decode(found.job), made)
            for view in played.views.values():
                if view.phase.live and view.phase.provider_moves:
                    args = AnswerArgs(
                        item,
                        CASES.encode(case),
                        VIEWS.encode(view),
                        played.trace_root or b"",
                        bid.owner,
                        bid.struct_hash(),
                        chain.address,
                    )
                    reply = from_wire(await self.child.call(args.OP, to_wire(args)), MoveResult)
                    return MOVES.decode(reply.move) if reply.move else None
        return None


def _of(games, case) -> set[bytes]:
    return {game.game for game in games if game.case == case}


async def open_cheat(stack: AsyncExitStack, provider: Provider, folder: Path, flip: str) -> Cheat:
    """Start the lying worker."""
    options = ChildOptions(memory=4 << 30, idle_s=600, env={"CHEAT_FLIP": flip})
    child = await stack.enter_async_context(open_child("tests.cheat.worker", options=options))
    return Cheat(provider, child, folder)
