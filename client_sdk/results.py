"""Effects about outputs: fetch them by hash, recompute their root, re-run a share, decode them into files."""

import logging
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from client_sdk.bidders import Bidders
from client_sdk.evidence import Evidence
from client_sdk.formats import find_format
from client_sdk.home import JobFolder
from client_sdk.receipts import write_receipt
from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.engines.worker.interface import (
    CompareArgs,
    CompareResult,
    UnpackArgs,
    VerifyArgs,
    VerifyResult,
    from_wire,
    to_wire,
)
from protocol.lease.client_types import (
    CheckOutputs,
    DidCheck,
    DidFetch,
    DidSave,
    FetchOutputs,
    Outputs,
    SaveResult,
    Verdict,
)
from protocol.messages import Bid, JobSpec, Receipt, Signed, open_signed
from protocol.net import Node, Progress, protocol_id
from protocol.runtime.child import Child, ChildOutOfMemoryError
from protocol.store.artifacts import Artifacts
from protocol.types import Address, ArtifactId, Hash32, InputError, LeaseId, TransientError, to_hex

log = logging.getLogger(__name__)
_ASK_S = 20.0
_MORE_HOLDERS = 6


@dataclass(frozen=True)
class Wanted:
    """Whose outputs of what are wanted, and how they become files."""

    bid: Bid
    spec: JobSpec
    spec_id: ArtifactId
    """The artifact that names program and inputs: the bid's job hash binds their roots alone."""
    most_output_bytes: int
    operator: Address
    """Whose signature the bid carries; the owner may have replaced it since."""
    format: str
    folder: JobFolder

    @property
    def lease(self) -> LeaseId:
        """The lease."""
        return self.bid.lease_id()


@dataclass(frozen=True)
class Results:
    """Performs the effects for one session."""

    chain: AsyncChain
    node: Node
    store: Artifacts
    child: Child
    bidders: Bidders

    async def fetch(self, effect: FetchOutputs, wanted: Wanted, progress: Progress | None = None) -> DidFetch:
        """Get the receipt from the provider and the outputs from any peer that has them."""
        operators = await self._operators(wanted)
        signed = await self._receipt(effect.output_root, wanted, operators)
        receipt = signed.message
        if receipt.output_bytes > wanted.most_output_bytes:
            raise InputError(
                f"the receipt names {receipt.output_bytes} bytes of outputs, "
                f"this job can have {wanted.most_output_bytes} at most"
            )
        self.store.pin(receipt.outputs, wanted.folder.id)
        others = [each.address for each in self.node.peers() if each.address not in operators]
        await self.node.fetch_artifact(
            self.store,
            receipt.outputs,
            [*operators, *others[:_MORE_HOLDERS]],
            max_size=max(receipt.output_bytes, 1),
            progress=progress,
        )
        return DidFetch(Outputs(receipt.outputs, signed.encode()))

    async def matches(self, root: Hash32, outputs: Outputs, wanted: Wanted) -> bool:
        """Tell whether fetched bytes are those whose root was posted."""
        program, path = self.store.path(wanted.spec.program), self.store.path(outputs.artifact)
        args = VerifyArgs(str(program), str(path), wanted.spec.item_count, root)
        try:
            return from_wire(await self._call(args), VerifyResult).matches
        except InputError:
            return False  # no outputs of this program at all

    async def receipt_of(self, outputs: ArtifactId, root: Hash32, wanted: Wanted) -> bytes:
        """Return the provider's receipt over outputs that are here; empty if it gives none."""
        try:
            signed = await self._receipt(root, wanted, await self._operators(wanted))
        except (TransientError, InputError) as error:
            log.info("no receipt: %s", error)
            return b""
        return signed.encode() if signed.message.outputs == outputs else b""

    async def check(self, effect: CheckOutputs, wanted: Wanted) -> DidCheck:
        """Recompute the root from the bytes; then run as many items again as were asked for."""
        program, outputs = self.store.path(wanted.spec.program), self.store.path(effect.outputs.artifact)
        count, root = wanted.spec.item_count, effect.output_root
        verify = VerifyArgs(str(program), str(outputs), count, root)
        found = from_wire(await self._call(verify), VerifyResult)
        if found.matches:
            self.write_evidence(effect.outputs.artifact, wanted)
        if not found.matches or not effect.rerun_ppm:
            return DidCheck(Verdict(root, Hash32(found.output_root), 0, None))
        items = draw(count, effect.rerun_ppm)
        compare = CompareArgs(
            program_path=str(program),
            input_path=str(self.store.path(wanted.spec.inputs)),
            output_path=str(outputs),
            item_count=count,
            items=items,
        )
        again = from_wire(await self._call(compare), CompareResult)
        if again.first_different is not None:
            self._write_receipt(effect.outputs, wanted)
        verdict = Verdict(root, Hash32(again.own_root), again.compared, again.first_different)
        return DidCheck(verdict)

    async def save(self, effect: SaveResult, wanted: Wanted) -> DidSave:
        """Decode the outputs into the job's folder, beside the receipt."""
        folder = wanted.folder
        folder.result.mkdir(exist_ok=True)
        arrays = folder.path / "outputs.npz"
        unpack = UnpackArgs(
            str(self.store.path(wanted.spec.program)),
            str(self.store.path(effect.outputs.artifact)),
            str(arrays),
        )
        await self._call(unpack)
        path, summary = await trio.to_thread.run_sync(_decode, wanted, arrays)
        self._write_receipt(effect.outputs, wanted)
        folder.write("summary", {"summary": summary, "path": str(path)})
        return DidSave(str(path))

    def write_evidence(self, outputs: ArtifactId, wanted: Wanted) -> None:
        """Write down what a challenge can start from: outputs, or their roots, that are those posted."""
        chain = self.chain.blocking
        size = self.store.path(outputs).stat().st_size
        where = (chain.network.name, chain.domain, wanted.bid)
        Evidence(*where, wanted.spec_id, outputs, size, wanted.operator).write(wanted.folder.evidence)

    def _write_receipt(self, outputs: Outputs, wanted: Wanted) -> None:
        if not outputs.receipt:
            return  # a provider that serves nothing signs nothing
        chain = self.chain.blocking
        write_receipt(wanted.folder.receipt, wanted.bid, outputs.receipt, chain.domain, chain.network)

    async def _call(self, args: VerifyArgs | CompareArgs | UnpackArgs) -> Any:
        try:
            return await self.child.call(args.OP, to_wire(args))
        except ChildOutOfMemoryError as error:
            # This machine's fault, not the outputs': an InputError here would call them wrong.
            raise TransientError(error.message, error.advice) from error

    async def _operators(self, wanted: Wanted) -> list[Address]:
        """Return who may speak for the owner, and note where they are: the bid's signer and today's key."""
        now = await self.chain.run(Chain.operator_of, wanted.bid.owner)
        found = [each for each in dict.fromkeys((wanted.operator, now)) if any(each)]
        for each in found:
            await self.bidders.meet(each, wanted.bid.owner)
            # Who is lost may have restarted elsewhere: each attempt asks the chain anew.
            lost = not self.node.is_connected(each)
            await (self.bidders.seek if lost else self.bidders.locate)(self.node, each)
        return found

    async def _receipt(self, root: Hash32, wanted: Wanted, operators: list[Address]) -> Signed[Receipt]:
        domain = self.chain.blocking.domain
        protocol = protocol_id(domain.chain_id, domain.escrow, "receipt")
        failure = TransientError("the provider has no receipt yet")
        for operator in operators:
            try:
                data = await self.node.request(operator, protocol, wanted.lease, timeout_s=_ASK_S)
            except TransientError as error:
                failure = error
                await self.bidders.seek(self.node, operator)
                continue
            if data:
                signed = open_signed(data, Receipt, domain)
                check_receipt(signed, wanted, root, operators)
                return signed
        raise failure


def check_receipt(signed: Signed[Receipt], wanted: Wanted, root: Hash32, operators: list[Address]) -> None:
    """Hold a receipt to lease, job and chain; `InputError` says what it contradicts."""
    receipt = signed.message
    if signed.signer not in operators:
        raise InputError(f"the receipt is signed by {to_hex(signed.signer)}, not by the provider's operator")
    if receipt.lease != wanted.lease or receipt.job_hash != wanted.bid.job_hash:
        raise InputError("the receipt is for another lease or job")
    if receipt.spec != wanted.spec_id:
        raise InputError("the receipt names another job specification than the offer")
    if receipt.output_root != root:
        raise InputError("the receipt names another output root than the chain")
    if receipt.item_count != wanted.spec.item_count:
        raise InputError(
            f"the receipt counts {receipt.item_count} items, the job has {wanted.spec.item_count}"
        )


def draw(count: int, ppm: int) -> tuple[int, ...]:
    """Return a share of `count` items, at least one, that nobody could foresee."""
    wanted = min(max(-(-count * ppm // 1_000_000), 1), count)
    return tuple(sorted(secrets.SystemRandom().sample(range(count), wanted)))


def _decode(wanted: Wanted, arrays: Path) -> tuple[Path, str]:
    import numpy as np

    maker, notes = find_format(wanted.format), wanted.folder.read("notes")
    names = wanted.folder.read("names").get("outputs", [])
    with np.load(arrays, allow_pickle=False) as loaded:
        found = list(loaded.items())
    # The artifact has no names, which are not part of what is hashed: the order of outputs is.
    named = {names[i] if i < len(names) else name: array for i, (name, array) in enumerate(found)}
    np.savez(arrays, **named)
    return maker.decode(notes, named, wanted.folder.result)
