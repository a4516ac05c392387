"""What the client's lease machine is made of: phases, state, inputs and effects."""

from dataclasses import dataclass
from enum import IntEnum

from protocol.lease.common_types import NOT_YET, DidNotCheck, DidNotFetch, DidNotSend, effect_key
from protocol.messages import Bid
from protocol.types import ZERO_HASH, Amount, ArtifactId, BlockNo, Blocks, Hash32


class Stage(IntEnum):
    """What the chain says of a lease; the numbers are the contract's own, one higher."""

    ABSENT = 1
    OPENED = 2
    RUNNING = 3
    CLOSING = 4
    POSTED = 5
    SERVING = 6
    FINALIZED = 7
    CLIENT_CLOSED = 8
    PROVIDER_CLOSED = 9
    START_MISSED = 10
    RESULT_MISSED = 11
    RAN_OUT = 12
    CONVICTED = 13


class Phase(IntEnum):
    """Where the lease stands for its client."""

    OPENING = 1
    """The opening is not on chain, or a re-organisation took it back."""
    OPENED = 2
    RUNNING = 3
    CLOSING = 4
    """This client closed: without a result by the moved deadline the rest comes back."""
    POSTED = 5
    FINAL = 6
    """The result became final: paid, the rest refunded."""
    REFUNDED = 7
    """It ended without a result; what was not earned came back."""
    CONVICTED = 8
    LAPSED = 9
    """It never came to be: the bid expired before it was opened for good."""


class Work(IntEnum):
    """What became of the outputs."""

    NONE = 1
    FETCHING = 2
    CHECKING = 3
    SAVING = 4
    GOOD = 5
    """The bytes give the posted root, and every item that was re-run gave the same bits."""
    WRONG = 6
    """They do not: whoever may challenge should."""
    LOST = 7
    """Nobody served them in time, or what was served was something else; they can be asked for again."""


@dataclass(frozen=True, slots=True)
class ChainLease:
    """The lease as the contract holds it at one height. What does not apply is zero."""

    stage: Stage
    start_by: BlockNo = NOT_YET
    """Last reading at which the provider may start; while opened."""
    started_at: BlockNo = NOT_YET
    result_by: BlockNo = NOT_YET
    posted_at: BlockNo = NOT_YET
    output_root: Hash32 = ZERO_HASH
    paid_blocks: int = 0
    funded_blocks: int = 0
    freezes: int = 0


ABSENT = ChainLease(Stage.ABSENT)


@dataclass(frozen=True, slots=True)
class Conduct:
    """How this client follows a lease; fixed when it opens it. Spans are in units of the clock."""

    rerun_ppm: int
    """Share of the items that are re-run here before the result is called good."""
    finalize_after: Blocks
    """Beyond the window, this long is left to the provider to finalise at its own cost."""
    fetch_until: Blocks
    """Beyond the window, or the moment they were first asked for, this long the outputs are fetched."""
    retry_after: Blocks
    """Between a transaction that the chain refused and the next try."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What was fetched: the outputs' artifact and the receipt, as the operator signed it."""

    artifact: ArtifactId
    receipt: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the check found. Roots are of the outputs; `compared` items were run again here."""

    claimed_root: Hash32
    own_root: Hash32
    compared: int
    first_different: int | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How the money went, from the `Ended` event."""

    to_owner: Amount
    to_client: Amount
    seized: Amount
    burnt: Amount


@dataclass(frozen=True, slots=True)
class ClientLease:
    """The state. `round` counts what was sent to the chain, so that each sending is an effect of its own."""

    bid: Bid
    conduct: Conduct
    phase: Phase = Phase.OPENING
    work: Work = Work.NONE
    height: BlockNo = NOT_YET
    chain: ChainLease = ABSENT
    round: int = 0
    retry_at: BlockNo = NOT_YET
    cancelled: bool = False
    """The user wants out."""
    attempt: int = 0
    """How often the outputs were asked for."""
    fetch_until: BlockNo = NOT_YET
    outputs: Outputs | None = None
    verdict: Verdict | None = None
    result_path: str = ""
    settlement: Settlement | None = None
    reason: str = ""
    """Why it ended as it did, or what went wrong last."""
    holds_at: BlockNo = NOT_YET
    """The next height at which to look what still holds the result."""

    @property
    def window_end(self) -> BlockNo:
        """Return the last reading at which the posted result can be judged."""
        return BlockNo(self.chain.posted_at + self.bid.challenge_window)


# Inputs.


@dataclass(frozen=True, slots=True)
class SawLease:
    """The contract's word at a height: given when it changed, and at every `wake` height."""

    height: BlockNo
    lease: ChainLease


@dataclass(frozen=True, slots=True)
class SawHolds:
    """What held the result was looked at, and ended where its time was over; look again at that height."""

    again_at: BlockNo


@dataclass(frozen=True, slots=True)
class DidFetch:
    """Receipt and outputs are here; every chunk matched the artifact's id."""

    outputs: Outputs


@dataclass(frozen=True, slots=True)
class DidCheck:
    """The child recomputed the root from the bytes, and re-ran what was drawn."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class DidSave:
    """The result files are written."""

    path: str


@dataclass(frozen=True, slots=True)
class DidNotSave:
    """They could not be written; the checked bytes stay in the store."""

    reason: str


@dataclass(frozen=True, slots=True)
class DidSettle:
    """The chain's account of the end."""

    settlement: Settlement


@dataclass(frozen=True, slots=True)
class AskedCancel:
    """The user wants out."""


@dataclass(frozen=True, slots=True)
class AskedFetch:
    """The user wants the outputs asked for again."""


Input = (
    SawLease
    | SawHolds
    | DidFetch
    | DidNotFetch
    | DidCheck
    | DidNotCheck
    | DidSave
    | DidNotSave
    | DidSettle
    | DidNotSend
    | AskedCancel
    | AskedFetch
)


# Effects. Each has a key: asking for the same thing twice is one effect in the journal.


@dataclass(frozen=True, slots=True)
class SendClose:
    """Call `closeByClient`. Done when the lease is closing or ended, whoever caused it."""

    round: int

    @property
    def key(self) -> bytes:
        """Once per round."""
        return effect_key(b"close", self.round)


@dataclass(frozen=True, slots=True)
class SendExpire:
    """Call `expire`: a deadline was missed. Done when the lease is ended."""

    round: int

    @property
    def key(self) -> bytes:
        """Once per round."""
        return effect_key(b"expire", self.round)


@dataclass(frozen=True, slots=True)
class SendFinalize:
    """Call `finalize`: the window is over. Done when the lease is ended."""

    round: int

    @property
    def key(self) -> bytes:
        """Once per round."""
        return effect_key(b"finalize", self.round)


@dataclass(frozen=True, slots=True)
class EndHolds:
    """End games and demands whose time is over, and settle a conviction, if nobody else did: the client's
    money waits for it. `right`: the result was found right here; only then a challenger's clock is called.
    """

    round: int
    right: bool

    @property
    def key(self) -> bytes:
        """Once per round."""
        return effect_key(b"holds", self.round)


@dataclass(frozen=True, slots=True)
class FetchOutputs:
    """Get the receipt for this root from the provider, and the outputs from whoever has them."""

    output_root: Hash32
    attempt: int

    @property
    def key(self) -> bytes:
        """Once per attempt: a re-organisation may bring another root, a user may ask again."""
        return effect_key(b"fetch", self.attempt)


@dataclass(frozen=True, slots=True)
class CheckOutputs:
    """Recompute the root from the bytes in the child and re-run a share of the items."""

    output_root: Hash32
    outputs: Outputs
    rerun_ppm: int
    attempt: int

    @property
    def key(self) -> bytes:
        """Once per attempt to fetch."""
        return effect_key(b"check", self.attempt)


@dataclass(frozen=True, slots=True)
class SaveResult:
    """Decode the outputs into files."""

    outputs: Outputs
    attempt: int

    @property
    def key(self) -> bytes:
        """Once per attempt to fetch."""
        return effect_key(b"save", self.attempt)


@dataclass(frozen=True, slots=True)
class ReadSettlement:
    """Read the `Ended` event."""

    @property
    def key(self) -> bytes:
        """Once per lease."""
        return b"settlement"


@dataclass(frozen=True, slots=True)
class ReleaseArtifacts:
    """Let spec, program and inputs go: nobody needs them from us any more."""

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
    SendClose
    | SendExpire
    | SendFinalize
    | EndHolds
    | FetchOutputs
    | CheckOutputs
    | SaveResult
    | ReadSettlement
    | ReleaseArtifacts
    | Rejected
)


@dataclass(frozen=True, slots=True)
class Step:
    """What a step returns."""

    state: ClientLease
    effects: tuple[Effect, ...] = ()
