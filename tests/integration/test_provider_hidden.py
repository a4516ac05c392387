"""Games whose landings no transaction shows, on a tape that was made to have many nodes to land on."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
import trio

from protocol.dispute.moves import Land
from protocol.dispute.names import Position
from protocol.dispute.records import Phase
from protocol.dispute.shown import TRACE
from protocol.store.artifacts import Artifacts
from protocol.tape import F32, TapeBuilder
from protocol.types import ZERO_HASH
from tests.judged import ITEMS, STALLED, Accuser, Result, World, posted, walleted
from tests.provider_rig import Job, job_of, open_client

pytestmark = [pytest.mark.xdist_group("provider"), pytest.mark.trio, pytest.mark.soak]

NODES, GAMES = 13_000, 10
"""Each transaction is a block here: all of it has to fit into the clock, as the provider reckons it."""
IN_TIME = 20.0
"""Seconds; to try every node for each game took some 66 for 30,000 nodes, so 28 for these."""


async def test_landings_that_many_games_hide_at_once_are_all_answered_in_time(
    judged: World, tmp_path: Path
) -> None:
    """To try each node for each game took minutes, in which no game of any lease was answered."""
    async with open_client(judged.net, tmp_path) as client:
        await judged.daemon.meet(client)
        result = await posted(client, tmp_path / "job", deep_job(client.store, tmp_path / "job", NODES))
        first = await trio.to_thread.run_sync(walleted, judged, result, 8, 0)
        await trio.to_thread.run_sync(first.open)
        with trio.fail_after(300):
            while first.chain.trace_root(result.case(0)) == ZERO_HASH:
                await trio.sleep(0.2)
        shams = [Accuser(first.chain, result, 0, Random(100 + n), wallet=first.wallet) for n in range(GAMES)]
        for each in shams:
            await trio.to_thread.run_sync(each.open)
        for each in shams:
            await trio.to_thread.run_sync(land, each, result)
        began = trio.current_time()
        with trio.fail_after(300):
            while any(each.chain.game(each.game).game.phase is Phase.REVEAL for each in shams):
                await trio.sleep(0.2)
        took = trio.current_time() - began
        print(f"answered in {took:.1f} s")
        assert took < IN_TIME
        judged.net.anvil.mine(STALLED)
        with trio.fail_after(300):
            await judged.settled(result)


def land(accuser: Accuser, result: Result) -> None:
    """Land on the last inner node: whoever tries them in order comes to it last."""
    trace = result.traces[0]
    plan, node = trace.plan, trace.plan.inner - 1
    siblings = tuple(trace.hash_at(TRACE, up, node >> up ^ 1) for up in range(trace.tree.depth))
    where = plan.job, node, plan.headers[node], tuple(plan.nodes.proof(node)), trace.hash_at(TRACE, 0, node)
    move = Land(result.case(0), accuser.seal, Position(trace.root), *where, siblings)
    accuser.send(accuser.chain.disputes.move(move))


def deep_job(store: Artifacts, folder: Path, nodes: int) -> Job:
    """A job of so many small nodes, one after another."""
    builder = TapeBuilder()
    value = builder.input(F32, (1, 32), "x")
    for _ in range(nodes):
        value = builder.map(lambda v: v * v, value)
    values = np.random.default_rng(7).standard_normal((ITEMS, 1, 32))
    return job_of(store, folder, builder.build([value]), values)
