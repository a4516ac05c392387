"""What the provider's side of one game is made of: phases, state, inputs and effects."""

from dataclasses import dataclass
from enum import IntEnum

from protocol.dispute.names import Case
from protocol.dispute.records import Game
from protocol.dispute.replay import View
from protocol.messages import Bid
from protocol.types import Address, BlockNo, Hash32, Wei

NOT_YET = BlockNo(0)
_NOTHING = Wei(0)


class Phase(IntEnum):
    """What this provider is doing about a game."""

    WATCHING = 1
    """Nothing: the challenger is to move, or the chain does not show the game (a re-organisation)."""
    ANSWERING = 2
    DOUBTING = 3
    """To answer, but the item gave other bits now than were posted: it is executed again and again."""
    EXPIRING = 4
    """The challenger ran out of time: the game is ended, so that the lease can be finalised."""
    WON = 5
    CONVICTED = 6
    OVER = 7
    """The lease ended in another way, and the game with it."""


@dataclass(frozen=True, slots=True)
class SeenGame:
    """A game as the chain has it at one height. `trace_root` is zero until posted."""

    view: View
    word: Game
    trace_root: Hash32
    convicted: bool = False
    """The lease is convicted, by this game or by another: nothing is to be answered any more."""
    final: bool = False
    """That, or the game's end, has its confirmations."""


@dataclass(frozen=True, slots=True)
class Defence:
    """The state. `round` counts what was begun, so that each try is an effect of its own."""

    bid: Bid
    case: Case
    challenger: Address
    seal: Hash32
    phase: Phase = Phase.WATCHING
    height: BlockNo = NOT_YET
    seen: SeenGame | None = None
    round: int = 0
    doubts: int = 0
    """Runs for this answer that contradicted what was posted."""
    refusals: int = 0
    """Tries for this move that the chain or the worker refused."""
    retry_at: BlockNo = NOT_YET
    moves: int = 0
    fees: Wei = _NOTHING
    """Paid for moves, before what the bond repaid."""
    first_bond: int = 0
    """The bond at the first look, in gwei: what it lost since was repaid to us."""
    reason: str = ""
    """What went wrong last."""

    @property
    def deadline(self) -> BlockNo:
        """Last height at which the mover's move is accepted; 0 if nobody is to move."""
        if self.seen is None or not self.seen.word.phase.live:
            return NOT_YET
        return BlockNo(self.seen.word.moved_at + self.seen.word.mover_left)

    @property
    def repaid(self) -> Wei:
        """What the challenger's bond has repaid of the fees."""
        return Wei((self.first_bond - self.seen.word.bond) * 10**9 if self.seen else 0)


# Inputs.


@dataclass(frozen=True, slots=True)
class SawGame:
    """The chain's word at a height; None: it shows no such game (any more)."""

    height: BlockNo
    seen: SeenGame | None


@dataclass(frozen=True, slots=True)
class SawLeaseEnd:
    """The lease is over, confirmed."""

    height: BlockNo
    convicted: bool


@dataclass(frozen=True, slots=True)
class DidMove:
    """Our move is in a block, at this fee; or it needed none any more, as others moved."""

    round: int
    fee: Wei


@dataclass(frozen=True, slots=True)
class DidContradict:
    """The item gave these roots now, and other ones when it was posted."""

    round: int
    item_root: Hash32
    trace_root: Hash32


@dataclass(frozen=True, slots=True)
class DidNotAct:
    """The worker or the chain refused it for good as things stood."""

    round: int
    reason: str


Input = SawGame | SawLeaseEnd | DidMove | DidContradict | DidNotAct


# Effects. Each but the last two has a key: a round is one effect in the journal.


def _key(name: bytes, number: int) -> bytes:
    return name + b":%d" % number


@dataclass(frozen=True, slots=True)
class Answer:
    """Make the forced move and send it. Done when the game stands elsewhere, whoever caused it.

    `doubts`: how often the item was executed in vain for it; what was kept of it is not trusted then.
    """

    round: int
    doubts: int

    @property
    def key(self) -> bytes:
        """Once per round."""
        return _key(b"answer", self.round)


@dataclass(frozen=True, slots=True)
class ExpireGame:
    """Call `timeout` on the challenger. Done when the game is over, whoever caused it."""

    round: int

    @property
    def key(self) -> bytes:
        """Once per round."""
        return _key(b"expire", self.round)


@dataclass(frozen=True, slots=True)
class Alarm:
    """Say loudly that this machine's results cannot be trusted, and take no new jobs."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """An input that is not legal in this phase, with the reason; it changed nothing."""

    input: str
    phase: Phase
    reason: str


Effect = Answer | ExpireGame | Alarm | Rejected


@dataclass(frozen=True, slots=True)
class Step:
    """What a step returns."""

    state: Defence
    effects: tuple[Effect, ...] = ()
