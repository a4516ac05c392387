"""A provider that posts a result, serves nothing, and answers on chain what a test says."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from client_sdk.job import Limits
from client_sdk.job_run import JobRun
from client_sdk.session import Session
from protocol.auction.auction import Proposed, Won
from protocol.chain.delivery_reads import SeenDemand
from protocol.chain.localnet import Localnet
from protocol.crypto import keccak256
from protocol.dispute.delivery import Kind
from protocol.engines.worker import jobs
from protocol.engines.worker.delivering import deliver
from protocol.engines.worker.delivery_records import DeliverArgs
from protocol.engines.worker.interface import RunArgs, VerifyArgs
from protocol.engines.worker.items import ItemFile
from protocol.messages import Bid
from protocol.tape.merkle import Tree, depth_of, tree
from protocol.types import ZERO_HASH, Hash32
from tests.client_rig import UNIT, bids, small_job, stub_provider
from tests.padded import Padded

PROVIDER = 2
ITEMS = 6
Answers = Callable[[SeenDemand], bool]


@dataclass
class Silent:
    """A provider that posts a root, serves nothing, and answers such demands as it likes."""

    net: Localnet
    session: Session
    run: JobRun
    folder: Path
    answers: Answers
    wrong: bool = False
    """Whether one bit of each item's output is another."""
    behind: bool = False
    """Whether something stands behind the last item of what it posts."""
    padded: Padded | None = None
    """What it posts and answers instead, if that is no outputs' root."""
    answered: list[SeenDemand] = field(default_factory=list)

    @property
    def bid(self) -> Bid:
        return self.run.record.terms

    def post(self) -> None:
        """Start, run and post; blocking."""
        spec, store, chain = self.run.record.job_spec, self.session.store, self.net.chain(PROVIDER + 1)
        program, outputs = str(store.path(spec.program)), self.folder / "outputs"
        args = RunArgs(program, str(store.path(spec.inputs)), str(outputs), spec.item_count)
        root = jobs.run(args, lambda _: None).output_root
        if self.wrong:
            data, step = bytearray(outputs.read_bytes()), outputs.stat().st_size // (spec.item_count + 1)
            for item in range(spec.item_count):
                data[-1 - item * step] ^= 1
            outputs.chmod(0o600)
            outputs.write_bytes(bytes(data))
            verify = VerifyArgs(program, str(outputs), spec.item_count, bytes(32))
            root = Hash32(jobs.verify(verify).output_root)
        if self.padded is not None:
            root = self.padded.items.root
        if self.behind:
            root = self._garbled().root
        chain.send(chain.escrow.start(self.bid))
        chain.send(chain.escrow.post_result(self.bid.owner, self.bid.struct_hash(), root))

    def answer(self) -> None:
        """Answer once what is open; blocking."""
        chain = self.net.chain(PROVIDER + 1)
        for each in chain.demands_of(self.bid.lease_id()):
            if each.now.status.open and self.answers(each):
                wanted, spot = each.wanted, each.spot
                where = (spot.item, spot.output, spot.index, spot.levels)
                file = str(self.folder / "outputs")
                if self.padded is not None:
                    data = self.padded.deliver(wanted, spot)
                elif self.behind and wanted.kind is Kind.ITEMS:
                    data = self._garbled().layers[0]
                else:
                    data = deliver(DeliverArgs(file, wanted.kind, wanted.node, wanted.size, *where)).data
                chain.send(chain.delivery.deliver(self.bid, wanted.kind, data))
                self.answered.append(each)

    def _garbled(self) -> Tree:
        roots = list(ItemFile(self.folder / "outputs").roots())
        room = (1 << depth_of(len(roots))) - len(roots)
        assert room > 0
        return tree(b"".join([*roots, *[ZERO_HASH] * (room - 1), keccak256(b"garbage")]))

    async def play(self) -> None:
        """Answer until cancelled."""
        while True:
            await trio.to_thread.run_sync(self.answer)
            await trio.sleep(0.05)


@asynccontextmanager
async def silent(
    net: Localnet,
    folder: Path,
    answers: Answers,
    session: Session,
    items: int = ITEMS,
    depth: int = 1,
    *,
    wrong: bool = False,
    behind: bool = False,
    padded: bool = False,
    **bid: int,
) -> AsyncIterator[Silent]:
    """A posted result that nobody serves."""
    width = 20 if padded else 32
    job = small_job(folder, items, depth, width, limits=Limits(time=200, window=200, auction=0.7))
    async with stub_provider(net, PROVIDER, bids(10, **bid)), trio.open_nursery() as nursery:
        run, state = await session.auction(await session.prepare(job), 5 * UNIT)
        assert isinstance(state, Proposed)
        assert isinstance(await session.open(run), Won)
        lie = Padded(session.store, run.record.job_spec, 1) if padded else None
        provider = Silent(net, session, run, folder, answers, wrong, behind, lie)
        await trio.to_thread.run_sync(provider.post)
        run.delivery.patience_s = 1.0
        nursery.start_soon(provider.play)
        yield provider
        nursery.cancel_scope.cancel()
