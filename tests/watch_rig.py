"""A provider made by hand, for watchtowers to watch: what it posts and serves is the test's choice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio

from protocol.chain.localnet import Localnet
from protocol.engines.worker import jobs
from protocol.engines.worker.interface import RunArgs, VerifyArgs
from protocol.messages import Bid, Receipt, Registration, sign
from protocol.net import NetSettings, open_node, protocol_id
from protocol.store.artifacts import Artifacts
from protocol.types import ArtifactId, Blocks, EnergyGrade, Hash32, LeaseId
from tests.chain_helpers import OPERATOR, make_bid, ready_client, ready_provider, sign_bid
from tests.provider_rig import Job, make_job

ITEMS = 5


@dataclass
class Provider:
    """A provider made by hand: what it posts and what it serves are the test's choice."""

    net: Localnet
    store: Artifacts
    job: Job
    outputs: Path
    receipts: dict[bytes, bytes]
    served: bool = True
    hidden: set[bytes] = field(default_factory=set)
    """Artifacts that are served to nobody."""

    def root_of(self, outputs: Path) -> Hash32:
        program = str(self.store.path(ArtifactId(self.job.spec.program)))
        found = jobs.verify(VerifyArgs(program, str(outputs), ITEMS, bytes(32)))
        return Hash32(found.output_root)

    def post(self, outputs: Path, nonce: int, /, **receipt: object) -> LeaseId:
        """Take a lease for the job, post the root of `outputs`, and have the receipt ready."""
        return self.post_under(self.bid(nonce), outputs, **receipt).lease_id()

    def bid(self, nonce: int, **changes: object) -> Bid:
        """A bid for the job."""
        fields = {"job_hash": self.job.spec.job_hash(), "challenge_window": Blocks(60), **changes}
        return make_bid(self.net, nonce, **fields)

    def post_under(self, bid: Bid, outputs: Path, /, **receipt: object) -> Bid:
        """The same for a bid of one's own; return it."""
        client, operator = self.net.chain(1), self.net.chain(OPERATOR)
        client.send(client.escrow.open_lease(bid, sign_bid(self.net, bid)))
        operator.send(operator.escrow.start(bid))
        root = self.root_of(outputs)
        operator.send(operator.escrow.post_result(bid.owner, bid.struct_hash(), root))
        made = Receipt(
            lease=bid.lease_id(), job_hash=bid.job_hash, spec=ArtifactId(self.job.spec_id), output_root=root,
            outputs=self.store.put_file(outputs), output_bytes=outputs.stat().st_size, item_count=ITEMS,
            started=operator.lease(bid.lease_id()).started_at, posted=operator.clock(),
            wall_ms=1, cpu_ms=1, gpu_ms=0, peak_memory_bytes=1,
            received_bytes=1, sent_bytes=1, energy_milliwatt_hours=1, energy_grade=EnergyGrade.ESTIMATED,
            grid_zone="DE", carbon_milligrams=1, device="cpu", software="test",
        )  # fmt: skip
        signed = sign(replace(made, **receipt), operator.domain, self.net.keys[OPERATOR])  # type: ignore[arg-type]
        self.receipts[bid.lease_id()] = signed.encode()
        return bid


@asynccontextmanager
async def open_provider(
    net: Localnet, folder: Path, width: int = 32, depth: int = 1
) -> AsyncIterator[Provider]:
    """A registered provider whose node serves its store and receipts, with a right result on disk."""
    store = Artifacts(folder / "store")
    job = make_job(store, folder / "job", ITEMS, width, depth)
    outputs = folder / "outputs"
    program, inputs = (str(store.path(ArtifactId(each))) for each in (job.spec.program, job.spec.inputs))
    await trio.to_thread.run_sync(
        jobs.run, RunArgs(program, inputs, str(outputs), ITEMS), lambda _progress: None
    )
    provider = Provider(net, store, job, outputs, {})
    chain = await trio.to_thread.run_sync(ready_provider, net)
    await trio.to_thread.run_sync(ready_client, net)
    async with open_node(net.keys[OPERATOR], NetSettings()) as node:
        operator = net.chain(OPERATOR)
        registration = Registration(
            owner=chain.address, operator=operator.address, addrs=node.addrs, cpu="test", cores=1,
            memory_mib=1,
            gpus=(), region="", grid_zone="DE", carbon_grams_per_kwh=1, energy_grade=2, software="test",
        )  # fmt: skip
        call = chain.escrow.register(sign(registration, chain.domain, net.keys[OPERATOR]))
        await trio.to_thread.run_sync(chain.send, call)

        async def receipt(_: bytes, lease: bytes) -> bytes:
            return provider.receipts.get(lease, b"")

        domain = operator.domain
        node.serve(protocol_id(domain.chain_id, domain.escrow, "receipt"), receipt)
        node.serve_artifacts(store, lambda _, artifact: provider.served and artifact not in provider.hidden)
        yield provider
    store.close()
