"""What a provider serves is believed where it is proven: every lie about outputs makes them withheld ones.

The provider is an object in this process; store, worker, messages and hashes are the real ones.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from protocol.chain.client import Chain
from protocol.chain.views import Registered
from protocol.crypto import address_of
from protocol.dispute.delivery import PostedItem, PostedRoots
from protocol.engines.worker import jobs
from protocol.engines.worker.interface import RunArgs, VerifyArgs
from protocol.messages import Domain, JobSpec, Receipt, sign
from protocol.net import ArtifactTooLargeError
from protocol.runtime.child import Child, open_child
from protocol.store.artifacts import Artifacts
from protocol.tape.roots import item_root_of, items_tree
from protocol.types import Address, ArtifactId, EnergyGrade, Hash32, LeaseId, TransientError
from tests.provider_rig import Job, make_job
from tests.strategies.provider import BID
from watchtower.config import WatchtowerConfig
from watchtower.fetching import Hold, WrongArtifactsError
from watchtower.judge import PostedResult
from watchtower.obtaining import Rig, WithheldError, keep, keep_shown, obtain
from watchtower.rerun import WORKER

pytestmark = pytest.mark.trio

KEY = b"\7" * 32
DOMAIN = Domain(1, Address(b"\1" * 20))
LEASE = LeaseId(b"\2" * 32)
HOLD = Hold("test", 100)
ITEMS = 2


@dataclass
class Provider:
    """Serves its store, and the receipt that a test has it sign."""

    store: Artifacts
    job: Job
    outputs: Path
    root: Hash32
    receipt: Receipt
    hidden: set[bytes] = field(default_factory=set)
    fetched: list[tuple[bytes, int]] = field(default_factory=list)

    def learn(self, *_: Any) -> None:
        """Addresses are of no use here."""

    async def request(self, *_: Any, **__: Any) -> bytes:
        return sign(self.receipt, DOMAIN, KEY).encode()

    async def fetch_artifact(
        self, into: Artifacts, artifact: ArtifactId, _: Any, *, max_size: int, progress: Any
    ) -> None:
        self.fetched.append((artifact, max_size))
        if artifact in self.hidden or not self.store.has(artifact):
            raise TransientError("it does not have it")
        size = self.store.manifest(artifact).size
        if size > max_size:
            raise ArtifactTooLargeError(artifact, size, max_size)
        partial = into.begin(artifact, self.store.manifest(artifact))
        for index in partial.missing():
            partial.write_chunk(index, self.store.read_chunk(artifact, index))
        partial.finish()

    def says(self, **changes: Any) -> None:
        """Sign another receipt."""
        self.receipt = replace(self.receipt, **changes)

    def names(self, spec: JobSpec) -> None:
        """Name another specification."""
        self.says(spec=self.store.put_bytes(spec.encode()))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifacts, Job, Path, Hash32]:
    folder = tmp_path_factory.mktemp("provider")
    store = Artifacts(folder / "store")
    job = make_job(store, folder / "job", ITEMS, 20)
    program, inputs = (str(store.path(ArtifactId(each))) for each in (job.spec.program, job.spec.inputs))
    outputs = folder / "outputs"
    jobs.run(RunArgs(program, inputs, str(outputs), ITEMS), lambda _: None)
    root = jobs.verify(VerifyArgs(program, str(outputs), ITEMS, bytes(32))).output_root
    return store, job, outputs, Hash32(root)


@pytest.fixture
def provider(made: tuple[Artifacts, Job, Path, Hash32]) -> Provider:
    store, job, outputs, root = made
    receipt = Receipt(
        lease=LEASE, job_hash=job.spec.job_hash(), spec=ArtifactId(job.spec_id), output_root=root,
        outputs=store.put_file(outputs), output_bytes=outputs.stat().st_size, item_count=ITEMS, started=1,
        posted=2, wall_ms=1, cpu_ms=1, gpu_ms=0, peak_memory_bytes=1, received_bytes=1, sent_bytes=1,
        energy_milliwatt_hours=1, energy_grade=EnergyGrade.ESTIMATED, grid_zone="DE", carbon_milligrams=1,
        device="cpu", software="test",
    )  # fmt: skip
    return Provider(store, job, outputs, root, receipt)


@pytest.fixture
async def child() -> AsyncIterator[Child]:
    async with open_child(WORKER) as each:
        yield each


def rig(provider: Any, folder: Path) -> Rig:
    known = Registered(BID.owner, address_of(KEY), None)

    async def run(read: Callable[..., Any], *_: Any) -> Any:
        return known.operator if read is Chain.operator_of else known

    network = SimpleNamespace(seconds=lambda blocks: 600.0)
    chain: Any = SimpleNamespace(run=run, blocking=SimpleNamespace(network=network))
    return Rig(chain, DOMAIN, provider, Artifacts(folder / "store"), WatchtowerConfig(), folder / "receipts")


def posted(provider: Provider) -> PostedResult:
    bid = replace(BID, job_hash=provider.job.spec.job_hash())
    return PostedResult(LEASE, bid, provider.root, 50)  # type: ignore[arg-type]


def garbage(provider: Provider) -> None:
    provider.says(outputs=provider.store.put_bytes(b"no outputs at all"), output_bytes=17)


def others(provider: Provider) -> None:
    data = bytearray(provider.outputs.read_bytes())
    data[-1] ^= 1
    provider.says(outputs=provider.store.put_bytes(bytes(data)))


def too_many(provider: Provider) -> None:
    data = provider.outputs.read_bytes() + b"x"
    provider.says(outputs=provider.store.put_bytes(data), output_bytes=len(data))


def another_root(provider: Provider) -> None:
    provider.says(output_root=Hash32(b"\3" * 32))


def nothing(provider: Provider) -> None:
    provider.hidden.add(provider.receipt.outputs)


async def test_outputs_that_are_not_those_posted_are_withheld_and_the_job_is_here(
    provider: Provider, tmp_path: Path, child: Child
) -> None:
    for lie in (garbage, others, too_many, another_root, nothing):
        lying = replace(provider, hidden=set())
        lie(lying)
        at = rig(lying, tmp_path / lie.__name__)
        with pytest.raises(WithheldError) as caught:
            await obtain(at, child, posted(lying), HOLD)
        assert caught.value.job.files.program.exists(), lie
        assert caught.value.job.files.inputs.exists(), lie
        assert caught.value.again == (lie is nothing), "asking again helps only where nothing came"
        at.store.collect(0)
        assert not at.store.has(ArtifactId(lying.receipt.outputs)), "they are not held"


async def test_sizes_follow_from_the_program_and_from_nobodys_word(
    provider: Provider, tmp_path: Path, child: Child
) -> None:
    honest = provider.job.spec
    provider.names(replace(honest, input_bytes=1 << 50))
    provider.says(output_bytes=1 << 50)
    found = await obtain(rig(provider, tmp_path), child, posted(provider), HOLD)
    assert found.files.outputs.read_bytes() == provider.outputs.read_bytes()
    asked = dict(provider.fetched)
    assert asked[honest.inputs] == honest.input_bytes
    assert asked[provider.receipt.outputs] == provider.outputs.stat().st_size


async def test_a_job_that_is_not_the_one_on_chain_is_named(
    provider: Provider, tmp_path: Path, child: Child
) -> None:
    strange = make_job(provider.store, tmp_path / "strange", ITEMS, 20, depth=2).spec
    provider.names(replace(provider.job.spec, program=strange.program, program_bytes=strange.program_bytes))
    with pytest.raises(WrongArtifactsError, match="the program's root is"):
        await obtain(rig(provider, tmp_path), child, posted(provider), HOLD)


async def test_what_the_chain_has_shown_is_dropped_by_no_quota(
    provider: Provider, tmp_path: Path, child: Child
) -> None:
    """It is outside of the store, and holds as long as the root stands."""
    roots = (Hash32(b"\5" * 32),)
    shown = PostedRoots(item_root_of(roots), {0: PostedItem(roots, ())})
    at = rig(provider, tmp_path)
    result = replace(posted(provider), output_root=shown.root)
    keep_shown(at, result, shown)
    at.store.expire(1 << 40)
    at.store.collect(0)
    found = await obtain(at, child, result, HOLD)
    assert found.shown
    assert PostedRoots.from_bytes(found.files.outputs.read_bytes()) == shown
    other = await obtain(at, child, posted(provider), HOLD)
    assert not other.shown, "another root on the same lease is judged by its own outputs"


async def test_with_what_an_audit_revealed_nobody_is_asked_for_anything(
    provider: Provider, tmp_path: Path, child: Child
) -> None:
    """An accuser that has kept the job plays without its provider, whose receipt names another root."""
    at = rig(provider, tmp_path)
    another_root(provider)
    with pytest.raises(WithheldError) as caught:
        await obtain(at, child, posted(provider), HOLD)
    keep(at, posted(provider), caught.value.job)
    item, beside = PostedItem((Hash32(b"\5" * 32),), (Hash32(b"\6" * 32),)), Hash32(b"\6" * 32)
    shown = PostedRoots(items_tree([beside, item.root]).root, {1: item})
    provider.fetched.clear()
    silent = replace(at, node=None)  # type: ignore[arg-type]
    found = await obtain(silent, child, posted(provider), HOLD, posted=shown)
    assert (found.shown, provider.fetched) == (True, [])
    assert PostedRoots.from_bytes(found.files.outputs.read_bytes()) == shown
    # To a re-run it is nothing: it compares all items.
    provider.says(output_root=provider.root)
    assert not (await obtain(at, child, posted(provider), HOLD)).shown


async def test_roots_that_were_demanded_stand_for_outputs_only_where_they_have_the_item(
    provider: Provider, tmp_path: Path, child: Child
) -> None:
    one = (Hash32(b"\5" * 32),)
    shown = PostedRoots(item_root_of(one), {0: PostedItem(one, ())})
    at, result = rig(provider, tmp_path), replace(posted(provider), output_root=shown.root)
    keep_shown(at, result, shown)
    assert (await obtain(at, child, result, HOLD, item=0)).shown
    with pytest.raises(WithheldError):
        await obtain(at, child, result, HOLD, item=1)


async def test_no_receipt_of_another_job_takes_the_place_of_one_whose_job_was_checked(
    provider: Provider, tmp_path: Path, child: Child
) -> None:
    """An accuser's stake is at risk: what it kept must be what it plays with, whatever is signed later."""
    at, right = rig(provider, tmp_path), provider.receipt
    another_root(provider)
    with pytest.raises(WithheldError) as caught:
        await obtain(at, child, posted(provider), HOLD)
    keep(at, posted(provider), caught.value.job)
    provider.receipt = right
    provider.names(replace(provider.job.spec, program_bytes=1 << 50))
    with pytest.raises(WithheldError) as again:
        await obtain(at, child, posted(provider), HOLD)
    assert again.value.job == caught.value.job
    provider.receipt = right
    assert (await obtain(at, child, posted(provider), HOLD)).files.outputs.exists(), (
        "outputs it may still add"
    )
