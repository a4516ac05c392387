"""Checks a finished job again from its receipt, the chain and artifacts alone."""

import secrets
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from client_sdk.bidders import Bidders
from client_sdk.receipts import ReceiptFile, read_receipt
from client_sdk.results import draw
from client_sdk.worker import WorkerLimits, open_worker
from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.chain.events import OperatorSet, ProviderRegistered
from protocol.chain.networks import Network
from protocol.chain.networks_file import load_network
from protocol.chain.sent import SentJournal
from protocol.chain.views import LeaseState
from protocol.engines.worker.interface import (
    CheckArgs,
    CompareArgs,
    CompareResult,
    VerifyArgs,
    VerifyResult,
    from_wire,
    to_wire,
)
from protocol.messages import Domain, JobSpec
from protocol.net import NetSettings, Node, open_node
from protocol.runtime.child import Child, ChildOutOfMemoryError
from protocol.runtime.signals import run_blocking
from protocol.store.artifacts import Artifacts
from protocol.types import Address, ArtifactId, InputError, to_hex

_SMALL = 1 << 20
_STANDS = (LeaseState.POSTED, LeaseState.FINALIZED)


@dataclass(frozen=True)
class Finding:
    """One thing that was checked."""

    name: str
    holds: bool
    detail: str


@dataclass(frozen=True)
class Verification:
    """All findings about a receipt."""

    findings: tuple[Finding, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing that was checked is wrong."""
        return all(each.holds for each in self.findings)


def verify_receipt(
    path: str | Path,
    home: Path,
    *,
    network: str | None = None,
    rerun_percent: float = 0.0,
    limits: WorkerLimits | None = None,
) -> Verification:
    """Check a receipt; blocking.

    Artifacts come from `home` (a client's folder) or else from any peer that has them; `rerun_percent` of the
    items are run again on this machine, by a child within `limits`. Raises `InputError` for what is no
    receipt, `TransientError` if chain or artifacts cannot be reached.
    """
    file = read_receipt(Path(path))
    known = load_network(network or file.network)
    return run_blocking(partial(_verify, file, known, home, int(rerun_percent * 10_000), limits))


async def _verify(
    file: ReceiptFile, network: Network, home: Path, rerun_ppm: int, limits: WorkerLimits | None
) -> Verification:
    chain = AsyncChain(chain_of(file.domain, network))
    signed = file.signed()
    findings = [await chain.run(_on_chain, file), await chain.run(_signer, file)]
    store = await trio.to_thread.run_sync(Artifacts, home / "artifacts")
    try:
        spec = await _fetched(chain, store, file, signed.signer, with_inputs=rerun_ppm > 0)
        async with open_worker(limits) as child:
            job = await _job(child, store, spec, file, with_inputs=rerun_ppm > 0)
            findings.append(job)
            # By another program than the bid's every output can be made to look right.
            if job.holds:
                findings += await _outputs(child, store, spec, file, rerun_ppm)
    finally:
        store.close()
    return Verification(tuple(findings))


def chain_of(
    domain: Domain, network: Network, key: bytes | None = None, journal: SentJournal | None = None
) -> Chain:
    """Return the chain that a lease is of; `InputError` if the network has not got its contracts."""
    if network.chain_id != domain.chain_id:
        raise InputError(
            f"the lease is of chain {domain.chain_id}, network {network.name} is chain {network.chain_id}"
        )
    for deployment in network.deployments:
        if deployment.escrow == domain.escrow:
            return Chain.connect(network, key, deployment, journal)
    raise InputError(
        f"the lease's escrow {to_hex(domain.escrow)} is not in network {network.name}",
        f"add its deployment to {network.source}",
    )


def _on_chain(chain: Chain, file: ReceiptFile) -> Finding:
    lease, receipt = file.bid.lease_id(), file.signed().message
    view = chain.lease(lease)
    if view.state not in _STANDS:
        return Finding("chain", False, f"the lease is {view.state.name.lower()}, no result of it stands")
    if receipt.lease != lease or view.output_root != receipt.output_root:
        return Finding("chain", False, f"posted on chain is {to_hex(view.output_root)}")
    if receipt.started != view.started_at or not view.started_at <= receipt.posted <= view.last_beat:
        began, ended = view.started_at, view.last_beat
        said = f"started at {receipt.started} and posted at {receipt.posted}"
        return Finding("chain", False, f"it says {said}, on chain the lease ran from {began} to {ended}")
    final = "final" if view.state is LeaseState.FINALIZED else "posted, its window is open"
    return Finding(
        "chain", True, f"lease {to_hex(lease)[:10]}: result {to_hex(view.output_root)[:10]} is {final}"
    )


def _signer(chain: Chain, file: ReceiptFile) -> Finding:
    """Hold the receipt's signer to the keys that the owner ever named: today's may be another one."""
    signer, owner = file.signed().signer, file.bid.owner
    keys = {chain.operator_of(owner)}
    if signer not in keys:
        keys |= _former_keys(chain, owner)
    if signer not in keys:
        said = f"signed by {to_hex(signer)}, who was never operator of {to_hex(owner)}"
        return Finding("signature", False, said)
    if altered := file.altered():
        return Finding("signature", False, f"the readable part is not what was signed: {', '.join(altered)}")
    return Finding("signature", True, f"signed by {to_hex(signer)}, who is operator of {to_hex(owner)}")


def _former_keys(chain: Chain, owner: Address) -> set[Address]:
    topics = {entry.name: topic for topic, entry in chain.escrow.abi.events.items()}
    names = (topics["Registered"], topics["OperatorSet"])
    events = chain.scanner.all((names, bytes(12) + owner))
    return {each.operator for each in events if isinstance(each, ProviderRegistered | OperatorSet)}


async def _job(
    child: Child, store: Artifacts, spec: JobSpec, file: ReceiptFile, *, with_inputs: bool
) -> Finding:
    receipt = file.signed().message
    if not receipt.job_hash == spec.job_hash() == file.bid.job_hash:
        return Finding("job", False, "the receipt is for another job than the bid")
    if receipt.item_count != spec.item_count:
        said = f"the receipt counts {receipt.item_count} items, the job has {spec.item_count}"
        return Finding("job", False, said)
    program, inputs = store.path(spec.program), store.path(spec.inputs) if with_inputs else None
    try:
        await hold_to_job(child, program, inputs, spec)
    except ChildOutOfMemoryError:
        raise  # this machine's fault
    except InputError as error:
        return Finding("job", False, error.message)
    return Finding("job", True, f"{spec.item_count} items of the program that the bid names")


async def hold_to_job(child: Child, program: Path, inputs: Path | None, spec: JobSpec) -> None:
    """Raise `InputError` unless the bytes have the roots that the bid's job hash binds.

    The job hash does not bind which artifacts hold them: whoever signs a receipt could name others.
    """
    path = None if inputs is None else str(inputs)
    args = CheckArgs(str(program), path, spec.program_root, spec.input_root, spec.item_count)
    await child.call(args.OP, to_wire(args))


async def _fetched(
    chain: AsyncChain, store: Artifacts, file: ReceiptFile, operator: Address, *, with_inputs: bool
) -> JobSpec:
    """Return the spec, with program, outputs and (if asked for) inputs in the store."""
    receipt = file.signed().message
    async with AsyncExitStack() as stack:
        fetch = Fetcher(stack, chain, store, operator)
        spec = JobSpec.decode((await fetch.get(receipt.spec, _SMALL)).read_bytes())
        await fetch.get(spec.program, spec.program_bytes)
        await fetch.get(receipt.outputs, receipt.output_bytes)
        if with_inputs:
            await fetch.get(spec.inputs, spec.input_bytes)
    return spec


class Fetcher:
    """Fetches what the store lacks; opens a node only when something is lacking."""

    def __init__(self, stack: AsyncExitStack, chain: AsyncChain, store: Artifacts, operator: Address) -> None:
        self._stack, self._chain, self._store = stack, chain, store
        self._peers = [operator]
        self._node: Node | None = None

    async def get(self, artifact: ArtifactId, size: int) -> Path:
        """Return where an artifact lies, fetched if need be."""
        if not await trio.to_thread.run_sync(self._store.sound, artifact):
            node = self._node or await self._open()
            await node.fetch_artifact(self._store, artifact, self._peers, max_size=max(size, 1))
        return self._store.path(artifact)

    async def _open(self) -> Node:
        # Any key will do: whoever checks need not say who he is.
        settings = NetSettings(bootstrap=self._chain.blocking.network.bootstrap)
        bidders = Bidders(self._chain)
        await bidders.refresh()  # before the node: who tries again opens no second one
        node = await self._stack.enter_async_context(open_node(secrets.token_bytes(32), settings))
        for operator, addrs in bidders.registered.items():
            bidders.note(node, operator, addrs)
            if addrs and operator not in self._peers:
                self._peers.append(operator)
        self._node = node
        return node


async def _outputs(
    child: Child, store: Artifacts, spec: JobSpec, file: ReceiptFile, rerun_ppm: int
) -> list[Finding]:
    receipt = file.signed().message
    program, outputs = store.path(spec.program), store.path(receipt.outputs)
    verify = VerifyArgs(str(program), str(outputs), spec.item_count, receipt.output_root)
    root = from_wire(await child.call(verify.OP, to_wire(verify)), VerifyResult)
    size = outputs.stat().st_size
    detail = f"the bytes give {to_hex(root.output_root)[:10]}"
    if size != receipt.output_bytes:
        detail = f"{size} bytes, the receipt says {receipt.output_bytes}"
    findings = [Finding("outputs", root.matches and size == receipt.output_bytes, detail)]
    if rerun_ppm and root.matches:
        items = draw(spec.item_count, rerun_ppm)
        compare = CompareArgs(
            str(program), str(store.path(spec.inputs)), str(outputs), spec.item_count, items
        )
        again = from_wire(await child.call(compare.OP, to_wire(compare)), CompareResult)
        detail = f"{again.compared} of {spec.item_count} items run again"
        if again.first_different is not None:
            detail += f", item {again.first_different} differs"
        findings.append(Finding("re-run", again.matches, detail))
    return findings
