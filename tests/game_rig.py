"""A provider that cheats and defends its lie: its answers come out of the lying worker (`tests.cheat`)."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import trio
from click.testing import CliRunner, Result

from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.chain.games import in_order
from protocol.chain.localnet import Localnet
from protocol.chain.networks_file import write_deployment
from protocol.crypto import address_of
from protocol.dispute.moves import ProviderMove
from protocol.dispute.replay import replay
from protocol.engines.worker.dispute_records import AccuseArgs, AccuseResult, AnswerArgs, Item, MoveResult
from protocol.engines.worker.game_wire import CASES, JOBS, MOVES, VIEWS
from protocol.engines.worker.interface import RunArgs, from_wire, to_wire
from protocol.messages import Bid
from protocol.runtime.child import Child, ChildOptions, open_child
from protocol.runtime.cli import root
from protocol.runtime.keystore import store_key
from protocol.runtime.metrics import Metrics
from protocol.runtime.settings import Settings
from protocol.types import ArtifactId, Blocks, Verification
from tests.chain_helpers import OPERATOR, OWNER
from tests.provider_rig import ROOT
from tests.watch_rig import ITEMS, Provider, open_provider
from watchtower.config import WatchtowerConfig
from watchtower.daemon import watch
from watchtower.standings import Standing, Standings

TOWER = 6
FLIP = "1:5:3"
"""Bit 3 of byte 5 of node 1: element 1 of its first product."""


@dataclass
class Cheat:
    """Posts what the lying worker makes of a provider's job, and answers every game about it."""

    provider: Provider
    child: Child
    folder: Path
    answered: int = 0
    limit: int = 1 << 30
    """After so many answers it is silent."""

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

    async def accused(self, item: int) -> AccuseResult:
        """What the worker makes of an item, beside what it posted."""
        args = AccuseArgs(Item(*self._job(), item), str(self.folder / "false-outputs"))
        return from_wire(await self.child.call(args.OP, to_wire(args)), AccuseResult)

    async def defend(self, bid: Bid) -> None:
        """Answer games until cancelled."""
        chain = self.net.chain(OPERATOR)
        while True:
            if self.answered < self.limit and (move := await self._owed(chain, bid)):
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
            found = await self.accused(case.item)
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


def networks_file(net: Localnet, folder: Path) -> Path:
    """A networks.yaml by which other processes find the chain."""
    file = folder / "networks.yaml"
    write_deployment(file, "local", net.deployment, rpc_urls=[net.url], seconds_per_block=1)
    return file


@dataclass
class House:
    """A cheat with a posted lie, and a folder for a watchtower."""

    net: Localnet
    cheat: Cheat
    bid: Bid
    folder: Path
    nursery: trio.Nursery
    _ended: defaultdict[int, trio.Lock] = field(default_factory=lambda: defaultdict(trio.Lock))

    def config(self, **changes: object) -> WatchtowerConfig:
        owner = f"0x{self.net.chain(OWNER).address.hex()}"
        config = WatchtowerConfig(providers=(owner,), data_dir=str(self.folder / "tower"))
        return replace(config, **changes)  # type: ignore[arg-type]

    def start(
        self, metrics: Metrics | None = None, account: int = TOWER, **changes: object
    ) -> trio.CancelScope:
        """Run a watchtower; cancelling is its crash: it does nothing at its end."""
        scope = trio.CancelScope()

        async def run() -> None:
            async with self._ended[account]:  # one that was cancelled has the folder until it is gone
                with scope:
                    config = self.config(**changes)
                    await watch(config, self.net.network, self.net.keys[account], metrics or Metrics())

        self.nursery.start_soon(run)
        return scope

    def standing(self) -> Standing | None:
        return next(iter(Standings(self.folder / "tower" / "games").all()), None)

    async def phase(self, *names: str) -> Standing:
        """Wait until the game is in one of these phases."""
        return await self.until(lambda standing: standing.games and standing.games[0].phase in names)

    async def pass_time(self, blocks: int) -> None:
        await trio.to_thread.run_sync(self.net.anvil.mine, blocks)

    async def until(self, holds, wait_s: float = 120.0) -> Standing:
        with trio.fail_after(wait_s):
            while not ((found := self.standing()) and holds(found)):
                await trio.sleep(0.05)
        return found


@asynccontextmanager
async def house(net: Localnet, folder: Path, flip: str = FLIP, **job: int) -> AsyncIterator[House]:
    """A cheating provider that defends itself. Time passes by transactions, and as the test says."""
    async with AsyncExitStack() as stack:
        size = {"width": 256, "depth": 2, **job}
        provider = await stack.enter_async_context(open_provider(net, folder, **size))
        cheat = await open_cheat(stack, provider, folder, flip)
        bid = await cheat.post()
        nursery = await stack.enter_async_context(trio.open_nursery())
        nursery.start_soon(cheat.defend, bid)
        yield House(net, cheat, bid, folder, nursery)
        nursery.cancel_scope.cancel()


class TowerProcess:
    """`gavel watchtower` as processes of its own, over the data in `folder / name`."""

    def __init__(
        self,
        net: Localnet,
        folder: Path,
        networks: Path,
        monkeypatch: pytest.MonkeyPatch,
        account: int = TOWER,
        name: str = "tower",
    ) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.module = "protocol.runtime.cli"
        self.folder = folder / name
        self.home = folder / f"{name}-home"
        self.home.mkdir(mode=0o700)
        password = self.home / "password"
        password.write_text("x")
        password.chmod(0o600)
        monkeypatch.setenv("GAVEL_HOME", str(self.home))
        store_key("watchtower", net.keys[account], "x", light=True)
        owner, data = f"0x{address_of(net.keys[OWNER]).hex()}", str(self.folder)
        self.data = ["--data-dir", data]
        self.run = ["run", "--password-file", str(password), "--provider", owner, *self.data]
        given = {"GAVEL_HOME": str(self.home), "GAVEL_NETWORKS": str(networks)}
        self.env = {**os.environ, **given, "PYTHONPATH": str(ROOT)}

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", self.module, "watchtower", *args]

    def start(self) -> "subprocess.Popen[bytes]":
        with (self.home / "out").open("ab") as out:
            self.process = subprocess.Popen(
                self.command(*self.run), cwd=ROOT, env=self.env, stdout=out, stderr=subprocess.STDOUT
            )
        return self.process

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def said(self) -> str:
        """The end of its output."""
        return (self.home / "out").read_text()[-3000:]

    def end(self) -> None:
        """End the process, if one runs."""
        if self.process is not None and self.alive:
            self.process.terminate()
            self.process.wait(30)

    def status(self) -> Result:
        """What `gavel watchtower status` says: in this process, where all that it imports is loaded."""
        return CliRunner().invoke(
            root, ["watchtower", "status", *self.data], obj=Settings(), standalone_mode=False
        )
