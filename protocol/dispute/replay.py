"""The games about one item, rebuilt from the moves that the contract accepted.

The contract keeps a hash of where a game stands; both players need the thing itself, and what the provider
has shown. Whoever follows a case hands every accepted move of all its games to `follow`, in the order of the
chain; nothing else need be remembered. Moves are not judged here: the contract has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from protocol.crypto import cut_keccak256
from protocol.dispute.facts import Facts, depth_of, facts_of
from protocol.dispute.levels import step
from protocol.dispute.moves import (
    Adopt,
    Challenge,
    Claim,
    ClaimSilence,
    Jump,
    Land,
    LandOnOutput,
    Made,
    Pick,
    PickElement,
    PickSpan,
    PostTrace,
    Prove,
    ProveOutside,
    ProveSegment,
    Resign,
    Reveal,
    RevealLeaves,
    ShowRunning,
    ShowSpan,
    Timeout,
)
from protocol.dispute.names import Case, Job, Position, hash2, site_hash, word
from protocol.dispute.records import Game, Phase
from protocol.dispute.shown import TRACE, Gathering, Shown
from protocol.dispute.trees import leaf_hashes, left_among, left_of, root_of, words_of
from protocol.types import ZERO_HASH, Address, BrokenInvariant, Hash32


@dataclass(frozen=True, slots=True)
class Landing:
    """The node that a game landed on: its index among all nodes, its header, facts and tensor root."""

    node: int
    header: bytes
    facts: Facts
    root: Hash32


@dataclass(frozen=True, slots=True)
class Sums:
    """What a provider showed of a chain, 4 bytes a value: its element, totals if it has several spans, and
    the running values of the (chosen) span once shown.
    """

    claimed: int
    totals: bytes = b""
    values: bytes = b""


@dataclass(frozen=True, slots=True)
class View:
    """One game in the clear. `path`, `levels`, `shown` and `chosen` as in `Game`."""

    game: Hash32
    challenger: Address
    seal: Hash32
    phase: Phase
    position: Position
    """Meaningless in the phase TRACE."""
    path: int = 0
    levels: int = 0
    shown: int = 0
    chosen: int = 0
    landing: Landing | None = None
    sums: Sums | None = None

    @property
    def tag(self) -> int:
        """What a pick must repeat."""
        return self.position.tag

    @property
    def landed(self) -> Landing:
        """The node landed on. BrokenInvariant before that."""
        if self.landing is None:
            raise BrokenInvariant("the game has not landed on a node")
        return self.landing

    @property
    def tree(self) -> int:
        """The tree that the anchor is in, as `Shown` names it."""
        return TRACE if self.landing is None else self.landing.node

    def agrees(self, game: Game) -> bool:
        """Whether the chain's record is of this state; clocks and money are its own."""
        mine = (self.phase, self.path, self.levels, self.shown, self.chosen)
        theirs = (game.phase, game.path, game.levels, game.shown, game.chosen)
        return mine == theirs and (self.phase is Phase.TRACE or not self.phase.live or game.tag == self.tag)


@dataclass(frozen=True, slots=True)
class Played:
    """All games about one item, and what they opened. `trace_root` is None until posted."""

    case: Case
    job: Job
    trace_root: Hash32 | None = None
    views: Mapping[Hash32, View] = field(default_factory=dict)
    shown: Shown = field(default_factory=Shown)


def replay(case: Case, job: Job, moves: Iterable[Made]) -> Played:
    """The games about a case after these moves: all that were accepted, of all its games, in order."""
    following = Following(Played(case, job))
    for made in moves:
        following.take(made)
    return following.played()


def follow(played: Played, made: Made) -> Played:
    """The same after one more accepted move. BrokenInvariant if one before it was left out."""
    following = Following(played)
    following.take(made)
    return following.played()


class Following:
    """Takes accepted moves one by one, each in time that does not grow with those before it."""

    def __init__(self, played: Played) -> None:
        self.case, self.job, self.trace_root = played.case, played.job, played.trace_root
        self.views: dict[Hash32, View] = dict(played.views)
        self._shown = Gathering(played.shown)

    def take(self, made: Made) -> None:
        """Follow one more accepted move. BrokenInvariant if one before it was left out."""
        move = made.move
        if isinstance(move, Challenge):
            view = _opened(self.job, self.trace_root, made, move)
        else:
            held = self.views.get(made.game)
            if held is None:
                raise BrokenInvariant(f"a move of game {made.game.hex()}, which was never opened")
            view = _after(self.job, held, made)
            _opens(self._shown, held, made)
        if isinstance(move, PostTrace):
            self.trace_root = root_of(move.children)
        self.views[made.game] = view

    def played(self) -> Played:
        """Return where the games stand; no move is taken after that."""
        return Played(self.case, self.job, self.trace_root, self.views, self._shown.shown())


def _opened(job: Job, trace_root: Hash32 | None, made: Made, move: Challenge) -> View:
    inner = job.program.inner
    known = trace_root is not None or inner == 0
    phase = Phase.PICK if known else Phase.TRACE
    position = Position(anchor=trace_root or ZERO_HASH)
    return View(made.game, made.by, move.seal, phase, position, levels=depth_of(inner))


def _after(job: Job, view: View, made: Made) -> View:
    """The game after its move."""
    move = made.move
    match move:
        case PostTrace():
            anchor = Position(root_of(move.children), operator=made.by)
            return _standing(view, anchor, Phase.PICK, (0, view.levels, step(False, view.levels)))
        case Pick():
            return replace(view, phase=Phase.REVEAL, chosen=move.index)
        case Jump():
            down = len(move.siblings)
            left = left_of(view.position.left, move.index, move.siblings)
            position = replace(view.position, anchor=move.node, left=left)
            path = view.path << down | move.index
            return _standing(view, position, Phase.REVEAL, (path, view.levels - down, 0))
        case Land() | LandOnOutput():
            return _landed(job, view, move, made.at)
        case Reveal():
            return _revealed(view, made, root_of(move.children), move.siblings)
        case RevealLeaves():
            return _revealed(view, made, root_of(leaf_hashes(move.leaves)), move.siblings)
        case PickElement():
            return replace(view, phase=Phase.CHAIN, path=move.number)
        case ShowRunning():
            return _summed(view, move)
        case PickSpan():
            return replace(view, phase=Phase.RUNNING, chosen=move.number)
        case ShowSpan():
            anchor_hash = anchor_of(move.values, move.claimed)
            return replace(
                view,
                phase=Phase.PROVE,
                position=replace(view.position, anchor=anchor_hash),
                sums=Sums(move.claimed, move.totals, move.values),
            )
        case Adopt():
            return replace(view, position=replace(view.position, operator=made.by))
        case Prove() | ProveSegment() | ProveOutside():
            return replace(view, phase=Phase.WON)
        case Timeout():
            return replace(view, phase=Phase.WON if view.phase.provider_moves else Phase.LOST)
        case Resign():
            return replace(view, phase=Phase.LOST)
        case Claim() | ClaimSilence():
            return replace(view, phase=Phase.CLAIMED, chosen=int(view.phase is Phase.WON))
        case Challenge():
            raise BrokenInvariant(f"game {view.game.hex()} was opened twice")


def anchor_of(values: bytes, claimed: int) -> Hash32:
    """The anchor of a game that is about running values: their root, and the element they are of."""
    return hash2(root_of(words_of(values)), word(claimed))


def element_word(facts: Facts, leaf: bytes, offset: int) -> int:
    """The element that begins at a byte of a leaf."""
    return int.from_bytes(leaf[offset : offset + facts.width], "little")


def _standing(view: View, position: Position, phase: Phase, place: tuple[int, int, int]) -> View:
    """At a new anchor; `place` is path, levels, shown."""
    path, levels, shown = place
    return replace(view, position=position, phase=phase, path=path, levels=levels, shown=shown, chosen=0)


def _landed(job: Job, view: View, move: Land | LandOnOutput, at: int) -> View:
    facts = facts_of(move.header, at, move.node, job.program.first, job.program.inner)
    if isinstance(move, Land):
        root, left = move.tensor_root, left_of(view.position.left, move.node, move.siblings)
    else:
        number = move.node - job.program.inner
        root, left = move.roots[number], left_among(ZERO_HASH, move.roots[:number])
    position = Position(root, site_hash(move.header, facts.pack()), left, view.position.operator)
    landing = Landing(move.node, move.header, facts, root)
    return replace(_standing(view, position, Phase.REVEAL, (0, facts.depth, 0)), landing=landing)


def _revealed(view: View, made: Made, node: Hash32, siblings: tuple[Hash32, ...]) -> View:
    left = left_of(view.position.left, view.chosen, siblings)
    position = Position(node, view.position.site, left, made.by)
    levels = view.levels - view.shown
    path = view.path << view.shown | view.chosen
    return _standing(view, position, Phase.PICK, (path, levels, step(view.landing is not None, levels)))


def _summed(view: View, move: ShowRunning) -> View:
    facts = view.landed.facts
    index, offset = facts.find(view.path)
    left = left_of(view.position.left, index, move.siblings)
    claimed = element_word(facts, move.leaf, offset)
    position = replace(
        view.position, anchor=anchor_of(move.values, claimed), left=cut_keccak256(left + move.leaf[:offset])
    )
    sums = Sums(claimed, totals=move.values) if facts.spans > 1 else Sums(claimed, values=move.values)
    phase = Phase.SPAN if facts.spans > 1 else Phase.PROVE
    return replace(view, phase=phase, position=position, chosen=facts.spans - 1, sums=sums)


def _opens(shown: Gathering, view: View, made: Made) -> None:
    """Add what the move tells of the provider's trace."""
    move = made.move
    match move:
        case PostTrace():
            shown.nodes(TRACE, view.levels - step(False, view.levels), 0, move.children)
        case Jump():
            height = view.levels - len(move.siblings)
            index = view.path << len(move.siblings) | move.index
            shown.path(view.tree, height, index, move.node, move.siblings)
        case Land():
            shown.path(TRACE, 0, move.node, move.tensor_root, move.siblings)
        case Reveal():
            below = view.levels - view.shown
            height = below - step(view.landing is not None, below)
            first = (view.path << view.shown | view.chosen) << (below - height)
            shown.nodes(view.tree, height, first, move.children)
        case RevealLeaves():
            first = (view.path << view.shown | view.chosen) << (view.levels - view.shown)
            shown.leaves(view.tree, first, move.leaves)
        case _:
            pass
