"""What the provider's lease machine is made of: phases, state, inputs and effects."""

from dataclasses import dataclass
from enum import IntEnum

from protocol.lease.common_types import NOT_YET, DidNotCheck, DidNotFetch, DidNotSend, effect_key
from protocol.messages import Bid, JobSpec, Offer
from protocol.types import ZERO_HASH, Address, ArtifactId, BlockNo, Blocks, Hash32


class Stage(IntEnum):
    """What the chain says of a lease. The last three are told only once they are confirmed."""

    ABSENT = 1
    """Not opened, or opened in a block that a re-organisation removed."""
    OPEN = 2
    STARTED = 3
    POSTED = 4
    SETTLED = 5
    """Finalised: paid, refunded, unlocked."""
    CLOSED = 6
    """Ended without a result: by either side, or by a missed deadline."""
    CONVICTED = 7


class Phase(IntEnum):
    """What this provider is doing about a lease."""

    BID = 1
    FETCHING = 2
    CHECKING = 3
    STARTING = 4
    RUNNING = 5
    POSTING = 6
    POSTED = 7
    FINALIZING = 8
    ABORTING = 9
    """Closing a lease that was not started."""
    FAILING = 10
    """Closing a lease that was started and will bring no result."""
    LAPSED = 11
    SETTLED = 12
    CLOSED = 13
    CONVICTED = 14


@dataclass(frozen=True, slots=True)
class ChainLease:
    """A lease as the contract holds it, read at one height. Heights are 0 where they do not apply yet."""

    stage: Stage
    start_by: BlockNo = NOT_YET
    """Last block in which `start` is accepted."""
    started_at: BlockNo = NOT_YET
    result_by: BlockNo = NOT_YET
    """Last block in which `postResult` is accepted; a client's close moves it forward."""
    posted_at: BlockNo = NOT_YET
    window_end: BlockNo = NOT_YET
    """From the block after this one, anybody may finalise."""
    output_root: Hash32 = ZERO_HASH
    paid_blocks: int = 0
    withdrawn_blocks: int = 0
    funded_blocks: int = 0
    closing: bool = False
    """The client closed a running job: without a result by `result_by` it ends, at no penalty."""
    frozen: bool = False
    """A game, demand or audit is open: `finalize` has to wait for it."""
    ending: str = ""
    """How the contract says that it ended, e.g. "client-closed"; empty while it lives."""


NOT_OPENED = ChainLease(Stage.ABSENT)


@dataclass(frozen=True, slots=True)
class Conduct:
    """How this provider runs leases; fixed when it bids."""

    beat_every: Blocks
    """Blocks between heartbeats; well below the bid's grace."""
    withdraw_every: Blocks
    """Blocks between withdrawals of advances; 0 takes everything at the end."""
    run_attempts: int
    """How often a dying child is started again before the lease is given up."""
    confirmations: Blocks
    start_margin: Blocks
    """Blocks before the start deadline at which an unready job is given up rather than started."""
    keep_blocks: Blocks
    """How long artifacts are served beyond the window."""
    block_ms: int
    memory_bytes: int
    """Largest job that may run here."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run cost; sums over all attempts of it that are known."""

    wall_ms: int
    cpu_ms: int
    gpu_ms: int
    peak_memory_bytes: int
    received_bytes: int
    sent_bytes: int
    energy_milliwatt_hours: int
    energy_grade: int
    device: str


@dataclass(frozen=True, slots=True)
class Result:
    """What the run made: the root to post and the artifact that has the bytes."""

    output_root: Hash32
    outputs: ArtifactId
    output_bytes: int
    usage: Usage
    over_ms: int = 0
    """By how much items took longer than is usual for the job, in all."""
    slow_ms: int = 0
    """The same, for `protocol.auction.defence.AS_SLOW` times what was measured."""


@dataclass(frozen=True, slots=True)
class ProviderLease:
    """The state. `round` counts what was sent to the chain, so that each sending is an effect of its own."""

    bid: Bid
    offer: Offer
    offer_id: Hash32
    peer: Address
    """The network key that signed the offer: where artifacts come from, and the quote goes to."""
    conduct: Conduct
    device: str = "cpu"
    """Where it runs, as the estimate chose."""
    phase: Phase = Phase.BID
    height: BlockNo = NOT_YET
    chain: ChainLease = NOT_OPENED
    round: int = 0
    attempt: int = 0
    refusals: int = 0
    """Transactions that the chain refused since the last change of phase."""
    beat_at: BlockNo = NOT_YET
    withdraw_at: BlockNo = NOT_YET
    retry_at: BlockNo = NOT_YET
    spec: JobSpec | None = None
    """What to run, once fetched."""
    result: Result | None = None
    ready_at: BlockNo = NOT_YET
    """Height at which the result was ready to post."""
    item_ms: int = 0
    """What an item takes: by the offer's figures, then as measured."""
    trace_ms: int = 0
    """What executing one again to defend it takes, likewise; 0 if nothing is to be defended."""
    reading_ms: int = 0
    """What reading the program took, as measured: many nodes may have few bytes."""
    trace_bytes: int = 0
    """The memory that making a trace takes, as measured; 0: not known."""
    value_bytes: int = 0
    """What it takes on disk: by the offer's figures, then as measured; 0 if nothing is to be defended."""
    reason: str = ""
    """Why the lease is being given up, or how it ended."""


# Inputs.


@dataclass(frozen=True, slots=True)
class DidBid:
    """A bid was signed; `quote` is the envelope that carries it. The first input of every machine."""

    height: BlockNo
    quote: bytes


@dataclass(frozen=True, slots=True)
class SawLease:
    """The contract's word at a height: given whenever a log names the lease, and at every `wake` height."""

    height: BlockNo
    lease: ChainLease


@dataclass(frozen=True, slots=True)
class DidFetch:
    """Spec, program and inputs are here, and the spec's job hash is the bid's."""

    spec: JobSpec


@dataclass(frozen=True, slots=True)
class DidCheck:
    """The child recomputed every root from the bytes and measured the program."""

    run_ms: int
    peak_bytes: int
    item_ms: int = 0
    trace_ms: int = 0
    """What executing an item again to defend it takes; 0 if nothing is to be defended."""
    reading_ms: int = 0
    trace_bytes: int = 0
    value_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DidRun:
    """The outputs are in the store."""

    result: Result


@dataclass(frozen=True, slots=True)
class DidNotRun:
    """The run ended without outputs; `final` if another attempt would end the same way."""

    reason: str
    final: bool


@dataclass(frozen=True, slots=True)
class AskedAbandon:
    """The operator gives the lease up."""


Input = (
    DidBid
    | SawLease
    | DidFetch
    | DidNotFetch
    | DidCheck
    | DidNotCheck
    | DidRun
    | DidNotRun
    | DidNotSend
    | AskedAbandon
)


# Effects. Each has a key: asking for the same thing twice is one effect in the journal.


@dataclass(frozen=True, slots=True)
class SendQuote:
    """Answer the offer. Best effort: a client that cannot be reached gets no quote."""

    quote: bytes

    @property
    def key(self) -> bytes:
        """Once per bid."""
        return b"quote"


@dataclass(frozen=True, slots=True)
class FetchArtifacts:
    """Pin and fetch spec, program and inputs from the client; check the spec against the bid."""

    round: int

    @property
    def key(self) -> bytes:
        """Once per opening."""
        return effect_key(b"fetch", self.round)


@dataclass(frozen=True, slots=True)
class CheckJob:
    """Recompute roots from the bytes and measure the program, in the child."""

    round: int

    @property
    def key(self) -> bytes:
        """Once per opening."""
        return effect_key(b"check", self.round)


@dataclass(frozen=True, slots=True)
class SendStart:
    """Call `start`. Done when the lease is started, whoever caused it."""

    round: int

    @property
    def key(self) -> bytes:
        """Once per round."""
        return effect_key(b"start", self.round)


@dataclass(frozen=True, slots=True)
class RunItems:
    """Run all items in the child; goes on from what an earlier attempt wrote."""

    round: int
    attempt: int

    @property
    def key(self) -> bytes:
        """Once per attempt."""
        return effect_key(b"run", self.round, self.attempt)


@dataclass(frozen=True, slots=True)
class StopJob:
    """End the child of this lease, if there is one."""

    round: int

    @property
    def key(self) -> bytes:
        """Once per round."""
        return effect_key(b"stop", self.round)


@dataclass(frozen=True, slots=True)
class SendHeartbeat:
    """Keep the payment running; many leases share one transaction."""

    due: BlockNo

    @property
    def key(self) -> bytes:
        """Once per height at which it was due."""
        return effect_key(b"beat", self.due)


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take what has accrued and is not yet covered by more than the bond."""

    due: BlockNo

    @property
    def key(self) -> bytes:
        """Once per height at which it was due."""
        return effect_key(b"withdraw", self.due)


@dataclass(frozen=True, slots=True)
class PostResult:
    """Call `postResult`. The root is the one the state holds: it is never another one (RULES 8)."""

    round: int
    output_root: Hash32

    @property
    def key(self) -> bytes:
        """Once per round."""
        return effect_key(b"post", self.round)


@dataclass(frozen=True, slots=True)
class Finalize:
    """Call `finalize`. Done when the lease is settled, whoever caused it."""

    round: int

    @property
    def key(self) -> bytes:
        """Once per round."""
        return effect_key(b"finalize", self.round)


@dataclass(frozen=True, slots=True)
class CloseLease:
    """Close as the provider; once a deadline has passed, call `expire` instead."""

    round: int

    @property
    def key(self) -> bytes:
        """Once per round."""
        return effect_key(b"close", self.round)


@dataclass(frozen=True, slots=True)
class ReleaseArtifacts:
    """Let the artifacts go: at once if `until` is 0, else from that height on."""

    until: BlockNo

    @property
    def key(self) -> bytes:
        """Once per lease."""
        return b"release"


@dataclass(frozen=True, slots=True)
class Rejected:
    """An input that is not legal in this phase, with the reason; it changed nothing."""

    input: str
    phase: Phase
    reason: str


Effect = (
    SendQuote
    | FetchArtifacts
    | CheckJob
    | SendStart
    | RunItems
    | StopJob
    | SendHeartbeat
    | Withdraw
    | PostResult
    | Finalize
    | CloseLease
    | ReleaseArtifacts
    | Rejected
)


@dataclass(frozen=True, slots=True)
class Step:
    """What a step returns."""

    state: ProviderLease
    effects: tuple[Effect, ...] = ()
