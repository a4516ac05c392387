"""A provider whose results are judged on a local chain, and challengers without a case."""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import trio

from protocol.chain.calls import Call
from protocol.chain.client import Chain
from protocol.chain.contract_wallet import through
from protocol.chain.errors import Revert
from protocol.chain.games import in_order
from protocol.chain.localnet import Localnet
from protocol.crypto import address_of
from protocol.dispute import moves
from protocol.dispute.moves import Challenge, Made, Resign
from protocol.dispute.names import Case, game_id
from protocol.dispute.records import Phase
from protocol.dispute.replay import Played, View, follow
from protocol.dispute.trace import Trace, plan
from protocol.engines.worker.items import ItemFile
from protocol.engines.worker.programs import load_program
from protocol.messages import Bid, Quote
from protocol.tape.reference import evaluate_all
from protocol.tape.roots import items_tree
from protocol.types import Address, Hash32, TransientError, to_hex
from provider_node.control import ask
from tests.contract_wallet import deploy_wallet
from tests.demander import Demander
from tests.dispute_cast import Picker
from tests.provider_rig import Client, Daemon, Job, make_job

ITEMS, WIDTH, DEPTH = 3, 160, 5
"""A job whose outputs take demands of every kind, and whose trace takes several reveals."""
WINDOW = 600
STALLED = 60
"""Blocks after which the clock of a challenger that stalls is over."""
REFUSED = ("Disputes_StepIsTrue", "Disputes_NeedsRunning", "Disputes_TooYoung")
"""What may be said against a false challenger's proof, and against nothing else that it does."""


@dataclass
class World:
    """A chain that makes a block for each transaction, so that no clock runs while a busy machine thinks, and
    a provider.
    """

    net: Localnet
    daemon: Daemon

    def games(self) -> list[dict[str, Any]]:
        """What the running daemon says of its games."""
        rows: list[dict[str, Any]] = ask(self.daemon.data, "status")["games"]
        return rows

    def games_of(self, result: "Result") -> list[dict[str, Any]]:
        """The same of one lease alone."""
        lease = to_hex(result.bid.lease_id())
        return [row for row in self.games() if row["lease"] == lease]

    def coin(self, account: int) -> int:
        """Coin of an account."""
        return self.net.chain().balance(address_of(self.net.keys[account]))

    async def settled(self, result: "Result") -> None:
        """Wait until the daemon holds all games of a lease for won."""
        while any(row["doing"] != "won" for row in self.games_of(result)):
            await trio.sleep(0.1)

    async def idle(self) -> None:
        """Wait until nothing of games is left: no trace on the disk, no child that holds memory for them."""
        while (now := ask(self.daemon.data, "status"))["games_workers"] or now["games_traces"]:
            self.net.anvil.mine()  # the daemon looks at each new height
            await trio.sleep(0.2)


@dataclass(frozen=True)
class Result:
    """A posted result, and what a challenger knows of it: everything."""

    bid: Bid
    root: Hash32
    folder: Path
    """Program and inputs."""
    traces: tuple[Trace, ...]

    def opening(self, item: int, seal: Hash32) -> Challenge:
        """A challenge of an item."""
        own = self.traces[item]
        proof = items_tree([each.item_root for each in self.traces]).proof(item)
        return Challenge(self.bid, own.plan.job, item, own.item_root, tuple(proof), seal)

    def case(self, item: int) -> Case:
        """What games about an item are about."""
        return self.opening(item, Hash32(bytes(32))).case


async def posted(client: Client, folder: Path, job: Job | None = None) -> Result:
    """Have a job run that can be judged, and compute every trace beside it. `job`: one of `ITEMS` items."""
    job = job or make_job(client.store, folder, items=ITEMS, width=WIDTH, depth=DEPTH)
    quote = await client.ask(job, verification=1, challenge_window=WINDOW, max_blocks=100)
    assert isinstance(quote, Quote), quote
    view = await client.until(await client.open(quote), "posted")
    tape, inputs = load_program(folder / "program").tape, ItemFile(folder / "inputs")
    work = plan(tape, list(inputs.roots()))
    values = [evaluate_all(tape, inputs[item]) for item in range(ITEMS)]
    traces = (
        Trace(work, item, [np.ascontiguousarray(value).tobytes() for value in each])
        for item, each in enumerate(values)
    )
    return Result(quote.terms(), view.output_root, folder, tuple(traces))


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

    @property
    def stalls(self) -> bool:
        """Whether it lets its clock run out from now on."""
        return self.turns >= self.stalls_after

    def __post_init__(self) -> None:
        self.seal = Hash32(self.rng.randbytes(32))
        self.picker = Picker(self.rng, self.result.traces[self.item])
        self.game = game_id(self.result.case(self.item).id, self.wallet or self.chain.address, self.seal)

    def open(self) -> None:
        """Open the game."""
        opening = self.result.opening(self.item, self.seal)
        bond = self.chain.bond(self.result.bid, ITEMS)
        self.send(self.chain.disputes.challenge(opening, bond))

    def send(self, call: Call) -> None:
        """Send a call, through the wallet if there is one."""
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
        if not view.phase.live or view.phase.provider_moves or self.stalls:
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
        """Open the game, and play to the end, or until it stalls."""
        await trio.to_thread.run_sync(self.open)
        await self.go_on()

    async def go_on(self) -> None:
        """Play to the end, or until it stalls."""
        while True:
            turns = self.turns
            phase = await trio.to_thread.run_sync(self.act)
            if phase in (Phase.LOST, Phase.WON):
                assert phase is Phase.LOST, "an honest provider was convicted"
                return
            if self.stalls and self.turns == turns and phase.live and not phase.provider_moves:
                return
            await trio.sleep(0.1)


def walleted(world: World, result: Result, account: int, item: int) -> Accuser:
    """An accuser that plays through a contract."""
    chain = world.net.chain(account)
    wallet = deploy_wallet(world.net, chain.address, 0)
    world.net.anvil.call("anvil_setBalance", "0x" + wallet.hex(), hex(10**20))
    return Accuser(chain, result, item, Random(5), wallet=wallet)


def demander(client: Client, result: Result) -> Demander:
    """Whoever demands all of a result."""
    return Demander(client.chain, result.bid, result.folder, result.root, ITEMS)
