"""Which bytes a disputed item is executed from, and with what."""

from dataclasses import dataclass

from protocol.auction.defence import STARTUP_MS, trace_ms
from protocol.dispute.names import Case
from protocol.engines.worker.dispute_records import Item
from protocol.lease.provider_types import ProviderLease
from protocol.runtime.loop import Loop
from protocol.runtime.machine import MachineId
from protocol.types import InputError, LeaseId
from provider_node.holdings import Holdings
from provider_node.promises import reading_of
from provider_node.watcher import KIND as LEASE

_OWN_DEVICE_DOUBTS = 2
"""Runs that may contradict the result before another device than the job's is tried."""


@dataclass(frozen=True)
class Items:
    """Finds items. `device` empty: where the job ran."""

    loop: Loop
    held: Holdings
    threads: int
    device: str
    block_ms: int

    async def of(self, case: Case, blocks: int, doubts: int = 0) -> Item:
        """Return the item of a case, to be executed within so many blocks.

        InputError if the journal does not know the lease any more.
        """
        return await self.numbered(case.lease_id, case.item, blocks, doubts)

    async def numbered(self, lease: LeaseId, item: int, blocks: int = 0, doubts: int = 0) -> Item:
        """The same for an item of a lease."""
        program, inputs, device = await self.files(lease)
        if doubts >= _OWN_DEVICE_DOUBTS:
            device = "cpu"
        limit = max(blocks, 1) * self.block_ms / 1_000
        return Item(program, inputs, item, device, self.threads, limit)

    async def mended(self, lease: LeaseId) -> bool:
        """Read a lease's job whole, and fetch anew what the disk has damaged; false if nothing was."""
        state: ProviderLease | None = self.loop.state(MachineId(LEASE, lease))
        return state is not None and await self.held.mended(lease, state)

    def needs_ms(self, lease: LeaseId) -> int:
        """Return how long the trace of an item is expected to take, by what the lease's job took."""
        state: ProviderLease | None = self.loop.state(MachineId(LEASE, lease))
        if state is None or state.spec is None or state.result is None:
            return STARTUP_MS
        # As it was reckoned when the lease was promised (`protocol.auction.clocks`).
        plain = state.trace_ms or trace_ms(state.result.usage.wall_ms // max(state.spec.item_count, 1))
        return plain + STARTUP_MS + reading_of(state)

    def memory_of(self, lease: LeaseId) -> int:
        """Return the bytes that making a trace of its items takes; 0 if that is not known."""
        state: ProviderLease | None = self.loop.state(MachineId(LEASE, lease))
        return state.trace_bytes if state else 0

    def longest_ms(self, lease: LeaseId) -> int:
        """Return how long the trace of its slowest item may take here, by what the job's own run took."""
        state: ProviderLease | None = self.loop.state(MachineId(LEASE, lease))
        if state is None or state.result is None:
            return self.needs_ms(lease)
        usual = state.bid.trace_allowance * self.block_ms // 2
        return self.needs_ms(lease) + min(usual, state.result.usage.wall_ms) + state.result.over_ms

    def audited_ms(self, lease: LeaseId) -> int:
        """Return the same for an audit's run, which hashes all outputs where the run's notes are gone.

        So did the job's own run.
        """
        state: ProviderLease | None = self.loop.state(MachineId(LEASE, lease))
        if state is None or state.result is None or self.held.noted(lease).exists():
            return self.longest_ms(lease)
        return self.longest_ms(lease) + state.result.usage.wall_ms

    async def files(self, lease: LeaseId) -> tuple[str, str, str]:
        """Return the paths of a lease's program and inputs, and the device to use.

        They are held to their ids before: what is executed from damaged ones would contradict the result.
        """
        state: ProviderLease | None = self.loop.state(MachineId(LEASE, lease))
        if state is None or state.spec is None:
            raise InputError("the journal does not know the lease any more: its items cannot be executed")
        program, inputs = await self.held.job(lease, state)
        return str(program), str(inputs), self.device or state.device
