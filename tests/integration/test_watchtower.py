"""A watchtower over a real chain and libp2p: a flipped bit is found, a right result confirmed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import trio

from protocol.chain.localnet import Localnet
from protocol.engines.worker import jobs
from protocol.engines.worker.interface import RunArgs, VerifyArgs
from protocol.messages import Receipt, Registration, sign
from protocol.net import NetSettings, open_node, protocol_id
from protocol.runtime.metrics import Metrics
from protocol.store.artifacts import Artifacts
from protocol.types import ArtifactId, Blocks, EnergyGrade, Hash32, LeaseId, to_hex
from tests.chain_helpers import OPERATOR, OWNER, make_bid, ready_client, ready_provider, sign_bid
from tests.provider_rig import Job, make_job
from watchtower.config import WatchtowerConfig
from watchtower.daemon import watch
from watchtower.scan import Scan
from watchtower.verdicts import Finding, Verdict, Verdicts

TOWER = 6
ITEMS = 5
BAD_ITEM = 3

pytestmark = [pytest.mark.trio]


@dataclass
class Provider:
    """A provider made by hand: what it posts and what it serves are the test's choice."""

    net: Localnet
    store: Artifacts
    job: Job
    outputs: Path
    receipts: dict[bytes, bytes]
    served: bool = True

    def root_of(self, outputs: Path) -> Hash32:
        program = str(self.store.path(ArtifactId(self.job.spec.program)))
        found = jobs.verify(VerifyArgs(program, str(outputs), ITEMS, bytes(32)))
        return Hash32(found.output_root)

    def post(self, outputs: Path, nonce: int, **receipt: object) -> LeaseId:
        """Take a lease for the job, post the root of `outputs`, and have the receipt ready."""
        client, operator = self.net.chain(1), self.net.chain(OPERATOR)
        bid = make_bid(self.net, nonce, job_hash=self.job.spec.job_hash(), challenge_window=Blocks(60))
        client.send(client.escrow.open_lease(bid, sign_bid(self.net, bid)))
        operator.send(operator.escrow.start(bid))
        root = self.root_of(outputs)
        operator.send(operator.escrow.post_result(bid.owner, bid.struct_hash(), root))
        made = Receipt(
            lease=bid.lease_id(), job_hash=bid.job_hash, spec=ArtifactId(self.job.spec_id), output_root=root,
            outputs=self.store.put_file(outputs), output_bytes=outputs.stat().st_size, item_count=ITEMS,
            started=operator.clock(), posted=operator.clock(), wall_ms=1, cpu_ms=1, gpu_ms=0,
            peak_memory_bytes=1,
            received_bytes=1, sent_bytes=1, energy_milliwatt_hours=1, energy_grade=EnergyGrade.ESTIMATED,
            grid_zone="DE", carbon_milligrams=1, device="cpu", software="test",
        )  # fmt: skip
        signed = sign(replace(made, **receipt), operator.domain, self.net.keys[OPERATOR])  # type: ignore[arg-type]
        self.receipts[bid.lease_id()] = signed.encode()
        return bid.lease_id()


@asynccontextmanager
async def open_provider(net: Localnet, folder: Path) -> AsyncIterator[Provider]:
    """A registered provider whose node serves its store and receipts, with a right result on disk."""
    store = Artifacts(folder / "store")
    job = make_job(store, folder / "job", ITEMS)
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
        call = chain.escrow.register(operator.address, registration)
        await trio.to_thread.run_sync(chain.send, call)

        async def receipt(_: bytes, lease: bytes) -> bytes:
            return provider.receipts.get(lease, b"")

        domain = operator.domain
        node.serve(protocol_id(domain.chain_id, domain.escrow, "receipt"), receipt)
        node.serve_artifacts(store, lambda _peer, _artifact: provider.served)
        yield provider
    store.close()


async def verdict_of(
    net: Localnet, folder: Path, lease: LeaseId, metrics: Metrics | None = None, **changes: object
) -> Verdict:
    """Run a watchtower until it has judged the lease."""
    config = WatchtowerConfig(
        providers=(f"0x{net.chain(OWNER).address.hex()}",), data_dir=str(folder / "tower")
    )
    config = replace(config, **changes)  # type: ignore[arg-type]
    verdicts = Verdicts(folder / "tower" / "verdicts")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(watch, config, net.network, net.keys[TOWER], metrics or Metrics()))
        with trio.fail_after(60):
            while lease not in verdicts.judged():
                await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
    return next(each for each in verdicts.all() if each.lease == f"0x{lease.hex()}")


def flipped(outputs: Path, folder: Path) -> Path:
    """The outputs with the lowest bit of the last word of item BAD_ITEM flipped."""
    data = bytearray(outputs.read_bytes())
    item = (len(data) - _header(data)) // ITEMS
    data[_header(data) + item * (BAD_ITEM + 1) - 4] ^= 1
    wrong = folder / "wrong"
    wrong.write_bytes(bytes(data))
    return wrong


def _header(data: bytes) -> int:
    items = 8 * 32 * 4 * ITEMS
    return len(data) - items


async def test_one_flipped_bit_is_found_and_the_right_result_confirmed(
    localnet: Localnet, tmp_path: Path
) -> None:
    async with open_provider(localnet, tmp_path) as provider:
        wrong = flipped(provider.outputs, tmp_path)
        good = await trio.to_thread.run_sync(provider.post, provider.outputs, 1)
        bad = await trio.to_thread.run_sync(provider.post, wrong, 2)
        found = await verdict_of(localnet, tmp_path, bad)
        assert found.finding is Finding.MISMATCH
        assert found.first_different_item == BAD_ITEM
        assert found.claimed_root == f"0x{provider.root_of(wrong).hex()}"
        assert found.own_root == f"0x{provider.root_of(provider.outputs).hex()}"
        assert found.claimed_item_root != found.own_item_root
        assert "WRONG RESULT" in found.sentence()
        assert not found.late
        right = await verdict_of(localnet, tmp_path, good)
        assert right.finding is Finding.MATCH
        assert right.claimed_root == right.own_root


async def test_withholding_and_false_receipts_are_named(localnet: Localnet, tmp_path: Path) -> None:
    async with open_provider(localnet, tmp_path) as provider:
        silent = await trio.to_thread.run_sync(provider.post, provider.outputs, 1)
        provider.served = False
        found = await verdict_of(localnet, tmp_path, silent, attempts=2)
        assert found.finding is Finding.UNAVAILABLE
        provider.served = True
        other = await trio.to_thread.run_sync(
            partial(provider.post, provider.outputs, 2, output_root=b"\7" * 32)
        )
        found = await verdict_of(localnet, tmp_path, other)
        assert found.finding is Finding.UNAVAILABLE
        assert "another output root than the chain" in found.detail


async def test_what_is_found_after_the_window_is_said_to_be_late(localnet: Localnet, tmp_path: Path) -> None:
    """A withholding provider serves again once nobody can challenge any more: the finding is kept."""
    async with open_provider(localnet, tmp_path) as provider:
        wrong = flipped(provider.outputs, tmp_path)
        lease = await trio.to_thread.run_sync(provider.post, wrong, 1)
        provider.served = False
        metrics = Metrics()

        def reading(name: str) -> float:
            return metrics.registry.get_sample_value(f"gavel_watchtower_{name}") or 0.0

        async def serve_once_it_is_over() -> None:
            while not reading("running"):
                await trio.sleep(0.05)
            await trio.to_thread.run_sync(localnet.anvil.mine, 61)
            end = await trio.to_thread.run_sync(localnet.chain().clock)
            while reading("height") < end:
                await trio.sleep(0.05)
            provider.served = True

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_once_it_is_over)
            found = await verdict_of(localnet, tmp_path, lease, metrics, attempts=50)
        assert (found.finding, found.late) == (Finding.MISMATCH, True)
        assert found.sentence().endswith(f"first different item: {BAD_ITEM}; found after the window")


async def test_reorganisations_that_remove_a_lease_and_bring_it_back_are_followed(localnet: Localnet) -> None:
    """What is open is read off the chain of now, also where it stands in blocks that were read before."""
    ready_provider(localnet)
    ready_client(localnet)
    client, operator = localnet.chain(1), localnet.chain(OPERATOR)
    bid, scan, watcher = make_bid(localnet), Scan(localnet.chain()), localnet.chain()
    sent = [
        client.send(client.escrow.open_lease(bid, sign_bid(localnet, bid))),
        operator.send(operator.escrow.start(bid)),
        operator.send(operator.escrow.post_result(bid.owner, bid.struct_hash(), b"\7" * 32)),
    ]
    raw = [localnet.anvil.call("eth_getRawTransactionByHash", to_hex(each.tx)) for each in sent]
    found = scan.poll(watcher)[1]
    assert [each.lease for each in found] == [bid.lease_id()]
    localnet.anvil.call("anvil_reorg", 3, [])
    assert scan.poll(watcher)[1] == ()
    localnet.anvil.call("anvil_reorg", 3, [[each, place] for place, each in enumerate(raw)])
    assert scan.poll(watcher)[1] == found
