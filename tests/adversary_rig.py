"""One chain, one lying provider daemon and one watchtower, each a process, for cheats of every kind.

Each job has a lie of its own (`tests.cheat.lies`); all are played at once. Blocks are made by the test's own
loop: it can look at what is about to be mined, hold it up, or change what gas costs.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import trio
import yaml

from protocol.chain.anvil import Anvil, dev_keys
from protocol.chain.client import Chain
from protocol.chain.deploy import create_local_token, deploy
from protocol.chain.deploy_terms import TokenTerms, default_dispute_terms, default_terms
from protocol.chain.events import Ended, topic_of
from protocol.chain.game_steps import PlayedGame
from protocol.chain.judges import of_tapes
from protocol.chain.localnet import COIN_PRICE, RESERVE, SHOW_UP, Localnet, fund
from protocol.chain.networks_file import shipped_network, write_deployment
from protocol.chain.node import Node
from protocol.chain.sender import Sender
from protocol.chain.views import LeaseState
from protocol.crypto import address_of
from protocol.dispute import moves
from protocol.engines.worker import arrays
from protocol.engines.worker.interface import PackArgs
from protocol.engines.worker.programs import describe, load_program, write_program
from protocol.messages import Bid, Decline, JobSpec, Quote
from protocol.store.artifacts import Artifacts
from protocol.types import Address, Blocks, JobKind, LeaseId
from tests.cheat.job import specimen
from tests.cheat.provider import TITLE
from tests.game_rig import TOWER, TowerProcess
from tests.provider_rig import OPERATOR, OWNER, Client, Daemon, Job, open_client, provider_home
from watchtower.standings import Standing, Standings

ITEMS, WINDOW = 2, 3_000
BEAT_S = 0.25
"""Between blocks, unless somebody needs more time."""
MOVE_CLOCK = 100
"""Blocks: long enough at that pace for processes on a busy machine."""
NEARLY_OVER = 10
"""Blocks on a clock."""
Hook = Callable[[], None]


@contextmanager
def chain_at_will(folder: Path, move_clock: int) -> Iterator[tuple[Localnet, Path]]:
    """A chain with all judges whose blocks are made by `Pulse` alone, and its networks file."""
    keys = dev_keys(10)
    with Anvil() as anvil:
        base = replace(shipped_network("local"), rpc_urls=(anvil.url,), seconds_per_block=1)
        sender = Sender(Node.of(base), base, keys[0])
        tokens = [TokenTerms(create_local_token(sender), RESERVE, SHOW_UP, coin_price=COIN_PRICE)]
        clocks = replace(
            default_dispute_terms(base),
            move_clock=Blocks(move_clock),
            increment=Blocks(move_clock // 5),
            claim_period=Blocks(10),
        )
        terms = default_terms(base, tokens, longest_window_seconds=2 * WINDOW)
        made = deploy(base, sender, terms, name="local", judges=of_tapes(base, clocks, tokens))
        net = Localnet(anvil, replace(base, deployments=(made,)), keys)
        fund(net.chain(0), [address_of(key) for key in keys])
        file = folder / "networks.yaml"
        write_deployment(file, "local", made, rpc_urls=[anvil.url], seconds_per_block=1)
        anvil.call("evm_setAutomine", False)
        yield net, file


@dataclass
class Pulse:
    """Makes blocks until cancelled. `hooks` are called before each."""

    net: Localnet
    hooks: list[Hook] = field(default_factory=list)
    pace_s: float = BEAT_S
    patient: tuple[Bid, ...] = ()
    """Leases on which nobody is late, however busy the machine: while a clock there is nearly over, a block
    is made for a transaction alone.
    """

    async def run(self) -> None:
        """Beat."""
        while True:
            while await trio.to_thread.run_sync(self._waits):
                await trio.sleep(self.pace_s)
            await trio.to_thread.run_sync(self.beat)
            await trio.sleep(self.pace_s)

    def beat(self) -> None:
        """Make one block."""
        for hook in list(self.hooks):
            hook()
        self.net.anvil.mine()

    def _waits(self) -> bool:
        if not self.patient or int(self.net.anvil.call("txpool_status")["pending"], 16):
            return False
        chain = self.net.chain()
        ends = [end for bid in self.patient for end in clocks_of(chain, bid)]
        return bool(ends) and min(ends) - chain.clock() < NEARLY_OVER


def clocks_of(chain: Chain, bid: Bid) -> Iterator[int]:
    """When the clocks end of whoever has to answer in games and demands about a lease."""
    for demand in chain.demands_of(bid.lease_id()):
        if demand.now.status.open:
            yield demand.now.until
    for game in chain.games_of(bid):
        if game.now.phase.live:
            yield game.now.moved_at + game.now.mover_left


@dataclass(frozen=True)
class Accounts:
    """What everybody has, and what is in the contracts."""

    tower_coin: int
    operator_coin: int
    tower_tokens: int
    client_credits: int
    stake: int


@dataclass
class World:
    """Everybody."""

    net: Localnet
    daemon: Daemon
    tower: TowerProcess
    client: Client
    pulse: Pulse
    folder: Path
    networks: Path
    lies: tuple[str, ...]
    items: int = ITEMS
    """Of each job; all alike."""
    window: int = WINDOW
    told: dict[LeaseId, str] = field(default_factory=dict)
    """Which lie a lease is about."""

    @property
    def chain(self) -> Chain:
        """The adapter, without a key."""
        return self.net.chain()

    @property
    def owner(self) -> Address:
        """The cheat."""
        return address_of(self.net.keys[OWNER])

    async def post(self, lie: str) -> Bid:
        """Let the cheat win a job that this lie is about, and wait for its result."""
        place = self.lies.index(lie)
        job = make_job(self.client.store, self.folder / f"job{place}", place, lie, self.items)
        while not isinstance(quote := await self._ask(job), Quote):
            assert "every slot is working" in quote.reason, quote
        lease = await self.client.open(quote)
        self.told[lease] = lie
        await self.client.until(lease, "posted")
        return quote.terms()

    async def _ask(self, job: Job) -> Quote | Decline:
        return await self.client.ask(job, verification=1, challenge_window=self.window, max_blocks=200)

    async def post_all(self) -> dict[str, Bid]:
        """The same for every lie."""
        return {lie: await self.post(lie) for lie in self.lies}

    def accounts(self) -> Accounts:
        """Read them."""
        chain, keys = self.chain, self.net.keys
        tower = address_of(keys[TOWER])
        return Accounts(
            chain.balance(tower),
            chain.balance(address_of(keys[OPERATOR])),
            chain.token_balance(0, tower),
            chain.credits(0, self.client.chain.address),
            chain.stake(self.owner, 0).staked,
        )

    def standing(self, lease: LeaseId) -> Standing | None:
        """What the watchtower says of a lease."""
        name = f"0x{lease.hex()}"
        return next((each for each in self.standings if each.lease == name), None)

    @property
    def standings(self) -> tuple[Standing, ...]:
        """What the watchtower says of all."""
        return Standings(self.folder / "tower" / "games").all()

    async def convicted(self, bids: Sequence[Bid], wait_s: float = 400.0) -> None:
        """Wait until every lease is settled and the watchtower has collected all that was its."""
        try:
            with trio.fail_after(wait_s):
                for bid in bids:
                    lease = bid.lease_id()
                    while not ((seen := self.standing(lease)) and seen.over):
                        assert self.tower.alive, self.tower.said()
                        await trio.sleep(0.2)
        except trio.TooSlowError:
            raise AssertionError(f"not over: {self.pending(bids)}") from None

    def pending(self, bids: Sequence[Bid]) -> dict[str, tuple[str, str]]:
        """Lies about which the watchtower is not done: how the lease stands, and what is done about it."""
        found = {}
        for lease in (bid.lease_id() for bid in bids):
            seen, state = self.standing(lease), self.chain.lease(lease).state
            if not (seen and seen.over):
                found[self.told[lease]] = (state.name, seen.doing if seen else "nothing")
        return found

    def games(self, bid: Bid) -> tuple[PlayedGame, ...]:
        """All games about a lease."""
        return self.chain.games_of(bid)

    def path(self, bid: Bid) -> list[str]:
        """The names of the moves of the only game."""
        (game,) = self.games(bid)
        return [type(step.made.move).__name__ for step in game.steps if step.made]

    def landed(self, bid: Bid) -> int | None:
        """The node that the only game landed on."""
        (game,) = self.games(bid)
        found = [step.made.move for step in game.steps if step.made]
        nodes = [move.node for move in found if isinstance(move, moves.Land | moves.LandOnOutput)]
        return nodes[-1] if nodes else None


def make_job(store: Artifacts, folder: Path, place: int, lie: str, items: int) -> Job:
    """A job over the specimen tape whose items are about the lie of this place."""
    folder.mkdir(parents=True)
    kind = specimen()
    program, inputs, npz = folder / "program", folder / "inputs", folder / "inputs.npz"
    write_program(program, kind.tape, kind.labels)
    names = load_program(program).inputs
    np.savez(npz, **{n: np.stack([value] * items) for n, value in zip(names, kind.item(place), strict=True)})
    packed = arrays.pack(PackArgs(str(program), str(npz), str(inputs)))
    info = describe(load_program(program))
    spec = JobSpec(
        format=1,
        kind=JobKind.TAPE,
        title=TITLE + lie,
        program=store.put_file(program),
        program_root=info.program_root,
        program_bytes=program.stat().st_size,
        inputs=store.put_file(inputs),
        input_root=packed.input_root,
        input_bytes=inputs.stat().st_size,
        item_count=items,
    )
    steps = info.steps + info.moved
    return Job(spec, store.put_bytes(spec.encode()), info.fmas, steps, info.peak_bytes)


@asynccontextmanager
async def world(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    lies: Sequence[str],
    move_clock: int = MOVE_CLOCK,
    watched: bool = True,
    **tower: object,
) -> AsyncIterator[World]:
    """A running cheat that lies so, a watchtower with these settings, running if `watched`, and a client."""
    with (
        chain_at_will(folder, move_clock) as (net, networks),
        provider_home(net, folder, networks, stake={"amount": "1000"}, lease={"slots": 3}) as daemon,
    ):
        daemon.module, daemon.extra = "tests.cheat.provider", {"CHEAT_LIES": json.dumps(lies)}
        daemon.start()
        pulse = Pulse(net)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pulse.run)
            watching = TowerProcess(net, folder, networks, monkeypatch)
            settings = {"bond_per_day": "1000", "gas_per_day": "1000", **tower}
            (watching.home / "watchtower.yaml").write_text(yaml.safe_dump(settings))
            if watched:
                watching.start()
            try:
                async with open_client(net, folder) as client:
                    await daemon.meet(client)
                    yield World(net, daemon, watching, client, pulse, folder, networks, tuple(lies))
            finally:
                watching.end()
            nursery.cancel_scope.cancel()


def check_money(made: World, before: Accounts, bids: Sequence[Bid]) -> None:
    """Every cheat's bond is gone, every client whole, every bond of games back, and nothing is left over."""
    chain, after = made.chain, made.accounts()
    rewards, lost = 0, 0
    for bid in bids:
        lease = bid.lease_id()
        assert chain.lease(lease).state is LeaseState.CONVICTED
        verdict = chain.verdict(lease)
        assert verdict.settled
        rewards += verdict.reward
        (ended,) = ended_of(chain, lease)
        assert ended.to_owner == 0, "a cheat was paid"
        assert ended.seized + ended.burnt == bid.bond, "the bond is gone"
        assert ended.burnt >= verdict.reward, "half of what is slashed burns"
        lost += bid.bond
    assert after.client_credits == before.client_credits, "clients have their deposits back"
    assert after.tower_tokens - before.tower_tokens == rewards > 0
    assert before.stake - after.stake == lost
    reports = [game for each in made.standings for game in each.games]
    fees = sum(game.fees for game in reports)
    missing = sum(game.bond - game.coin_back for game in reports)
    spent = before.tower_coin - after.tower_coin
    assert all(game.coin_back for game in reports)
    # What is missing of the bonds repaid answers; settling and claims are no part of the games' fees.
    assert 0 <= spent - missing - fees < fees, (spent, missing, fees)
    for judge in (chain.disputes.address, chain.delivery.address):
        assert chain.balance(judge) == 0, "coin is stuck"
        assert chain.token_balance(0, judge) == 0, "tokens are stuck"


def ended_of(chain: Chain, lease: LeaseId) -> list[Ended]:
    """How a lease ended."""
    topics = (topic_of(chain.escrow.abi, "Ended"), bytes(lease))
    return [event for event in chain.scanner.all(topics) if isinstance(event, Ended)]
