"""Every call of the game as a record: the arguments of `IDisputes`, in the same order.

The chain adapter encodes and decodes them, the model and the replay follow them, the two players make them.
"""

from dataclasses import dataclass

from protocol.dispute.names import Case, Job, OperandProof, Position, game_id
from protocol.dispute.records import Place
from protocol.messages import Bid
from protocol.types import Address, Hash32

Hashes = tuple[Hash32, ...]


@dataclass(frozen=True, slots=True)
class Challenge:
    """Open a game about one item. The bond goes with it."""

    bid: Bid
    job: Job
    item: int
    item_root: Hash32
    proof: Hashes
    seal: Hash32
    delegates: tuple[Address, ...] = ()

    @property
    def case(self) -> Case:
        """What the game is about."""
        return Case(self.bid.lease_id(), self.bid.job_hash, self.item, self.item_root)


@dataclass(frozen=True, slots=True)
class PostTrace:
    """The root of the provider's trace, by its descendants."""

    owner: Address
    bid_hash: Hash32
    case: Case
    challenger: Address
    seal: Hash32
    children: Hashes


@dataclass(frozen=True, slots=True)
class Pick:
    """Take a descendant, numbered among those shown last."""

    case_id: Hash32
    seal: Hash32
    tag: int
    index: int


@dataclass(frozen=True, slots=True)
class Land:
    """Land on an inner node."""

    case: Case
    seal: Hash32
    position: Position
    job: Job
    node: int
    header: bytes
    header_proof: Hashes
    tensor_root: Hash32
    siblings: Hashes


@dataclass(frozen=True, slots=True)
class LandOnOutput:
    """Land on an output node."""

    case: Case
    seal: Hash32
    position: Position
    job: Job
    node: int
    header: bytes
    header_proof: Hashes
    roots: Hashes


@dataclass(frozen=True, slots=True)
class Reveal:
    """Descendants of the picked node."""

    game: Hash32
    site: Hash32
    left: Hash32
    children: Hashes
    siblings: Hashes


@dataclass(frozen=True, slots=True)
class RevealLeaves:
    """All leaves below the picked node, 128 bytes each."""

    game: Hash32
    site: Hash32
    left: Hash32
    leaves: bytes
    siblings: Hashes


@dataclass(frozen=True, slots=True)
class PickElement:
    """Ask for the running values of an element's chain."""

    case_id: Hash32
    seal: Hash32
    tag: int
    position: Position
    header_hash: Hash32
    facts: int
    number: int


@dataclass(frozen=True, slots=True)
class ShowRunning:
    """Running values of the picked element, or totals if its chain has several spans; 4 bytes each."""

    game: Hash32
    position: Position
    header: bytes
    facts: int
    leaf: bytes
    siblings: Hashes
    values: bytes


@dataclass(frozen=True, slots=True)
class PickSpan:
    """Ask for the running values of one span of 4096 terms."""

    case_id: Hash32
    seal: Hash32
    tag: int
    number: int


@dataclass(frozen=True, slots=True)
class ShowSpan:
    """Running values of the picked span; `claimed` and `totals` as `ShowRunning` showed them."""

    game: Hash32
    position: Position
    header: bytes
    facts: int
    claimed: int
    totals: bytes
    values: bytes


@dataclass(frozen=True, slots=True)
class Jump:
    """Go down by proof to any node below the anchor."""

    case_id: Hash32
    seal: Hash32
    position: Position
    node: Hash32
    index: int
    siblings: Hashes


@dataclass(frozen=True, slots=True)
class Prove:
    """Convict by an element that is one step."""

    case: Case
    seal: Hash32
    position: Position
    header: bytes
    facts: int
    number: int
    leaf: bytes
    siblings: Hashes
    leaves: bytes
    operands: tuple[OperandProof, ...]
    job: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class ProveSegment:
    """Convict by one segment of a chain."""

    case: Case
    seal: Hash32
    position: Position
    header: bytes
    facts: int
    claimed: int
    segment: int
    word: Hash32
    siblings: Hashes
    leaves: bytes
    operands: tuple[OperandProof, ...]
    job: tuple[Job, ...]


@dataclass(frozen=True, slots=True)
class ProveOutside:
    """Convict by a byte that lies outside the node's shape and is not zero."""

    case: Case
    seal: Hash32
    position: Position
    header_hash: Hash32
    facts: int
    index: int
    offset: int
    leaf: bytes
    siblings: Hashes


@dataclass(frozen=True, slots=True)
class Timeout:
    """End a game whose mover ran out of time."""

    bid: Bid
    case: Case
    challenger: Address
    seal: Hash32


@dataclass(frozen=True, slots=True)
class Resign:
    """Give up one's own game."""

    bid: Bid
    case: Case
    seal: Hash32


@dataclass(frozen=True, slots=True)
class Adopt:
    """Answer from now on with the caller's key."""

    owner: Address
    bid_hash: Hash32
    case: Case
    challenger: Address
    seal: Hash32
    position: Position


@dataclass(frozen=True, slots=True)
class Claim:
    """Open one's seal after a conviction by proof."""

    case: Case
    place: Place
    salt: Hash32
    other: Hash32
    leaf: bytes
    siblings: Hashes
    above: Hashes


@dataclass(frozen=True, slots=True)
class ClaimSilence:
    """Share in the reward after a conviction by silence."""

    case: Case
    seal: Hash32


@dataclass(frozen=True, slots=True)
class Settle:
    """End the lease as convicted."""

    bid: Bid


@dataclass(frozen=True, slots=True)
class Collect:
    """Take back a bond and the share of the reward."""

    bid: Bid
    case: Case
    seal: Hash32


@dataclass(frozen=True, slots=True)
class WithdrawCoin:
    """Pay out the caller's coin."""

    to: Address


@dataclass(frozen=True, slots=True)
class Silence:
    """Sentence a lease for silence towards the calling judge. By contracts alone."""

    bid: Bid
    shares: int
    parts: int


@dataclass(frozen=True, slots=True)
class TakePart:
    """Pay out one part of what the calling judge's `Silence` earned. By contracts alone."""

    bid: Bid
    to: Address


ChallengerMove = (
    Pick | Jump | Land | LandOnOutput | PickElement | PickSpan | Prove | ProveSegment | ProveOutside | Resign
)
ProviderMove = PostTrace | Reveal | RevealLeaves | ShowRunning | ShowSpan | Adopt
Move = Challenge | ChallengerMove | ProviderMove | Timeout | Claim | ClaimSilence
JudgeCall = Silence | TakePart
"""What other judges of a lease's kind call."""
Call = Move | Settle | Collect | WithdrawCoin | JudgeCall


@dataclass(frozen=True, slots=True)
class Made:
    """A move that the contract accepted: by whom, at which reading of the clock, and of which game, as its
    event says.
    """

    move: Move
    by: Address
    at: int
    game: Hash32


def game_of(move: Call, by: Address) -> Hash32 | None:
    """The game that a call is about; None for those about a lease or an account, and for a `Claim`, whose
    game only its seal's opening names.
    """
    match move:
        case Challenge():
            return game_id(move.case.id, by, move.seal)
        case Reveal() | RevealLeaves() | ShowRunning() | ShowSpan():
            return move.game
        case Pick() | Jump() | PickElement() | PickSpan():
            return game_id(move.case_id, by, move.seal)
        case PostTrace() | Adopt() | Timeout():
            return game_id(move.case.id, move.challenger, move.seal)
        case Claim() | Settle() | WithdrawCoin() | Silence() | TakePart():
            return None
        case _:
            return game_id(move.case.id, by, move.seal)
