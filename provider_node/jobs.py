"""The work of a lease: fetch what the client offered, check it, run it, keep what came out."""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import trio

from protocol.auction.defence import AS_SLOW, Burden, Means, easy_item_ms, job_flaw, run_flaw, trace_ms
from protocol.auction.room import room_flaw
from protocol.games.line import Line
from protocol.lease.provider_types import (
    CheckJob,
    DidCheck,
    DidFetch,
    DidNotRun,
    DidRun,
    FetchArtifacts,
    Phase,
    ProviderLease,
    ReleaseArtifacts,
    Result,
    RunItems,
    StopJob,
    Usage,
)
from protocol.messages import JobSpec
from protocol.messages.message import Message
from protocol.net import Node
from protocol.runtime.child import ChildDiedError, ChildUnreadableError
from protocol.runtime.loop import Loop
from protocol.runtime.performer import Context
from protocol.store.artifacts import Artifacts, QuotaExceededError
from protocol.store.files import disk_errors, write_whole
from protocol.types import (
    ArtifactId,
    BlockNo,
    DiskError,
    GavelError,
    Hash32,
    InputError,
    LeaseId,
    TransientError,
    Verification,
    to_hex,
)
from provider_node.executors.executor import Job, Measured, Output
from provider_node.holdings import Holdings
from provider_node.metering import Meter, Metering
from provider_node.promises import bound, promise_of
from provider_node.stowage import outputs_room
from provider_node.watcher import KIND
from provider_node.workers import Workers

log = logging.getLogger(__name__)

_SPEC_BYTES = Message.MAX_BYTES
_COPIES = 2
"""Outputs lie where they were written as well, to be stored again should the disk damage them."""


_PAUSE_S = 5.0
"""Before the second attempt to run a job; twice that before the third."""
_SHORTLY_S = 10.0
"""Within that a killed child is known to be gone, and what was killed with it has begun again."""


@dataclass
class Progress:
    """How far a lease's run is, for heartbeats and status."""

    done: int = 0
    total: int = 0


@dataclass
class Jobs:
    """Handlers of the effects that need no chain. `progress` is of runs under way or done in this process."""

    loop: Loop
    node: Node
    store: Artifacts
    workers: Workers
    metering: Metering
    work_dir: Path
    means: Means | None
    """To defend results with; None where no judge can be called."""
    slots: int = 1
    running: Line = field(default_factory=Line)
    """What is executed for games and audits."""
    progress: dict[LeaseId, Progress] = field(default_factory=dict)
    _measured: dict[LeaseId, ProviderLease] = field(default_factory=dict)

    @property
    def files(self) -> Holdings:
        """The files of leases."""
        return Holdings(self.node, self.store, self.work_dir)

    # -- fetching --------------------------------------------------------------------------------------

    async def fetch(self, _: FetchArtifacts, context: Context) -> DidFetch:
        """Perform `FetchArtifacts`. `InputError` if what is served is not what was offered."""
        lease, state = self._lease(context)
        try:
            await self.files.get(lease, state, state.offer.spec, _SPEC_BYTES)
            spec = await trio.to_thread.run_sync(self._read_spec, state)
            await self.files.job(lease, replace(state, spec=spec))
        except QuotaExceededError as error:
            # There was room when the bid was made, and may be again before the start is due.
            raise TransientError(
                f"there is no room for the artifacts: {error.message}", error.advice
            ) from error
        log.info("fetched %d bytes of program and inputs", spec.program_bytes + spec.input_bytes)
        return DidFetch(spec)

    def _read_spec(self, state: ProviderLease) -> JobSpec:
        spec = JobSpec.decode(self.store.path(state.offer.spec).read_bytes())
        if spec.job_hash() != state.bid.job_hash:
            raise InputError("the job specification is of another job than the bid")
        if spec.item_count != state.offer.item_count:
            raise InputError(f"the job has {spec.item_count} items, the offer said {state.offer.item_count}")
        total = spec.program_bytes + spec.input_bytes
        if total > state.offer.transfer_bytes:
            raise InputError(
                f"the job has {total} bytes to fetch, the offer said {state.offer.transfer_bytes}"
            )
        return spec

    # -- checking and running --------------------------------------------------------------------------

    async def check(self, _: CheckJob, context: Context) -> DidCheck:
        """Perform `CheckJob`: every root from the bytes, and what the program needs."""
        lease, state = self._lease(context)
        executor = await self.workers.of(lease)
        try:
            measured = await executor.check(await self._job(lease, state))
        except (InputError, ChildUnreadableError) as error:
            await self._require_whole(lease, state, error)
            raise
        leases = {LeaseId(id): each for id, each in self.loop.states(KIND).items()}
        await trio.to_thread.run_sync(self._require_room, lease, leases, measured.output_bytes)
        trace = 0
        if state.bid.verification == Verification.TAPE and self.means is not None:
            # A result that cannot be defended is lost to whoever challenges it, right or wrong.
            worst = measured.worst_item_ms if self.means.slow_inputs else measured.item_ms
            burden = Burden(
                items=state.offer.item_count,
                item_ms=measured.item_ms,
                worst_item_ms=worst,
                trace_bytes=measured.trace_bytes,
                value_bytes=measured.value_bytes,
                hash_ms=measured.hash_ms,
                output_hash_ms=measured.output_hash_ms,
                answer_bytes=measured.answer_bytes,
            )
            if flaw := job_flaw(burden, state.bid.trace_allowance, self.means):
                raise InputError(flaw)
            trace = self._trace_ms(state, measured)
            known = replace(
                state,
                item_ms=measured.item_ms,
                trace_ms=trace,
                reading_ms=measured.reading_ms,
                trace_bytes=measured.trace_bytes,
                value_bytes=measured.value_bytes,
            )
            # First told, then looked at: of two at a time both may be refused, and never both let in.
            self._measured[lease] = known
            if flaw := self._room_flaw(lease, known, self.means):
                raise InputError(flaw)
        log.info("checked the job: about %d ms, %d bytes", measured.run_ms, measured.peak_bytes)
        return DidCheck(
            measured.run_ms,
            measured.peak_bytes,
            measured.item_ms,
            trace,
            measured.reading_ms,
            measured.trace_bytes,
            measured.value_bytes,
        )

    def _require_room(
        self, lease: LeaseId, leases: Mapping[LeaseId, ProviderLease], output_bytes: int
    ) -> None:
        """Start no job whose outputs would find no room: a start without a result costs the penalty.

        Nor one whose outputs would take the room of other slots (`outputs_room`). The room, for all copies,
        is kept until the outputs are in the store.
        """
        name, size = lease.hex(), _COPIES * output_bytes
        most = self.store.room()
        # First kept, then looked at: of two at a time both may be refused, and never both let in.
        if self.store.reserve(name, size):
            left, share = self.store.room() + size, self.store.most() // self.slots
            most = outputs_room(leases, lambda each: self.store.held(each.hex()), lease, left, share)
            if size <= most:
                return
            self.store.unreserve(name)
        raise TransientError(
            f"there is no room for {_COPIES} copies of {output_bytes} bytes of outputs:"
            f" {most} are left in its slot's share, and beside other leases",
            "raise quota in the config file, make room on the disk, or have fewer lease.slots",
        )

    async def run(self, effect: RunItems, context: Context) -> DidRun | DidNotRun:
        """Perform `RunItems`. What a killed daemon had finished is found again, not made again."""
        lease, state = self._lease(context)
        known = await trio.to_thread.run_sync(self._remembered, lease)
        if known is None:
            # What ended an attempt may last: for want of memory all would be gone in a moment.
            await trio.sleep(_PAUSE_S * (effect.attempt - 1))
            try:
                known = await self._executed(lease, state)
            except DiskError:
                raise  # no attempt: what is done so far is taken over once there is room
            except ChildDiedError as error:
                if not (error.killed and self.running.was_busy(_SHORTLY_S)):
                    return _not_run(effect, error)
                # No attempt either. It was in the way of what is executed for games and audits, which is
                # tried again if that was killed as well.
                log.warning("the job was killed beside challenged items, and is run again after them")
                await self.running.quiet(_SHORTLY_S)
                raise
            except TransientError as error:
                return _not_run(effect, error)
        output, meter = known
        self._require_defence(lease, state, output)
        usage = self._usage(state, output, meter)
        file = self._output(lease)
        try:
            outputs = await trio.to_thread.run_sync(self.store.put_file, file, lease.hex())
        except QuotaExceededError as error:
            # The work is done: room may come before the result is due, and closing costs the penalty.
            raise TransientError(
                f"there is no room for the outputs: {error.message}", error.advice
            ) from error
        await trio.to_thread.run_sync(self.store.pin, outputs, lease.hex())
        await trio.to_thread.run_sync(self.store.unreserve, lease.hex())
        size = file.stat().st_size
        self.workers.release(lease, end=False)
        log.info("ran the job: root %s", to_hex(output.output_root))
        return DidRun(Result(output.output_root, outputs, size, usage, output.over_ms, output.slow_ms))

    def _require_defence(self, lease: LeaseId, state: ProviderLease, output: Output) -> None:
        """Refuse to post what could not be defended: a close costs less than a conviction."""
        slower = max(output.over_ms, output.slow_ms)
        if state.bid.verification != Verification.TAPE or self.means is None or not slower:
            return
        if flaw := run_flaw(output.over_ms, self.means):
            raise InputError(flaw)
        # What was promised is kept, also if it has become too much meanwhile: only slow items are refused.
        flaw = self._room_flaw(lease, state, self.means, output)
        if flaw and not self._room_flaw(lease, state, self.means):
            raise InputError(f"its items took {slower} ms longer than expected: {flaw}")

    def _room_flaw(
        self, lease: LeaseId, state: ProviderLease, means: Means, output: Output | None = None
    ) -> str:
        """Return why a lease's result could not be defended beside those of all other leases."""
        audits = means.audit_clock is not None
        own = promise_of(lease, state, audits)
        if own is None:
            return ""
        leases = {LeaseId(id): each for id, each in self.loop.states(KIND).items() if id != lease}
        # What was measured is journaled a moment later.
        leases |= {
            id: self._measured.get(id, each) for id, each in leases.items() if each.phase == Phase.CHECKING
        }
        if output is not None:
            own = replace(own, over_ms=output.over_ms, slow_ms=output.slow_ms)
        return room_flaw(own, bound(leases, audits), means)

    def _trace_ms(self, state: ProviderLease, measured: Measured) -> int:
        found = trace_ms(measured.item_ms, measured.hash_ms)
        # Measured was where the job runs: if it is defended elsewhere, the offer's figures are all we have.
        elsewhere = self.means is not None and self.means.device not in ("", state.device)
        return max(found, state.trace_ms) if elsewhere else found

    async def _executed(self, lease: LeaseId, state: ProviderLease) -> tuple[Output, Meter]:
        try:
            return await self._execute(lease, state)
        except (InputError, ChildUnreadableError) as error:
            await self._require_whole(lease, state, error)
            raise

    async def _require_whole(self, lease: LeaseId, state: ProviderLease, error: GavelError) -> None:
        """Raise `TransientError` if our own disk is at fault: the job is fetched anew, and tried again."""
        if await self.files.mended(lease, state):
            raise TransientError(f"the job was damaged on disk and was fetched again: {error}") from error

    async def _execute(self, lease: LeaseId, state: ProviderLease) -> tuple[Output, Meter]:
        executor = await self.workers.of(lease)
        progress = self.progress.setdefault(lease, Progress())
        progress.total = state.offer.item_count

        def on_progress(done: int, total: int) -> None:
            progress.done, progress.total = done, total

        file = self._output(lease)
        with disk_errors(self.work_dir):
            self.work_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        async with self.metering.measure(state.device) as reading:
            output = await executor.run(await self._job(lease, state), file, on_progress)
        meter = reading.meter(output)
        # On disk before it is told: if we are killed now, the next life finds it.
        body = {"output": {**asdict(output), "output_root": output.output_root.hex()}, "meter": asdict(meter)}
        await trio.to_thread.run_sync(write_whole, self._note(lease), json.dumps(body).encode())
        progress.done = progress.total
        return output, meter

    def _remembered(self, lease: LeaseId) -> tuple[Output, Meter] | None:
        """Return what an earlier life finished for this lease, if its outputs are still there."""
        try:
            body = json.loads(self._note(lease).read_text())
            if not self._output(lease).exists():
                return None
            root = Hash32(bytes.fromhex(body["output"]["output_root"]))
            return Output(**{**body["output"], "output_root": root}), Meter(**body["meter"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            log.warning("note of an earlier run is damaged, so the job runs again: %s", error)
            return None

    async def stop(self, _: StopJob, context: Context) -> None:
        """Perform `StopJob`."""
        self.workers.release(LeaseId(context.machine.id))

    async def release(self, effect: ReleaseArtifacts, context: Context) -> None:
        """Perform `ReleaseArtifacts`: the store drops what nobody else pins, when it needs the room."""
        lease, state = self._lease(context)
        self.forget(lease)
        await trio.to_thread.run_sync(self._unpin, lease, state, effect.until)

    def forget(self, lease: LeaseId) -> None:
        """Let go of executor and progress of a lease whose work is over."""
        self.workers.release(lease)
        self.progress.pop(lease, None)
        self._measured.pop(lease, None)

    def _unpin(self, lease: LeaseId, state: ProviderLease, until: BlockNo) -> None:
        for file in self.work_dir.glob(f"{lease.hex()}.*"):
            file.unlink(missing_ok=True)
        self.store.unreserve(lease.hex())
        for artifact in artifacts_of(state):
            if until:
                self.store.pin(artifact, lease.hex(), until)
            else:
                self.store.unpin(artifact, lease.hex())

    # -- helpers ---------------------------------------------------------------------------------------

    def _usage(self, state: ProviderLease, output: Output, meter: Meter) -> Usage:
        spec = state.spec
        assert spec is not None, "running follows fetching"
        return Usage(
            wall_ms=output.wall_ms,
            cpu_ms=output.cpu_ms,
            gpu_ms=output.gpu_ms,
            peak_memory_bytes=output.peak_bytes,
            received_bytes=spec.program_bytes + spec.input_bytes,
            sent_bytes=0,
            energy_milliwatt_hours=meter.energy_milliwatt_hours,
            energy_grade=meter.energy_grade,
            device=meter.device,
        )

    async def _job(self, lease: LeaseId, state: ProviderLease) -> Job:
        spec = state.spec
        assert spec is not None, "checking and running follow fetching"
        program, inputs = await self.files.job(lease, state)
        easy = easy_item_ms(state.bid.trace_allowance, self.means) if self.means else 0
        return Job(spec, program, inputs, state.device, easy, AS_SLOW * state.item_ms)

    def _lease(self, context: Context) -> tuple[LeaseId, ProviderLease]:
        state: ProviderLease = self.loop.state(context.machine)
        return LeaseId(context.machine.id), state

    def _output(self, lease: LeaseId) -> Path:
        return self.files.output(lease)

    def _note(self, lease: LeaseId) -> Path:
        return self.work_dir / f"{lease.hex()}.json"


def _not_run(effect: RunItems, error: TransientError) -> DidNotRun:
    """Leave it to the machine, which counts attempts: the loop must not try for ever."""
    log.warning("attempt %d to run the job failed: %s", effect.attempt, error)
    return DidNotRun(str(error), final=False)


def artifacts_of(state: ProviderLease) -> tuple[ArtifactId, ...]:
    """Return every artifact that a lease pins."""
    found = [state.offer.spec]
    if state.spec is not None:
        found += [state.spec.program, state.spec.inputs]
    if state.result is not None:
        found.append(state.result.outputs)
    return tuple(found)
