"""Fetches a posted result and the job that it answers, and keeps what a game about it needs.

A provider that is challenged may serve nothing from then on. So once everything is here and is what was
posted, the receipt is kept too: with it the artifacts are found again without the provider.
"""

from dataclasses import dataclass
from pathlib import Path

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.games.workshop import CaseFiles
from protocol.messages import Domain, JobSpec, Receipt, open_signed
from protocol.net import Node, protocol_id
from protocol.store.artifacts import Artifacts
from protocol.store.files import write_whole
from protocol.types import ZERO_ADDRESS, Address, ArtifactId, InputError, TransientError, to_hex
from watchtower.config import WatchtowerConfig
from watchtower.judge import PostedResult

_SMALL = 1 << 20
_ASK_S = 20.0


class WrongArtifactsError(InputError):
    """The provider serves something, but not what it committed to on chain."""


@dataclass(frozen=True)
class Rig:
    """What a re-run works with. `folder` keeps receipts."""

    chain: AsyncChain
    domain: Domain
    node: Node
    store: Artifacts
    config: WatchtowerConfig
    folder: Path


@dataclass(frozen=True)
class Obtained:
    """A result with its job, on disk. `receipt` is the provider's signed one."""

    spec: JobSpec
    files: CaseFiles
    receipt: bytes


class WithheldError(TransientError):
    """All of the job is here, but not the outputs. `job` holds the rest."""

    def __init__(self, message: str, job: Obtained) -> None:
        super().__init__(message)
        self.job = job


async def obtain(rig: Rig, result: PostedResult, until: int) -> Obtained:
    """Return a result with its job; its artifacts stay here until the reading `until`.

    `TransientError` if the provider cannot be reached or has not got the artifacts, `WithheldError` if it has
    all but the outputs. `WrongArtifactsError` if what it serves contradicts the chain.
    """
    envelope = _kept(rig, result)
    peers: list[Address] = []
    if envelope is None:
        peers = [await _operator(rig, result.bid.owner)]
        envelope = await _asked(rig, result, peers[0])
    receipt = open_signed(envelope, Receipt, rig.domain).message
    fetch = _Fetch(rig, result, until, peers)
    spec = JobSpec.decode((await fetch.get(receipt.spec, _SMALL)).read_bytes())
    if spec.job_hash() != result.bid.job_hash:
        raise WrongArtifactsError("the job specification is not the one that the bid names")
    program = await fetch.get(spec.program, spec.program_bytes)
    inputs = await fetch.get(spec.inputs, spec.input_bytes)
    try:
        outputs = _shown(rig, result) or await fetch.get(receipt.outputs, receipt.output_bytes)
    except TransientError as error:
        job = Obtained(spec, CaseFiles(program, inputs, Path(), spec.item_count), envelope)
        raise WithheldError(error.message, job) from error
    return Obtained(spec, CaseFiles(program, inputs, outputs, spec.item_count), envelope)


def keep(rig: Rig, result: PostedResult, found: Obtained) -> None:
    """Remember a result whose bytes turned out to be those posted."""
    rig.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(_file(rig, result), found.receipt)


def keep_shown(rig: Rig, result: PostedResult, outputs: ArtifactId) -> None:
    """Remember outputs that the chain has shown: the receipt may name others."""
    rig.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(_file(rig, result).with_suffix(".outputs"), outputs)


def _shown(rig: Rig, result: PostedResult) -> Path | None:
    try:
        artifact = ArtifactId(_file(rig, result).with_suffix(".outputs").read_bytes())
    except FileNotFoundError:
        return None
    return rig.store.path(artifact) if rig.store.has(artifact) else None


def _file(rig: Rig, result: PostedResult) -> Path:
    return rig.folder / to_hex(result.lease)


def _kept(rig: Rig, result: PostedResult) -> bytes | None:
    try:
        envelope = _file(rig, result).read_bytes()
        receipt = open_signed(envelope, Receipt, rig.domain).message
    except (FileNotFoundError, InputError):
        return None
    stands = receipt.lease == result.lease and receipt.output_root == result.output_root
    return envelope if stands else None


async def _operator(rig: Rig, owner: Address) -> Address:
    for known in await rig.chain.run(Chain.registrations):
        if known.owner == owner and known.operator != ZERO_ADDRESS:
            if known.registration is not None:
                rig.node.learn(known.operator, known.registration.addrs)
            return known.operator
    raise TransientError(f"owner 0x{owner.hex()} has no operator key now")


async def _asked(rig: Rig, result: PostedResult, operator: Address) -> bytes:
    protocol = protocol_id(rig.domain.chain_id, rig.domain.escrow, "receipt")
    data = await rig.node.request(operator, protocol, result.lease, timeout_s=_ASK_S)
    if not data:
        raise TransientError(f"provider 0x{operator.hex()} has no receipt of this lease yet")
    signed = open_signed(data, Receipt, rig.domain)
    receipt = signed.message
    if signed.signer != operator or receipt.lease != result.lease:
        raise WrongArtifactsError("the receipt is not the operator's for this lease")
    if receipt.output_root != result.output_root:
        raise WrongArtifactsError("the receipt names another output root than the chain")
    return data


@dataclass
class _Fetch:
    """Fetches what the store lacks, from the provider."""

    rig: Rig
    result: PostedResult
    until: int
    peers: list[Address]

    async def get(self, artifact: ArtifactId, size: int) -> Path:
        store, limit = self.rig.store, self.rig.config.max_bytes
        if size > limit:
            raise InputError(
                f"an artifact of {size} bytes is over this watchtower's limit", "raise max_bytes"
            )
        store.pin(artifact, to_hex(self.result.lease), self.until)
        if not store.has(artifact):
            if not self.peers:
                self.peers.append(await _operator(self.rig, self.result.bid.owner))
            await self.rig.node.fetch_artifact(store, artifact, self.peers, max_size=max(size, 1))
        return store.path(artifact)
