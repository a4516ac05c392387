"""Obtains a posted result and the job that it answers, and keeps what a game about it needs.

What is returned was checked: program and inputs are the job's, outputs are those posted. Nobody's word is
taken for a size: those of inputs and outputs follow from the checked program. Outputs that are not what was
posted count as not served.

A provider that is challenged may serve nothing from then on. So once the checked job is here, the receipt is
kept too: with it the artifacts are found again without the provider.
"""

from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import trio

from protocol.chain.async_chain import AsyncChain
from protocol.chain.client import Chain
from protocol.dispute.delivery import PostedRoots
from protocol.engines.worker.interface import (
    CheckArgs,
    ProgramInfo,
    TensorInfo,
    VerifyArgs,
    VerifyResult,
)
from protocol.games.asking import Asked, ask
from protocol.games.bench import Bench
from protocol.games.pledges import Pledges
from protocol.games.precedence import Precedence
from protocol.games.runs_at_once import AT_ONCE, MOST
from protocol.games.turns import Claim, Seats
from protocol.games.workshop import CaseFiles
from protocol.messages import Domain, JobSpec, Receipt, open_signed
from protocol.net import Node, Patience, TooSlowError, protocol_id
from protocol.runtime.child import ChildOutOfMemoryError
from protocol.store.artifacts import Artifacts, QuotaExceededError
from protocol.store.files import write_whole
from protocol.tape import DType, TensorType
from protocol.tape.encoding import Items
from protocol.types import ZERO_ADDRESS, Address, ArtifactId, InputError, TransientError, to_hex
from watchtower.config import WatchtowerConfig
from watchtower.fetching import LEAST_S, PARTS, Fetcher, Hold, WrongArtifactsError
from watchtower.judge import PostedResult

T = TypeVar("T")
_SMALL = 1 << 20
_ASK_S = 20.0
_LOOK_S = 10.0
"""For so long an operator's addresses are looked for."""
_TRIES = Seats(32, 64, 0.0)
"""Results fetched at once. A slow server costs no more than one of these seats."""
_BESIDE = MOST - AT_ONCE
"""Runs beside the `parallel` ones where windows press."""
_WAIT = 1 / 32
"""For so long a part of its window a result waits for a run."""


@dataclass(frozen=True)
class Rig:
    """What a re-run works with. `folder` keeps receipts, and roots that the chain has shown.

    `tries`: where results are fetched and judged; most of their time they wait for others. `runs`: where this
    machine works for them.
    """

    chain: AsyncChain
    domain: Domain
    node: Node
    store: Artifacts
    config: WatchtowerConfig
    folder: Path
    tries: Bench = field(default_factory=lambda: Bench(_TRIES))
    runs: Bench = field(init=False)
    pledges: Pledges = field(default_factory=Pledges)
    """Of the wallet: what everybody here leaves in it for games of audits."""
    precedence: Precedence = field(default_factory=Precedence)
    """Of the machine: what everybody here leaves of it to runs on which a stake or a bond depends."""

    def __post_init__(self) -> None:
        at_once = self.config.parallel
        object.__setattr__(self, "runs", Bench(Seats(at_once, at_once + _BESIDE, _WAIT)))

    def claim(self, result: PostedResult) -> Claim:
        """Return what a result's turns go by."""
        return Claim(result.bid.owner, result.window_end, self._window(result))

    def patience(self, result: PostedResult) -> Patience:
        """Return how long one try to obtain a result may take, from now on."""
        ends = trio.current_time() + max(self._window(result) / PARTS, LEAST_S)
        return Patience(self.config.least_rate, self.config.stall_seconds, ends)

    def _window(self, result: PostedResult) -> float:
        # A bid may have none at all: turns are parts of it.
        return max(self.chain.blocking.network.seconds(result.bid.challenge_window), 1)


@dataclass(frozen=True)
class Obtained:
    """A result with its job, on disk. `receipt` is the provider's signed one.

    The file of the outputs may be the roots that the chain has shown (`PostedRoots`).
    """

    spec: JobSpec
    files: CaseFiles
    receipt: bytes
    shown: bool = False
    """Whether the outputs are such roots."""
    trace_bytes: int = 0
    """What a worker is reckoned to need to make the trace of one item, and keep it; 0: not known."""


class WithheldError(TransientError):
    """All of the job is here, but not the outputs. `job` holds the rest; `again`: asking again may help."""

    def __init__(self, message: str, job: Obtained, *, again: bool) -> None:
        super().__init__(message)
        self.job, self.again = job, again


async def obtain(
    rig: Rig,
    child: Asked,
    result: PostedResult,
    hold: Hold,
    patience: Patience | None = None,
    *,
    item: int | None = None,
    posted: PostedRoots | None = None,
    claim: Claim | None = None,
) -> Obtained:
    """Return a result with its job, checked by `child`; its artifacts are held. `claim`: in whose turn.

    `posted`: roots that stand for the outputs. Then nobody is asked for these, nor for anything that is here.
    `item`: roots that were demanded stand for the outputs only if they have this item's.

    `TransientError` if the provider cannot be reached or has not got the artifacts, `TooSlowError` if it
    takes too long, `WithheldError` if it has all but the outputs. `WrongArtifactsError` if the job that it
    serves is not the one on chain, another `InputError` if this machine cannot take the job.
    """
    fetch = _Fetch(rig, result, hold, patience or rig.patience(result), claim or rig.claim(result))
    envelope, receipt = await _receipt(rig, result, fetch, outputs=posted is None)
    spec = _spec(await fetch.get(receipt.spec, _SMALL), result)
    program = await fetch.get(spec.program, spec.program_bytes)
    info = await fetch.aside(_checked(child, spec, program, None))
    inputs = await fetch.get(spec.inputs, _bytes(info.inputs, spec.item_count))
    checked = await fetch.aside(_checked(child, spec, program, inputs))
    files = CaseFiles(program, inputs, Path(), spec.item_count)
    job = Obtained(spec, files, envelope, trace_bytes=checked.trace_bytes)
    if posted is not None:
        return replace(job, files=replace(job.files, outputs=_kept_revealed(rig, result, posted)), shown=True)
    if (shown := _shown(rig, result, item)) is not None:
        return replace(job, files=replace(job.files, outputs=shown), shown=True)
    if receipt.output_root != result.output_root:
        raise WithheldError("the receipt names another output root than the chain", job, again=False)
    try:
        outputs = await fetch.get(receipt.outputs, _bytes(info.outputs, spec.item_count))
    except (TransientError, WrongArtifactsError) as error:
        again = not isinstance(error, TooSlowError | WrongArtifactsError)
        raise WithheldError(error.message, job, again=again) from error
    files = replace(job.files, outputs=outputs)
    if not await _are_posted(child, files, result):
        rig.store.unpin(receipt.outputs, hold.reason)
        raise WithheldError("the outputs served are not those posted", job, again=False)
    return replace(job, files=files)


def keep(rig: Rig, result: PostedResult, found: Obtained) -> None:
    """Remember a result whose job is here and checked, with its outputs or without."""
    rig.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(_file(rig, result), found.receipt)


def keep_shown(rig: Rig, result: PostedResult, posted: PostedRoots) -> Path:
    """Remember roots that the chain has shown, outside the store: no quota drops them. Return their file.

    Without items it says what everybody knows, and takes no other's place.
    """
    rig.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = _file(rig, result).with_suffix(".posted" if posted.items else ".root")
    write_whole(file, posted.to_bytes())
    return file


def _kept_revealed(rig: Rig, result: PostedResult, posted: PostedRoots) -> Path:
    # A file of its own: what demands have shown is the beginning of a re-run, this is not.
    rig.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = _file(rig, result).with_suffix(".revealed")
    write_whole(file, posted.to_bytes())
    return file


def _shown(rig: Rig, result: PostedResult, item: int | None) -> Path | None:
    file = _file(rig, result).with_suffix(".posted")
    try:
        posted = PostedRoots.from_bytes(file.read_bytes())
    except (FileNotFoundError, InputError):
        return None
    return file if posted.root == result.output_root and (item is None or item in posted.items) else None


def _file(rig: Rig, result: PostedResult) -> Path:
    return rig.folder / to_hex(result.lease)


# ------------------------------------------------------------------------------------------------ the receipt


async def _receipt(
    rig: Rig, result: PostedResult, fetch: "_Fetch", *, outputs: bool
) -> tuple[bytes, Receipt]:
    """The receipt that is kept, else the provider's; one that names another root still names the job.

    A kept receipt's job is here and checked: another of the same job can only add outputs, and a receipt of
    another job takes nothing away.
    """
    kept = _kept(rig, result)
    if kept is not None and (not outputs or kept[1].output_root == result.output_root):
        return kept
    try:
        asked = await _asked(rig, result, await fetch.operator())
    except (TransientError, InputError):
        if kept is None:
            raise
        return kept
    return asked if kept is None or asked[1].spec == kept[1].spec else kept


def _kept(rig: Rig, result: PostedResult) -> tuple[bytes, Receipt] | None:
    try:
        envelope = _file(rig, result).read_bytes()
        receipt = open_signed(envelope, Receipt, rig.domain).message
    except (FileNotFoundError, InputError):
        return None
    return (envelope, receipt) if receipt.lease == result.lease else None


async def _operator(rig: Rig, owner: Address) -> Address:
    """Who acts for an owner, as the contract says; where that is, as far as anybody knows."""
    operator = await rig.chain.run(Chain.operator_of, owner)
    if operator == ZERO_ADDRESS:
        raise TransientError(f"owner 0x{owner.hex()} has no operator key now")
    with suppress(TransientError, InputError):  # no addresses of use: it may be connected all the same
        known = await rig.chain.run(Chain.registration_of, owner, _LOOK_S)
        if known is not None and known.operator == operator and known.addrs:
            rig.node.learn(operator, known.addrs)
    return operator


async def _asked(rig: Rig, result: PostedResult, operator: Address) -> tuple[bytes, Receipt]:
    protocol = protocol_id(rig.domain.chain_id, rig.domain.escrow, "receipt")
    try:
        data = await rig.node.request(operator, protocol, result.lease, timeout_s=_ASK_S)
        if not data:
            raise TransientError(f"provider 0x{operator.hex()} has no receipt of this lease yet")
        signed = open_signed(data, Receipt, rig.domain)
    except InputError as error:
        raise WrongArtifactsError(error.message) from error
    if signed.signer != operator or signed.message.lease != result.lease:
        raise WrongArtifactsError("the receipt is not the operator's for this lease")
    return data, signed.message


# ------------------------------------------------------------------------------------------------ the bytes


@dataclass
class _Fetch:
    """Fetches what the store lacks, from the provider."""

    rig: Rig
    result: PostedResult
    hold: Hold
    patience: Patience
    claim: Claim
    _peer: list[Address] = field(default_factory=list)

    async def operator(self) -> Address:
        """Return who serves the job."""
        if not self._peer:
            self._peer.append(await _operator(self.rig, self.result.bid.owner))
        return self._peer[0]

    async def get(self, artifact: ArtifactId, size: int) -> Path:
        """Return the file of an artifact of at most `size` bytes."""
        store, limit = self.rig.store, self.rig.config.max_bytes
        if size > limit:
            raise InputError(
                f"an artifact of {size} bytes is over this watchtower's limit", "raise max_bytes"
            )
        peers = [] if await trio.to_thread.run_sync(store.sound, artifact) else [await self.operator()]
        while True:
            try:
                return await Fetcher(self.rig.node, store, self.hold, self.patience).get(
                    artifact, size, peers
                )
            except QuotaExceededError:
                # What others were made to fetch must not keep this one from being judged.
                if not await self.rig.tries.make_room(self.claim):
                    raise

    async def aside(self, work: Awaitable[T]) -> T:
        """Return what own work comes to; that, and the wait for it, is no time that the provider takes."""
        began = trio.current_time()
        done = await work
        ends = self.patience.ends + trio.current_time() - began
        self.patience = replace(self.patience, ends=ends)
        return done


def _spec(path: Path, result: PostedResult) -> JobSpec:
    try:
        spec = JobSpec.decode(path.read_bytes())
    except InputError as error:
        raise WrongArtifactsError(error.message) from error
    if spec.job_hash() != result.bid.job_hash:
        raise WrongArtifactsError("the job specification is not the one that the bid names")
    return spec


async def _checked(child: Asked, spec: JobSpec, program: Path, inputs: Path | None) -> ProgramInfo:
    path = None if inputs is None else str(inputs)
    args = CheckArgs(str(program), path, spec.program_root, spec.input_root, spec.item_count)
    try:
        return await ask(child, args, ProgramInfo)
    except ChildOutOfMemoryError:
        raise  # this machine's fault
    except InputError as error:
        raise WrongArtifactsError(error.message) from error


async def _are_posted(child: Asked, files: CaseFiles, result: PostedResult) -> bool:
    args = VerifyArgs(str(files.program), str(files.outputs), files.items, result.output_root)
    try:
        return (await ask(child, args, VerifyResult)).matches
    except ChildOutOfMemoryError:
        raise  # this machine's fault
    except InputError:
        return False  # no outputs of this program at all


def _bytes(tensors: tuple[TensorInfo, ...], items: int) -> int:
    """The exact size of an item file."""
    return Items(tuple(TensorType(DType[each.dtype.upper()], each.shape) for each in tensors), items).nbytes
