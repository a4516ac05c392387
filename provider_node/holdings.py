"""The files of a lease: fetched when they are not here, and again when the disk has damaged them."""

import logging
from dataclasses import dataclass
from pathlib import Path

import trio

from protocol.engines.worker.delivery_records import noted_path
from protocol.lease.provider_types import ProviderLease
from protocol.net import Node
from protocol.store.artifacts import Artifacts, QuotaExceededError
from protocol.types import ArtifactId, InputError, LeaseId, TransientError, to_hex

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holdings:
    """Gives paths of bytes that were held to their ids: by what they hold a provider is paid, or loses."""

    node: Node
    store: Artifacts
    work_dir: Path

    async def get(self, lease: LeaseId, state: ProviderLease, artifact: ArtifactId, size: int) -> Path:
        """Return the file of an artifact that the client of a lease serves; it is kept for the lease.

        Raises what `Node.fetch_artifact` raises, if it has to be fetched.
        """
        await trio.to_thread.run_sync(self.store.pin, artifact, lease.hex())
        if not await trio.to_thread.run_sync(self.store.sound, artifact):
            if not self.node.is_connected(state.peer):
                self.node.learn(state.peer, state.offer.addrs)
            await self.node.fetch_artifact(self.store, artifact, [state.peer], max_size=size)
        return await trio.to_thread.run_sync(self.store.path, artifact)

    async def job(self, lease: LeaseId, state: ProviderLease) -> tuple[Path, Path]:
        """Return program and inputs of a lease whose job specification is known."""
        spec = state.spec
        if spec is None:
            raise InputError("the lease's job specification is not known yet")
        program = await self.get(lease, state, spec.program, spec.program_bytes)
        return program, await self.get(lease, state, spec.inputs, spec.input_bytes)

    async def mended(self, lease: LeaseId, state: ProviderLease) -> bool:
        """Read a lease's job whole, and fetch anew what was damaged; false if nothing was.

        `TransientError` where there is no room for that now. Not every damage shows from outside: so it is
        done whenever something about a job comes out wrong.
        """
        if state.spec is None:
            return False
        asked = (state.offer.spec, state.spec.program, state.spec.inputs)
        found = [await trio.to_thread.run_sync(self._is_whole, each) for each in asked]
        if all(found):
            return False
        try:
            await self.get(lease, state, state.offer.spec, state.offer.transfer_bytes)
            await self.job(lease, state)
        except QuotaExceededError as full:  # it had room once: the job is not at fault
            raise TransientError(
                f"the job was damaged on disk, and cannot be fetched anew now: {full}"
            ) from full
        return True

    def _is_whole(self, artifact: ArtifactId) -> bool:
        return self.store.sound(artifact, afresh=True)

    async def outputs(self, lease: LeaseId, state: ProviderLease) -> Path:
        """Return the outputs that were posted; `InputError` if they are damaged and there is no copy."""
        if state.result is None:
            raise InputError("the journal does not know the lease's outputs")
        outputs = state.result.outputs
        if not await trio.to_thread.run_sync(self.store.sound, outputs):
            copy = self.output(lease)
            if not copy.exists() or await trio.to_thread.run_sync(self.store.put_file, copy) != outputs:
                raise InputError(f"the outputs {to_hex(outputs)} are damaged, and {copy} is no copy of them")
            log.warning("outputs %s were damaged: stored again from %s", to_hex(outputs), copy)
        return await trio.to_thread.run_sync(self.store.path, outputs)

    def output(self, lease: LeaseId) -> Path:
        """Return where a lease's outputs are written while it runs, and stay until it is over."""
        return self.work_dir / f"{lease.hex()}.out"

    def noted(self, lease: LeaseId) -> Path:
        """Return where the run notes the roots of a lease's items, beside its outputs."""
        return noted_path(self.output(lease))
