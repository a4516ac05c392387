"""Audits between real watchtower daemons and a provider whose answers a test makes by the pure judge."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from protocol.chain.client import Chain
from protocol.chain.errors import Revert
from protocol.chain.localnet import Localnet
from protocol.dispute.audits import (
    Close,
    Commit,
    Draw,
    Finish,
    Opening,
    Redraw,
    Reveal,
    Roots,
    RunItem,
    Sight,
    auditor_move,
    commitment,
    provider_move,
)
from protocol.dispute.delivery import PostedItem
from protocol.engines.worker.dispute_records import AccuseArgs, AccuseResult, Item, JobTermsArgs
from protocol.engines.worker.disputing import accuse, job_terms
from protocol.engines.worker.game_wire import JOBS
from protocol.games.audit_sight import read_sight, salt_of
from protocol.messages import Bid
from protocol.runtime.metrics import Metrics
from protocol.types import Amount, ArtifactId, Hash32
from tests.chain_helpers import OPERATOR
from tests.watch_rig import Provider
from watchtower.auditing.enrolment import enrol
from watchtower.auditing.notes import AuditNote, AuditorNote, Notes
from watchtower.config import WatchtowerConfig
from watchtower.daemon import watch

Run = Callable[[int], Awaitable[AccuseResult]]
TOWERS = (6, 7)
TO_DRAW = 8
"""Blocks from an order to the last turn to draw."""
LONGEST_START = 60
"""Blocks: longer than any start deadline of the tests' bids."""


def enlist(net: Localnet, *accounts: int) -> None:
    """Enrol accounts long enough before the next lease; blocking."""
    for account in accounts:
        enrol(net.chain(account))
    net.anvil.mine(LONGEST_START)


def job_files(provider: Provider) -> tuple[str, str]:
    """The paths of a provider's program and inputs."""
    spec, store = provider.job.spec, provider.store
    return str(store.path(ArtifactId(spec.program))), str(store.path(ArtifactId(spec.inputs)))


def order(provider: Provider, bid: Bid, tasks: int, later: int = 0) -> Amount:
    """Pay for so many auditors; return what one is paid. Blocking. `later`: more blocks that pass then."""
    chain = provider.net.chain(1)
    job = JOBS.decode(job_terms(JobTermsArgs(*job_files(provider))).job)
    fee = chain.audit_fee(bid, job.items)
    chain.send(chain.token(0).approve(chain.audits.address, Amount(tasks * fee)))
    chain.send(chain.audits.order(bid, job, tasks))
    provider.net.anvil.mine(TO_DRAW + later)
    return fee


@dataclass
class Answering:
    """The provider's side of its client's audit. `run` gives what it says of an item."""

    chain: Chain
    bid: Bid
    run: Run
    silent: bool = False
    _own: tuple[int, AccuseResult] | None = None

    @classmethod
    def by(cls, chain: Chain, bid: Bid, files: tuple[str, str], outputs: Path) -> "Answering":
        """A provider that says what is so."""

        async def run(item: int) -> AccuseResult:
            args = AccuseArgs(Item(*files, item), str(outputs))
            return await trio.to_thread.run_sync(accuse, args)

        return cls(chain, bid, run)

    async def play(self) -> None:
        """Answer until cancelled."""
        while True:
            if not self.silent:
                with suppress(Revert):  # somebody else was quicker
                    await self._turn()
            await trio.sleep(0.05)

    async def _turn(self) -> None:
        sight = await trio.to_thread.run_sync(read_sight, self.chain, self.bid, True)
        if sight is None:
            return
        own = None
        if self._own and self._own[0] == sight.audit.item:
            own = Roots(Hash32(self._own[1].trace_root), Hash32(self._own[1].item_root))
        calls, lease, seed = self.chain.audits, self.bid.lease_id(), sight.audit.seed
        salt = salt_of(b"provider", seed)
        match provider_move(replace(sight, own=own)):
            case RunItem(item):
                self._own = (item, await self.run(item))
                return
            case Commit(_, roots):
                sealed = commitment(roots, self.bid.owner, lease, seed, salt)
                call = calls.commit_as_provider(self.bid, True, seed, sealed)
            case Reveal(_, roots):
                assert self._own is not None
                found = self._own[1]
                posted = PostedItem(tuple(map(Hash32, found.roots)), tuple(map(Hash32, found.proof)))
                opening = Opening(roots.trace, posted, tuple(map(Hash32, found.end)))
                call = calls.reveal_as_provider(self.bid, True, opening, salt)
            case Draw():
                call = calls.draw(self.bid, True)
            case Redraw():
                call = calls.redraw(self.bid, True)
            case Finish():
                call = calls.finish(self.bid, True)
            case Close(shown):
                call = calls.close(self.bid, True, shown)
            case _:
                return
        await trio.to_thread.run_sync(self.chain.send, call)


def answers_of(provider: Provider, bid: Bid, run: Run | None = None) -> Answering:
    """A provider's answers; without `run` it says what is so."""
    answering = Answering.by(provider.net.chain(OPERATOR), bid, job_files(provider), provider.outputs)
    return replace(answering, run=run) if run else answering


@dataclass
class Towers:
    """Watchtower daemons in this process; each re-runs nothing but what audits draw."""

    net: Localnet
    folder: Path
    nursery: trio.Nursery
    _ended: defaultdict[int, trio.Lock] = field(default_factory=lambda: defaultdict(trio.Lock))

    def start(self, account: int, **changes: object) -> trio.CancelScope:
        """Run one; cancelling is its crash: it does nothing at its end."""
        scope = trio.CancelScope()
        config = WatchtowerConfig(share_percent=0.0, data_dir=str(self.data(account)))

        async def run() -> None:
            async with self._ended[account]:  # one that was cancelled has the folder until it is gone
                with scope:
                    changed = replace(config, **changes)  # type: ignore[arg-type]
                    await watch(changed, self.net.network, self.net.keys[account], Metrics())

        self.nursery.start_soon(run)
        return scope

    def data(self, account: int) -> Path:
        return self.folder / f"tower-{account}"

    def auditor(self, account: int) -> AuditorNote | None:
        return Notes(self.data(account) / "audits").auditor()

    async def pass_time(self) -> None:
        """Make a block now and then, until cancelled."""
        while True:
            await trio.to_thread.run_sync(self.net.anvil.mine, 1)
            await trio.sleep(0.3)

    async def until(self, account: int, holds: Callable[[AuditNote], bool]) -> AuditNote:
        """Wait for a tower's note of its audit. Time passes by transactions, and as the test says."""
        with trio.fail_after(120):
            while True:
                found = [note for note in Notes(self.data(account) / "audits").all() if holds(note)]
                if found:
                    return found[0]
                await trio.sleep(0.1)


@dataclass
class Auditor:
    """An auditor of a client's audit, by hand: it moves by the judge, with the values of its own run."""

    chain: Chain
    bid: Bid
    files: tuple[str, str]
    outputs: Path
    own: Roots | None = None

    def turn(self) -> Sight | None:
        """Look and move; None once there is nothing to see. Blocking."""
        lease, calls = self.bid.lease_id(), self.chain.audits
        sight = read_sight(self.chain, self.bid, True)
        if sight is None:
            return None
        seed = sight.audit.seed
        salt = salt_of(b"auditor", seed)
        match auditor_move(replace(sight, own=self.own), self.chain.address):
            case RunItem(item):
                found = accuse(AccuseArgs(Item(*self.files, item), str(self.outputs)))
                self.own = Roots(Hash32(found.trace_root), Hash32(found.item_root))
            case Commit(int() as task, roots):
                sealed = commitment(roots, self.chain.address, lease, seed, salt)
                self.chain.send(calls.commit(self.bid, True, task, seed, sealed, stated=roots.stated))
            case Reveal(int() as task, roots):
                self.chain.send(calls.reveal(lease, True, task, roots, salt))
            case Draw() | Finish() | None:
                pass  # the provider does it
            case move:
                raise AssertionError(f"the judge plays {move}")
        return sight
