"""What others can ask a provider for: signs of life, receipts, artifacts."""

import logging
import time
from dataclasses import dataclass

from protocol.lease.provider_types import Phase, ProviderLease, Stage
from protocol.messages import Heartbeat, Receipt, sign
from protocol.net import Node, protocol_id
from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.store.artifacts import Artifacts
from protocol.types import Address, ArtifactId, BidFlags, InputError, LeaseId
from provider_node.identity import Identity
from provider_node.jobs import Jobs, artifacts_of
from provider_node.market import Market
from provider_node.registration import SOFTWARE
from provider_node.watcher import KIND, Watcher

log = logging.getLogger(__name__)

_STAGES = {
    Phase.FETCHING: "fetching",
    Phase.CHECKING: "fetching",
    Phase.STARTING: "fetching",
    Phase.RUNNING: "running",
    Phase.POSTING: "posting",
    Phase.POSTED: "posted",
    Phase.FINALIZING: "posted",
    Phase.SETTLED: "posted",
}
_RESULT_STANDS = frozenset({Phase.POSTED, Phase.FINALIZING, Phase.SETTLED, Phase.CONVICTED})


@dataclass
class Serving:
    """Answers requests about this provider's leases."""

    node: Node
    loop: Loop
    store: Artifacts
    jobs: Jobs
    market: Market
    watcher: Watcher
    identity: Identity
    region_zone: str
    carbon_grams_per_kwh: int

    def serve(self) -> None:
        """Register all handlers with the node."""
        domain = self.market.chain.blocking.domain
        for name, handler in (("heartbeat", self.heartbeat), ("receipt", self.receipt)):
            self.node.serve(protocol_id(domain.chain_id, domain.escrow, name), handler, max_request=32)
        self.node.serve_artifacts(self.store, self.may_fetch)

    async def heartbeat(self, _: Address, request: bytes) -> bytes:
        """Return a signed `Heartbeat` of the lease, or nothing if it is not one of ours."""
        lease, state = self._lease(request)
        if state is None or state.phase not in _STAGES:
            return b""
        known = self.jobs.progress.get(lease)
        done = state.offer.item_count if state.result is not None else known.done if known else 0
        beat = Heartbeat(
            lease=lease,
            block=self.watcher.height,
            # Rises also over a restart, and needs no disk.
            sequence=int(time.time()) & 0xFFFFFFFF,
            items_done=done,
            items_total=state.offer.item_count,
            stage=_STAGES[state.phase],
        )
        return sign(beat, self.market.chain.blocking.domain, self.identity.operator_key).encode()

    async def receipt(self, _: Address, request: bytes) -> bytes:
        """Return the signed `Receipt` of the lease, or nothing while its result does not stand."""
        lease, state = self._lease(request)
        if state is None or not self._stands(state):
            return b""
        try:
            # Who asks for a receipt fetches the outputs next: damaged ones are stored again before.
            await self.jobs.files.outputs(lease, state)
        except InputError as error:
            log.error("lease %s: %s", lease.hex(), error)
        receipt = self.receipt_of(lease, state)
        return sign(receipt, self.market.chain.blocking.domain, self.identity.operator_key).encode()

    def receipt_of(self, lease: LeaseId, state: ProviderLease) -> Receipt:
        """Return what the lease used and made."""
        result, spec = state.result, state.spec
        assert result is not None, "a receipt follows a result"
        assert spec is not None, "a result follows a spec"
        usage = result.usage
        return Receipt(
            lease=lease,
            job_hash=state.bid.job_hash,
            spec=state.offer.spec,
            output_root=result.output_root,
            outputs=result.outputs,
            output_bytes=result.output_bytes,
            item_count=spec.item_count,
            started=state.chain.started_at,
            posted=state.ready_at,
            wall_ms=usage.wall_ms,
            cpu_ms=usage.cpu_ms,
            gpu_ms=usage.gpu_ms,
            peak_memory_bytes=usage.peak_memory_bytes,
            received_bytes=usage.received_bytes,
            sent_bytes=usage.sent_bytes,
            energy_milliwatt_hours=usage.energy_milliwatt_hours,
            energy_grade=usage.energy_grade,
            grid_zone=self.region_zone,
            carbon_milligrams=-(-usage.energy_milliwatt_hours * self.carbon_grams_per_kwh // 1_000),
            device=usage.device,
            software=SOFTWARE,
        )

    def may_fetch(self, peer: Address, artifact: ArtifactId) -> bool:
        """Say whether a peer may have an artifact: what belongs to a lease of ours, outputs once they stand.

        A private lease's artifacts go to its client alone (RULES 23); delegates ask the client.
        """
        for state in self.loop.states(KIND).values():
            if artifact not in artifacts_of(state):
                continue
            if state.bid.flags & BidFlags.PRIVATE and peer != state.peer:
                continue
            is_output = state.result is not None and artifact == state.result.outputs
            if not is_output or self._stands(state):
                return True
        return False

    def _stands(self, state: ProviderLease) -> bool:
        """Whether the result has its confirmations: before that a re-org could take it back (RULES 8)."""
        return (
            state.result is not None
            and state.phase in _RESULT_STANDS
            and state.chain.stage >= Stage.POSTED
            and self.watcher.height - state.chain.posted_at >= state.conduct.confirmations - 1
        )

    def _lease(self, request: bytes) -> tuple[LeaseId, ProviderLease | None]:
        if len(request) != 32:
            raise InputError("a request names a lease by its 32 bytes")
        return LeaseId(request), self.loop.state(MachineId(KIND, request))
