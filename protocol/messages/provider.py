"""What providers say about themselves and about their work."""

from dataclasses import dataclass
from typing import ClassVar

from protocol.messages.fields import (
    U8,
    U16,
    U32,
    U64,
    Addr,
    ArtifactRef,
    Block48,
    Bytes32,
    LeaseRef,
    Text,
    Texts,
)
from protocol.messages.message import Message
from protocol.types import EnergyGrade, InputError


@dataclass(frozen=True, slots=True)
class Registration(Message):
    """Who a provider is and what it has; published on chain with the operator key, in full."""

    TAG: ClassVar[int] = 7
    MAX_BYTES: ClassVar[int] = 2048

    owner: Addr
    operator: Addr
    addrs: Texts
    """Multiaddrs at which the operator's peer listens."""
    cpu: Text
    cores: U16
    memory_mib: U32
    gpus: Texts
    region: Text
    grid_zone: Text
    """Electricity zone, as in "DE" or "US-CAL-CISO"; empty if unknown."""
    carbon_grams_per_kwh: U32
    """Declared carbon intensity of that zone."""
    energy_grade: U8
    """Best grade of energy figure that the provider can deliver."""
    software: Text

    def check(self) -> None:
        """Refuse energy grades that do not exist."""
        if self.energy_grade not in set(EnergyGrade):
            raise InputError(f"energy grade {self.energy_grade} does not exist")


@dataclass(frozen=True, slots=True)
class Heartbeat(Message):
    """A running lease's sign of life over the network; the one on chain keeps the payment running."""

    TAG: ClassVar[int] = 8

    lease: LeaseRef
    block: Block48
    sequence: U32
    items_done: U32
    items_total: U32
    stage: Text
    """"fetching", "running", "posting" or "posted"."""


@dataclass(frozen=True, slots=True)
class Receipt(Message):
    """What a lease used and made; signed by the operator, kept by the client, checked against the chain."""

    TAG: ClassVar[int] = 9

    lease: LeaseRef
    job_hash: Bytes32
    spec: ArtifactRef
    output_root: Bytes32
    outputs: ArtifactRef
    output_bytes: U64
    item_count: U32
    started: Block48
    posted: Block48
    """Clock reading at which the result was ready to post."""
    wall_ms: U64
    cpu_ms: U64
    gpu_ms: U64
    peak_memory_bytes: U64
    received_bytes: U64
    sent_bytes: U64
    energy_milliwatt_hours: U64
    energy_grade: U8
    grid_zone: Text
    carbon_milligrams: U64
    device: Text
    software: Text

    def check(self) -> None:
        """Refuse energy grades that do not exist."""
        if self.energy_grade not in set(EnergyGrade):
            raise InputError(f"energy grade {self.energy_grade} does not exist")
