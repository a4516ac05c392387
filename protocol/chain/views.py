"""What the contracts answer, as frozen records. Mirrors Types.sol of the contracts."""

from dataclasses import dataclass
from enum import IntEnum

from protocol.messages import Bid, Registration
from protocol.types import Address, Amount, BlockNo, Blocks, Hash32, LeaseId, TransientError


class LeaseState(IntEnum):
    """Where a lease stands. From FINALIZED on nothing is held any more."""

    NONE = 0
    OPENED = 1
    """Money and bond are in; the provider has not started."""
    RUNNING = 2
    """Job: streaming, a result is owed."""
    CLOSING = 3
    """Job: the client closed; a result posted before the moved deadline still wins."""
    POSTED = 4
    SERVING = 5
    FINALIZED = 6
    CLIENT_CLOSED = 7
    PROVIDER_CLOSED = 8
    START_MISSED = 9
    RESULT_MISSED = 10
    RAN_OUT = 11
    CONVICTED = 12

    @property
    def live(self) -> bool:
        """Tell whether money is still held."""
        return LeaseState.OPENED <= self <= LeaseState.SERVING


@dataclass(frozen=True, slots=True)
class LeaseView:
    """A lease. Clock readings are absolute; what does not apply is zero."""

    state: LeaseState
    grace: Blocks
    opened_at: BlockNo
    """While OPENED only."""
    started_at: BlockNo
    """From the start on; zero while OPENED, and for ever if the lease ended unstarted."""
    last_beat: BlockNo
    """Last heartbeat that counted; the posting once a result is posted."""
    deadline: BlockNo
    """Last reading for `start` while OPENED, then for `post_result` (jobs, until posted)."""
    paid_blocks: Blocks
    funded_blocks: Blocks
    withdrawn_blocks: Blocks
    gaps: int
    """Silences beyond grace (services)."""
    freezes: int
    """Open games and demands (posted jobs)."""
    output_root: Hash32
    """Zero until posted."""

    def since(self, least: LeaseState) -> LeaseState:
        """Return the state; `TransientError` if the lease was known to stand at `least` already.

        Nothing may count as done by the word of a node that is behind.
        """
        if self.state < least:
            raise TransientError(f"a node that is behind says that the lease is {self.state.name}")
        return self.state


@dataclass(frozen=True, slots=True)
class LeaseMoney:
    """What a lease's sums come to at this moment."""

    held: Amount
    accrued: Amount
    withdrawn: Amount
    withdrawable: Amount
    refundable: Amount
    """What the client would get if the lease ended as agreed now."""


@dataclass(frozen=True, slots=True)
class StakeView:
    """An owner's stake in one token."""

    staked: Amount
    """Includes what is locked."""
    locked: Amount
    free: Amount
    """What a new bond could lock now: within stake and cap."""
    unbonding: Amount
    release_at: BlockNo
    """Last reading at which the unbonding sum is still held."""
    max_per_lease: Amount
    max_locked: Amount


@dataclass(frozen=True, slots=True)
class Listing:
    """A token of the deployment, as the Escrow lists it."""

    token: Address
    reserve: Amount
    """Part of every bond that no withdrawal may touch."""
    show_up_sum: Amount
    show_up_bps: int
    """Plus this many 1/10000 of rate x start deadline."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the deployment fixed for every bid."""

    min_grace: Blocks
    max_challenge_window: Blocks
    unbonding_delay: Blocks


@dataclass(frozen=True, slots=True)
class OpenedLease:
    """A lease with the bid that it came from."""

    lease: LeaseId
    bid: Bid
    block: BlockNo
    """The chain's block number at opening."""


@dataclass(frozen=True, slots=True)
class Registered:
    """The newest registration of one owner, as far as it was read."""

    owner: Address
    operator: Address
    """The key that it named then; who acts for the owner now, the contract tells."""
    registration: Registration | None
    """None if the bytes on chain are no `Registration` for this owner that its operator has signed."""

    @property
    def addrs(self) -> tuple[str, ...]:
        """Where the operator says that it is; empty if it has said nothing."""
        return self.registration.addrs if self.registration is not None else ()


@dataclass(frozen=True, slots=True)
class ProviderHistory:
    """How an owner's leases ended, for scoring."""

    opened: int
    finalized: int
    provider_closed: int
    start_missed: int
    result_missed: int
    convicted: int
    nonces_cancelled: int
