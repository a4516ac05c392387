"""Fetches a posted result and the job it answers, executes the job here, and compares."""

from dataclasses import dataclass
from pathlib import Path

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.engines.worker.interface import (
    CalibrateArgs,
    CheckArgs,
    CompareArgs,
    CompareResult,
    VerifyArgs,
    VerifyResult,
    from_wire,
    to_wire,
)
from protocol.messages import Domain, JobSpec, Receipt, open_signed
from protocol.net import Node, protocol_id
from protocol.runtime.child import Child, ChildOptions, open_child
from protocol.store.artifacts import Artifacts
from protocol.types import ZERO_ADDRESS, Address, ArtifactId, InputError, TransientError, to_hex
from watchtower.config import WatchtowerConfig
from watchtower.judge import PostedResult

WORKER = "protocol.engines.worker"
_SMALL = 1 << 20
_ASK_S = 20.0


class WrongArtifactsError(InputError):
    """The provider serves something, but not what it committed to on chain."""


@dataclass(frozen=True)
class Rig:
    """What a re-run works with."""

    chain: AsyncChain
    domain: Domain
    node: Node
    store: Artifacts
    config: WatchtowerConfig


async def rerun(rig: Rig, result: PostedResult) -> CompareResult:
    """Return the comparison of the posted outputs with outputs computed here.

    Raises `TransientError` if the provider cannot be reached or has not got the artifacts,
    `WrongArtifactsError` if what it serves contradicts the chain, and `InputError` if this machine cannot run
    the job within its limits.
    """
    operator = await _operator(rig, result.bid.owner)
    receipt = await _receipt(rig, result, operator)
    spec = await _spec(rig, result, operator, receipt)
    for artifact, size in (
        (spec.program, spec.program_bytes),
        (spec.inputs, spec.input_bytes),
        (receipt.outputs, receipt.output_bytes),
    ):
        await _fetch(rig, result, artifact, operator, size)
    async with open_child(WORKER, options=_options(rig.config)) as child:
        return await _compare(rig, child, result, spec, receipt)


async def prove(config: WatchtowerConfig) -> None:
    """Raise `InputError` if the device is not here, `BrokenInvariant` if it fails its self-test.

    Asked at the start: a device whose bits differ would call right results wrong.
    """
    async with open_child(WORKER, options=_options(config)) as child:
        await child.call(CalibrateArgs.OP, to_wire(CalibrateArgs(0.0, config.threads, config.device)))


def _options(config: WatchtowerConfig) -> ChildOptions:
    return ChildOptions(memory=config.memory, gpu=config.device.startswith("cuda"))


async def _operator(rig: Rig, owner: Address) -> Address:
    for known in await rig.chain.run(Chain.registrations):
        if known.owner == owner and known.operator != ZERO_ADDRESS:
            if known.registration is not None:
                rig.node.learn(known.operator, known.registration.addrs)
            return known.operator
    raise TransientError(f"owner 0x{owner.hex()} has no operator key now")


async def _receipt(rig: Rig, result: PostedResult, operator: Address) -> Receipt:
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
    return receipt


async def _spec(rig: Rig, result: PostedResult, operator: Address, receipt: Receipt) -> JobSpec:
    path = await _fetch(rig, result, receipt.spec, operator, _SMALL)
    spec = JobSpec.decode(path.read_bytes())
    if spec.job_hash() != result.bid.job_hash:
        raise WrongArtifactsError("the job specification is not the one that the bid names")
    return spec


async def _fetch(rig: Rig, result: PostedResult, artifact: ArtifactId, operator: Address, size: int) -> Path:
    if size > rig.config.max_bytes:
        raise InputError(f"an artifact of {size} bytes is over this watchtower's limit", "raise max_bytes")
    rig.store.pin(artifact, to_hex(result.lease), result.window_end)
    if not rig.store.has(artifact):
        await rig.node.fetch_artifact(rig.store, artifact, [operator], max_size=max(size, 1))
    return rig.store.path(artifact)


async def _compare(
    rig: Rig, child: Child, result: PostedResult, spec: JobSpec, receipt: Receipt
) -> CompareResult:
    paths = {name: str(rig.store.path(getattr(spec, name))) for name in ("program", "inputs")}
    outputs = str(rig.store.path(receipt.outputs))
    check = CheckArgs(paths["program"], paths["inputs"], spec.program_root, spec.input_root, spec.item_count)
    await _call(child, check)
    verify = VerifyArgs(paths["program"], outputs, spec.item_count, result.output_root)
    if not from_wire(await _call(child, verify), VerifyResult).matches:
        raise WrongArtifactsError("the outputs served are not those posted")
    compare = CompareArgs(
        program_path=paths["program"],
        input_path=paths["inputs"],
        output_path=outputs,
        item_count=spec.item_count,
        threads=rig.config.threads,
        device=rig.config.device,
        time_limit=rig.config.item_seconds * spec.item_count,
    )
    return from_wire(await _call(child, compare), CompareResult)


async def _call(child: Child, args: CheckArgs | VerifyArgs | CompareArgs) -> object:
    return await child.call(args.OP, to_wire(args))
