"""A cheat opens a game on itself through a wallet contract, and posts its trace in that game."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from protocol.chain.client import Chain
from protocol.chain.contract_wallet import through
from protocol.chain.games import in_order
from protocol.chain.localnet import Localnet
from protocol.crypto import keccak256
from protocol.dispute import moves
from protocol.dispute.names import Case, Job
from protocol.dispute.records import Conviction
from protocol.dispute.replay import replay
from protocol.engines.worker.dispute_records import AccuseArgs, AccuseResult, AnswerArgs, Item, MoveResult
from protocol.engines.worker.game_wire import CASES, JOBS, MOVES, VIEWS
from protocol.engines.worker.interface import from_wire, to_wire
from protocol.messages import Bid
from protocol.types import InputError
from tests.chain_helpers import OPERATOR, STRANGER
from tests.contract_wallet import deploy_wallet
from tests.game_rig import FLIP, Cheat, House, open_cheat
from tests.watch_rig import ITEMS, open_provider

pytestmark = [pytest.mark.trio]


async def test_a_sham_through_a_contract_hides_no_trace(localnet: Localnet, tmp_path: Path) -> None:
    """RULES 8: the trace was posted in the sham; the watchtower's own game starts from it, and convicts."""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(open_provider(localnet, tmp_path, width=256, depth=2))
        cheat = await open_cheat(stack, provider, tmp_path, FLIP)
        bid = await cheat.post()
        chain, sham = localnet.chain(), localnet.chain(STRANGER)
        accused = AccuseArgs(Item(*cheat._job(), 0), str(tmp_path / "false-outputs"))
        found = from_wire(await cheat.child.call(accused.OP, to_wire(accused)), AccuseResult)
        job, case = JOBS.decode(found.job), Case(bid.lease_id(), bid.job_hash, 0, found.posted_root)
        seal = keccak256(b"sham")
        opening = moves.Challenge(bid, job, 0, found.posted_root, tuple(found.proof), seal)
        wallet = await trio.to_thread.run_sync(deploy_wallet, localnet, sham.address, 0)
        localnet.anvil.call("anvil_setBalance", "0x" + wallet.hex(), hex(10**19))
        challenge = through(wallet, sham.disputes.challenge(opening, sham.bond(bid, ITEMS)))
        await trio.to_thread.run_sync(sham.send, challenge)
        assert await _answer(cheat, chain, bid, job, case)
        nursery = await stack.enter_async_context(trio.open_nursery())
        world = House(localnet, cheat, bid, tmp_path, nursery)
        world.start()

        async def defend() -> None:
            while True:
                await _answer(cheat, chain, bid, job, case)
                await trio.sleep(0.1)

        nursery.start_soon(defend)
        await world.phase("claimed")
        assert chain.verdict(bid.lease_id()).how is Conviction.PROVEN
        nursery.cancel_scope.cancel()


async def _answer(cheat: Cheat, chain: Chain, bid: Bid, job: Job, case: Case) -> bool:
    """Send the cheat's next owed answer; it knows the job of every game about its own leases."""
    operator = cheat.net.chain(OPERATOR)
    games = await trio.to_thread.run_sync(chain.games_of, bid, job)
    played = replay(case, job, [step.made for step in in_order(games) if step.made])
    for view in played.views.values():
        if view.phase.live and view.phase.provider_moves:
            args = AnswerArgs(
                Item(*cheat._job(), case.item),
                CASES.encode(case),
                VIEWS.encode(view),
                played.trace_root or b"",
                bid.owner,
                bid.struct_hash(),
                operator.address,
            )
            reply = from_wire(await cheat.child.call(args.OP, to_wire(args)), MoveResult)
            if reply.move:
                call = operator.disputes.move(MOVES.decode(reply.move))
                try:
                    await trio.to_thread.run_sync(operator.send, call)
                except InputError:
                    return False  # the lease is convicted
                return True
    return False
