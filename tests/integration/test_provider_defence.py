"""A provider daemon whose right result is challenged falsely, on a real chain with a real worker."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import trio

from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.contract_wallet import through
from protocol.chain.errors import Revert
from protocol.chain.games import in_order
from protocol.chain.localnet import Localnet, run_localnet
from protocol.crypto import address_of
from protocol.dispute import moves
from protocol.dispute.moves import Challenge, Made, Resign
from protocol.dispute.names import Case, game_id
from protocol.dispute.records import Phase
from protocol.dispute.replay import Played, View, follow
from protocol.dispute.trace import Trace, plan
from protocol.engines.worker.items import ItemFile
from protocol.engines.worker.programs import load_program
from protocol.messages import Bid, Decline, Quote
from protocol.tape.reference import evaluate_all
from protocol.tape.roots import items_tree
from protocol.types import ZERO_HASH, Address, Hash32, LeaseId, TransientError
from provider_node.control import ask
from tests.contract_wallet import deploy_wallet
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
    wallet: Address | None = None
    """The contract that plays, on this key's word: its transactions show nothing of what it calls."""
    turns: int = 0
    hidden: list[moves.Move] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.seal = Hash32(self.rng.randbytes(32))
        self.picker = Picker(self.rng, self.result.traces[self.item])
        self.game = game_id(self.result.case(self.item).id, self.wallet or self.chain.address, self.seal)

    def open(self) -> None:
        opening = self.result.opening(self.item, self.seal)
        bond = self.chain.bond(self.result.bid, ITEMS)
        self.send(self.chain.disputes.challenge(opening, bond))

    def send(self, call: Call) -> None:
        self.chain.send(through(self.wallet, call) if self.wallet else call)

    def look(self) -> tuple[Played, View]:
        """All games of the case, as the chain has them."""
        case = self.result.case(self.item)
        job = self.result.traces[self.item].plan.job
        games = [each for each in self.chain.games_of(self.result.bid, job) if each.case == case]
        played, unseen = Played(case, job), iter(self.hidden)
        # Games of other wallets cannot be followed from here, and need not be.
        mine = [each for each in games if each.game == self.game or all(step.made for step in each.steps)]
        for step in in_order(mine):
            made = step.made
            if made is None:
                assert step.state is not None
                by = self.wallet or self.chain.address
                made = Made(next(unseen), by, step.state.moved_at, self.game)
            played = follow(played, made)
        return played, played.views[self.game]

    def act(self) -> Phase:
        """Move once, if it is this side's turn. The dice may find a proof: it must be refused."""
        try:
            played, view = self.look()
        except TransientError:
            return Phase.NONE
        if not view.phase.live or view.phase.provider_moves or self.turns >= self.stalls_after:
            return view.phase
        self.turns += 1
        move: moves.Call | None = self.picker.move(played, view)
        if self.turns > 8:
            move = Resign(self.result.bid, played.case, self.seal)
        if move is None:
            return view.phase
        try:
            self.send(self.chain.disputes.move(move))
            if self.wallet and isinstance(move, moves.Jump | moves.Land | moves.LandOnOutput):
                self.hidden.append(move)
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
    """Five games at once, about three items; the daemon is killed in their middle."""
    async with open_client(world.net, tmp_path) as client:
        await world.daemon.meet(client)
        result = await posted(world, client, tmp_path / "job")
        before = world.net.chain().balance(address_of(world.net.keys[OPERATOR]))
        accusers = [
            Accuser(world.net.chain(account), result, number % 2, Random(number), 2 if number == 3 else 99)
            for number, account in enumerate(CHALLENGERS)
        ]
        accusers.append(await trio.to_thread.run_sync(walleted, world, result))
        with trio.fail_after(200):
            async with trio.open_nursery() as nursery:
                for each in accusers:
                    nursery.start_soon(each.play)
                await world.daemon.seen("answering with Disputes.trace")
                await trio.sleep(4)
                world.net.anvil.set_block_time(0)  # however long a busy machine takes to start it
                world.daemon.kill()
                await trio.sleep(2)
                world.daemon.start()
                await world.daemon.meet(client)
                world.net.anvil.set_block_time(1)
            await settled(world, len(accusers))
        assert accusers[-1].hidden, "where the wallet's game went had to be found"
        rows = world.games()
        spent = before - world.net.chain().balance(address_of(world.net.keys[OPERATOR]))
        assert {row["doing"] for row in rows} == {"won"}
        assert sum(row["moves"] for row in rows) >= len(accusers)
        repaid, fees = (sum(float(row[name]) for row in rows) for name in ("repaid", "fees"))
        print("moves", [row["moves"] for row in rows], "fees", fees, "repaid", repaid, "spent", spent)
        # What is not repaid: games taken over, and the end of the one that stalled.
        assert repaid > 0.5 * fees
        assert spent < 0.6 * fees * 10**18
        lost = world.net.chain().coin(address_of(world.net.keys[OWNER]))
        assert lost > 0, "what challengers lost is the owner's"
        lease = LeaseId(result.bid.lease_id())
        assert not client.chain.lease(lease).freezes
        world.net.anvil.mine(WINDOW)
        await client.until(lease, "finalized")
        paid = await trio.to_thread.run_sync(world.daemon.call, "withdraw", "--coin")
        assert float(paid["withdrawn_coin"]) * 10**18 == pytest.approx(lost)
        assert world.net.chain().coin(address_of(world.net.keys[OWNER])) == 0


def walleted(world: World, result: Result) -> Accuser:
    """An accuser that plays through a contract."""
    chain = world.net.chain(8)
    wallet = deploy_wallet(world.net, chain.address, 0)
    world.net.anvil.call("anvil_setBalance", "0x" + wallet.hex(), hex(10**20))
    return Accuser(chain, result, 2, Random(5), wallet=wallet)


async def settled(world: World, count: int) -> None:
    """Wait until the daemon holds all games for over."""
    while sum(row["doing"] == "won" for row in world.games()) < count:
        await trio.sleep(0.5)


async def test_a_fault_of_the_machine_is_alarmed_about_never_answered_from_and_outlived(
    world: World, tmp_path: Path
) -> None:
    """A bit of the inputs rots on disk after the result was posted, and is mended while the clock runs."""
    async with open_client(world.net, tmp_path) as client:
        await world.daemon.meet(client)
        result = await posted(world, client, tmp_path / "job")
        right = (tmp_path / "job" / "inputs").read_bytes()
        (held,) = (
            path
            for path in (world.daemon.data / "artifacts").rglob("*")
            if path.is_file() and path.stat().st_size == len(right) and path.read_bytes() == right
        )
        held.chmod(0o600)
        held.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
        last = ITEMS - 1
        accuser = Accuser(world.net.chain(CHALLENGERS[0]), result, last, Random(1), 2)
        with trio.fail_after(150):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(accuser.play)
                await world.daemon.seen("THIS MACHINE CONTRADICTS ITS OWN RESULT")
                (row,) = world.games()
                assert (row["doing"], row["turn"], row["moves"]) == ("doubting", "ours", 0)
                posted_root = world.net.chain().trace_root(result.case(last).id)
                assert posted_root == ZERO_HASH, "a wrong trace would convict a right result"
                assert "no new jobs" in (await declined(client, tmp_path))
                held.write_bytes(right)
            await settled(world, 1)
        (row,) = world.games()
        assert row["moves"] > 0


async def declined(client: Client, folder: Path) -> str:
    """Ask for another job; return why it is not taken."""
    job = make_job(client.store, folder / "another", items=1, width=64)
    answer = await client.ask(job, verification=1, challenge_window=WINDOW, max_blocks=100)
    assert isinstance(answer, Decline)
    return answer.reason
