"""Bids, offers and a fake chain for the provider's lease machine."""

from dataclasses import replace

from protocol.lease.provider_types import ChainLease, Conduct, ProviderLease, Result, Stage, Usage
from protocol.messages import Bid, JobSpec, Offer
from protocol.types import EnergyGrade

OFFER = Offer(
    client=b"\x0c" * 20,
    seal_key=b"\x01" * 32,
    job_hash=b"\x02" * 32,
    spec=b"\x03" * 32,
    token=0,
    lease_class=1,
    verification=1,
    flags=0,
    delegates=bytes(32),
    item_count=4,
    item_fma=1,
    item_elements=1,
    memory_bytes=1,
    transfer_bytes=1,
    max_blocks=50,
    challenge_window=60,
    min_bond_blocks=10,
    auction_ms=1_000,
    expiry=20,
    device="any",
    addrs=(),
)
BID = Bid(
    client=OFFER.client,
    rate_per_block=10,
    owner=b"\x0a" * 20,
    completion_fee=5,
    job_hash=OFFER.job_hash,
    delegates=bytes(32),
    bond=1_000,
    capacity_nonce=1,
    expiry=20,
    start_deadline=30,
    grace=10,
    max_blocks=40,
    top_up_cap=40,
    result_deadline=50,
    challenge_window=60,
    trace_allowance=6,
    token=0,
    lease_class=1,
    verification=1,
    flags=0,
)
CONDUCT = Conduct(
    beat_every=5,
    withdraw_every=12,
    run_attempts=3,
    confirmations=2,
    start_margin=5,
    keep_blocks=20,
    block_ms=1_000,
    memory_bytes=1 << 30,
)
USAGE = Usage(1, 1, 0, 1, 1, 1, 1, int(EnergyGrade.ESTIMATED), "cpu")
SPEC = JobSpec(1, 1, "job", b"\x04" * 32, b"\x05" * 32, 1, b"\x06" * 32, b"\x07" * 32, 1, 4)
RESULT = Result(b"\x09" * 32, b"\x08" * 32, 128, USAGE)


def fresh() -> ProviderLease:
    """The state of a machine before its first input."""
    return ProviderLease(BID, OFFER, b"\x07" * 32, b"\x0d" * 20, CONDUCT)


class FakeEscrow:
    """One lease as `IEscrow` has it; each call answers whether the contract took it."""

    def __init__(self) -> None:
        self.height = 10
        self.lease = ChainLease(Stage.ABSENT)
        self.saved: list[ChainLease] = []
        self.starts = self.posts = self.beats = 0
        self.root = bytes(32)
        self.last_beat = 0

    def view(self) -> ChainLease:
        return self.lease

    def undo(self) -> None:
        """A re-organisation removes the last change. Ends are told only once confirmed, so they stay."""
        if self.saved and self.lease.stage < Stage.SETTLED:
            self.lease = self.saved.pop()

    def open(self) -> bool:
        if self.lease.stage != Stage.ABSENT or self.height > BID.expiry:
            return False
        self._set(ChainLease(Stage.OPEN, start_by=self.height + BID.start_deadline, funded_blocks=40))
        return True

    def start(self) -> bool:
        if self.lease.stage != Stage.OPEN or self.height > self.lease.start_by:
            return self.lease.stage == Stage.STARTED
        self.starts += 1
        self.last_beat = self.height
        deadline = self.height + BID.result_deadline
        self._set(replace(self.lease, stage=Stage.STARTED, started_at=self.height, result_by=deadline))
        return True

    def beat(self) -> bool:
        if self.lease.stage == Stage.STARTED:
            self.beats += 1
            paid = self.lease.paid_blocks + min(self.height - self.last_beat, BID.grace)
            self.last_beat = self.height
            self.lease = replace(self.lease, paid_blocks=min(paid, self.lease.funded_blocks))
        return True

    def post(self, root: bytes) -> bool:
        if self.lease.stage != Stage.STARTED or self.height > self.lease.result_by:
            return self.lease.stage == Stage.POSTED
        assert root == RESULT.output_root
        self.posts += 1
        end = self.height + BID.challenge_window
        self._set(
            replace(self.lease, stage=Stage.POSTED, posted_at=self.height, window_end=end, output_root=root)
        )
        return True

    def finalize(self) -> bool:
        if self.lease.stage == Stage.POSTED and self.height > self.lease.window_end and not self.lease.frozen:
            self._set(replace(self.lease, stage=Stage.SETTLED))
        return self.lease.stage == Stage.SETTLED

    def close_by_provider(self) -> bool:
        lease, height = self.lease, self.height
        if lease.stage in (Stage.OPEN, Stage.STARTED):
            late = height > (lease.start_by if lease.stage == Stage.OPEN else lease.result_by)
            ending = "client-closed" if late and lease.closing else "missed" if late else "provider-closed"
            self._set(replace(lease, stage=Stage.CLOSED, ending=ending))
        return self.lease.stage >= Stage.SETTLED

    def close_by_client(self) -> bool:
        if self.lease.stage == Stage.OPEN:
            self._set(replace(self.lease, stage=Stage.CLOSED, ending="client-closed"))
        elif self.lease.stage == Stage.STARTED and self.height + BID.grace < self.lease.result_by:
            self._set(replace(self.lease, result_by=self.height + BID.grace, closing=True))
        else:
            return False
        return True

    def _set(self, lease: ChainLease) -> None:
        self.saved.append(self.lease)
        self.lease = lease
