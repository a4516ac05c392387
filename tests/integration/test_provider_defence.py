"""A provider daemon whose right result is challenged falsely, on a real chain with a real worker."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import trio

from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.chain.games import in_order
from protocol.chain.localnet import Localnet, run_localnet
from protocol.crypto import address_of
from protocol.dispute import moves
from protocol.dispute.moves import Challenge, Resign
from protocol.dispute.names import Case, game_id
from protocol.dispute.records import Phase
from protocol.dispute.replay import Played, View, replay
from protocol.dispute.trace import Trace, plan
from protocol.engines.worker.items import ItemFile
from protocol.engines.worker.programs import load_program
from protocol.messages import Bid, Quote
from protocol.tape.reference import evaluate_all
from protocol.tape.roots import items_tree
from protocol.types import Hash32, LeaseId, TransientError
from provider_node.control import ask
from tests.dispute_cast import Picker
from tests.provider_rig import OPERATOR, OWNER, Client, Daemon, make_job, open_client, provider_home

pytestmark = [pytest.mark.xdist_group("provider"), pytest.mark.trio]

ITEMS = 3
CHALLENGERS = (4, 5, 6, 7)
WINDOW = 400
REFUSED = ("Disputes_StepIsTrue", "Disputes_NeedsRunning", "Disputes_TooYoung")
"""What may be said against a false challenger's proof, and against nothing else that it does."""


@dataclass
class World:
    """A chain that makes a block a second, and a provider that has posted a right result."""

    net: Localnet
    daemon: Daemon

    def games(self) -> list[dict[str, Any]]:
        """What the running daemon says of its games."""
        rows: list[dict[str, Any]] = ask(self.daemon.data, "status")["games"]
        return rows


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    networks = tmp_path / "networks.yaml"
    with (
        run_localnet(block_time=1, networks_file=networks) as net,
        provider_home(net, tmp_path, networks, price={"start_blocks": 40, "result_blocks": 40}) as daemon,
    ):
        daemon.start()
        yield World(net, daemon)


@dataclass(frozen=True)
class Result:
    """A posted result, and what a challenger knows of it: everything."""

    bid: Bid
    traces: tuple[Trace, ...]

    def opening(self, item: int, seal: Hash32) -> Challenge:
        own = self.traces[item]
        proof = items_tree([each.item_root for each in self.traces]).proof(item)
        return Challenge(self.bid, own.plan.job, item, own.item_root, tuple(proof), seal)

    def case(self, item: int) -> Case:
        return self.opening(item, Hash32(bytes(32))).case


async def posted(world: World, client: Client, folder: Path) -> Result:
    """Have a job run that can be judged, and compute every trace beside it."""
    job = make_job(client.store, folder, items=ITEMS, width=64, depth=5)
    quote = await client.ask(job, verification=1, challenge_window=WINDOW, max_blocks=100)
    assert isinstance(quote, Quote), quote
    lease = await client.open(quote)
    await client.until(lease, "posted")
    tape, inputs = load_program(folder / "program").tape, ItemFile(folder / "inputs")
    work = plan(tape, list(inputs.roots()))
    values = [evaluate_all(tape, inputs[item]) for item in range(ITEMS)]
    traces = (
        Trace(work, item, [np.ascontiguousarray(value).tobytes() for value in each])
        for item, each in enumerate(values)
    )
    return Result(quote.terms(), tuple(traces))


@dataclass
class Accuser:
    """A challenger without a case: it goes where the dice say, tries every proof, then gives up or stalls."""

    chain: Chain
    result: Result
    item: int
    rng: Random
    stalls_after: int = 99
    moves: int = 0

    def __post_init__(self) -> None:
        self.seal = Hash32(self.rng.randbytes(32))
        self.picker = Picker(self.rng, self.result.traces[self.item])
        self.game = game_id(self.result.case(self.item).id, self.chain.address, self.seal)

    def open(self) -> None:
        opening = self.result.opening(self.item, self.seal)
        bond = self.chain.bond(self.result.bid, ITEMS)
        self.chain.send(self.chain.disputes.challenge(opening, bond))

    def look(self) -> tuple[Played, View]:
        """All games of the case, as the chain has them."""
        case = self.result.case(self.item)
        games = [each for each in self.chain.games_of(self.result.bid) if each.case == case]
        made = [step.made for step in in_order(games) if step.made]
        played = replay(case, self.result.traces[self.item].plan.job, made)
        return played, played.views[self.game]

    def act(self) -> Phase:
        """Move once, if it is this side's turn. The dice may find a proof: it must be refused."""
        try:
            played, view = self.look()
        except TransientError:
            return Phase.NONE
        if not view.phase.live or view.phase.provider_moves or self.moves >= self.stalls_after:
            return view.phase
        self.moves += 1
        move: moves.Call | None = self.picker.move(played, view)
        if self.moves > 8:
            move = Resign(self.result.bid, played.case, self.seal)
        if move is None:
            return view.phase
        try:
            self.chain.send(self.chain.disputes.move(move))
        except Revert as refusal:
            if refusal.name not in REFUSED:
                raise
        return view.phase

    async def play(self) -> None:
        """Play to the end."""
        await trio.to_thread.run_sync(self.open)
        while True:
            phase = await trio.to_thread.run_sync(self.act)
            if phase in (Phase.LOST, Phase.WON):
                assert phase is Phase.LOST, "an honest provider was convicted"
                return
            await trio.sleep(0.3)


async def test_false_challenges_of_every_kind_are_all_answered_through_a_power_cut(
    world: World, tmp_path: Path
) -> None:
    """Four games at once, about two items; the daemon is killed in their middle."""
    async with open_client(world.net, tmp_path) as client:
        await world.daemon.meet(client)
        result = await posted(world, client, tmp_path / "job")
        before = world.net.chain().balance(address_of(world.net.keys[OPERATOR]))
        accusers = [
            Accuser(world.net.chain(account), result, number % 2, Random(number), 2 if number == 3 else 99)
            for number, account in enumerate(CHALLENGERS)
        ]
        with trio.fail_after(200):
            async with trio.open_nursery() as nursery:
                for each in accusers:
                    nursery.start_soon(each.play)
                await world.daemon.seen("answering with Disputes.trace")
                await trio.sleep(4)
                world.daemon.kill()
                await trio.sleep(2)
                world.daemon.start()
                await world.daemon.meet(client)
            await settled(world, len(accusers))
        rows = world.games()
        print([(r["answers"], r["fees"], r["repaid"]) for r in rows])
        spent = before - world.net.chain().balance(address_of(world.net.keys[OPERATOR]))
        assert {row["doing"] for row in rows} == {"won"}
        assert sum(row["answers"] for row in rows) >= len(accusers)
        # Repaid: all but new keys, which adopt nothing here, and the end of the game that stalled.
        repaid = sum(float(row["repaid"]) for row in rows)
        fees = sum(float(row["fees"]) for row in rows)
        assert 0.5 * fees < repaid
        assert spent < 10**16, spent
        lost = world.net.chain().coin(address_of(world.net.keys[OWNER]))
        assert lost > 0, "what challengers lost is the owner's"
        lease = LeaseId(result.bid.lease_id())
        assert not client.chain.lease(lease).freezes
        world.net.anvil.mine(WINDOW)
        await client.until(lease, "finalized")


async def settled(world: World, count: int) -> None:
    """Wait until the daemon holds all games for over."""
    while sum(row["doing"] == "won" for row in world.games()) < count:
        await trio.sleep(0.5)
