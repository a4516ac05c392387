"""What an honest challenger does next.

It always takes the first difference from its own trace. So everything left of the path is its own, what is
right of it was shown, and it can prove every operand: of each node of the provider's trees that a proof
needs, it knows either what was shown there or, if nothing was, that it is its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from protocol.crypto import keccak256
from protocol.dispute.answers import packed
from protocol.dispute.moves import (
    ChallengerMove,
    Jump,
    Land,
    LandOnOutput,
    Pick,
    PickElement,
    PickSpan,
    Prove,
    ProveOutside,
    ProveSegment,
    Resign,
)
from protocol.dispute.names import OperandProof
from protocol.dispute.records import Phase
from protocol.dispute.replay import Played, View
from protocol.dispute.shown import TRACE
from protocol.dispute.steps import Place
from protocol.dispute.trace import Trace
from protocol.dispute.trees import proof_of, words_of
from protocol.messages import Bid
from protocol.types import Hash32

_WORD, _VALUE = 32, 4


@dataclass(frozen=True, slots=True)
class Accusing:
    """What a challenger holds: the lease's bid, its own run of the item, and the tensor roots of the outputs
    that the provider posted.
    """

    bid: Bid
    own: Trace
    posted: tuple[Hash32, ...]


def worth(own: Trace, item_root: Hash32) -> bool:
    """Whether a posted item differs from one's own: no other game can be won."""
    return own.item_root != item_root


def next_move(played: Played, view: View, by: Accusing) -> ChallengerMove | None:
    """The challenger's next move in its game: None while there is nothing to do but wait, `Resign` if nothing
    differs. A proof is refused until the game is a block old.
    """
    return _Seat(played, view, by).move()


@dataclass(frozen=True, slots=True)
class _Seat:
    """One look at one game."""

    played: Played
    view: View
    by: Accusing

    def move(self) -> ChallengerMove | None:
        match self.view.phase:
            case Phase.PICK:
                return self._on_trace() if self.view.landing is None else self._on_tensor()
            case Phase.REVEAL if self.view.landing is not None:
                # What another game showed need not be waited for.
                found = self._on_tensor()
                return found if isinstance(found, Prove | ProveOutside) else None
            case Phase.SPAN:
                return self._span()
            case Phase.PROVE:
                return self._segment()
            case _:
                return None

    # --------------------------------------------------------------------------------------------- going down

    def _on_trace(self) -> ChallengerMove:
        found = self._first_difference(self.by.own.plan.inner)
        if found is None:
            return self._output()
        height, index = found
        return self._land(index) if height == 0 else self._go(height, index)

    def _on_tensor(self) -> ChallengerMove:
        found = self._first_difference(None)
        if found is None:
            return self._resign()
        height, index = found
        leaf = self.played.shown.leaves.get((self.view.tree, index)) if height == 0 else None
        return self._go(height, index) if leaf is None else self._at_leaf(index, leaf)

    def _first_difference(self, count: int | None) -> tuple[int, int] | None:
        """Height and index of the first node below the anchor that differs, as deep as was shown.

        Nodes over nothing but leaves beyond `count` are no difference.
        """
        view = self.view
        height, index = view.levels, view.path
        if not self._differs(height, index, count, view.position.anchor):
            return None
        while height and self._is_shown(height - 1, 2 * index) and self._is_shown(height - 1, 2 * index + 1):
            pair = (2 * index, 2 * index + 1)
            hashes = [self._known(view.tree, height - 1, child) for child in pair]
            differ = [
                child
                for child, found in zip(pair, hashes, strict=True)
                if self._differs(height - 1, child, count, found)
            ]
            if not differ:
                return None
            height, index = height - 1, differ[0]
        return height, index

    def _differs(self, height: int, index: int, count: int | None, found: Hash32) -> bool:
        if count is not None and index << height >= count:
            return False
        return found != self.by.own.hash_at(self.view.tree, height, index)

    def _is_shown(self, height: int, index: int) -> bool:
        return (self.view.tree, height, index) in self.played.shown.hashes

    def _go(self, height: int, index: int) -> Pick | Jump:
        """To a node: by a pick if it is among those shown last, else by proof."""
        view = self.view
        if view.shown and height == view.levels - view.shown:
            return Pick(self.played.case.id, view.seal, view.tag, index - (view.path << view.shown))
        down = view.levels - height
        return Jump(
            self.played.case.id,
            view.seal,
            view.position,
            self._known(view.tree, height, index),
            index - (view.path << down),
            self._siblings(view.tree, height, index, down),
        )

    # ------------------------------------------------------------------------------------------------ landing

    def _land(self, node: int) -> Land:
        plan, view = self.by.own.plan, self.view
        return Land(
            self.played.case,
            view.seal,
            view.position,
            self.played.job,
            node,
            plan.headers[node],
            tuple(plan.nodes.proof(node)),
            self._known(TRACE, 0, node) if view.levels else view.position.anchor,
            self._siblings(TRACE, 0, node, view.levels),
        )

    def _output(self) -> LandOnOutput | Resign:
        own, posted = self.by.own.output_roots, self.by.posted
        differ = [number for number, root in enumerate(posted) if root != own[number]]
        if not differ:
            return self._resign()
        plan = self.by.own.plan
        node = plan.inner + differ[0]
        return LandOnOutput(
            self.played.case,
            self.view.seal,
            self.view.position,
            self.played.job,
            node,
            plan.headers[node],
            tuple(plan.nodes.proof(node)),
            posted,
        )

    # ------------------------------------------------------------------------------------------------ proving

    def _at_leaf(self, index: int, leaf: bytes) -> ChallengerMove:
        view, landed = self.view, self.view.landed
        facts = landed.facts
        own = self.by.own.node_leaf(landed.node, index)
        offset = next(at for at, (a, b) in enumerate(zip(leaf, own, strict=True)) if a != b)
        siblings = self._siblings(landed.node, 0, index, view.levels)
        header_hash = keccak256(landed.header)
        if not facts.is_inside(index, offset):
            return ProveOutside(
                self.played.case,
                view.seal,
                view.position,
                header_hash,
                facts.pack(),
                index,
                offset,
                leaf,
                siblings,
            )
        element = facts.element_at(index, offset)
        if facts.segments > 1:
            return PickElement(
                self.played.case.id, view.seal, view.tag, view.position, header_hash, facts.pack(), element
            )
        leaves, operands, given = self._operands(element, 0)
        return Prove(
            self.played.case,
            view.seal,
            view.position,
            landed.header,
            facts.pack(),
            element,
            leaf,
            siblings,
            leaves,
            operands,
            (self.played.job,) if given else (),
        )

    def _span(self) -> PickSpan | Resign:
        landed, sums = self.view.landed, self.view.sums
        running = self.by.own.running(landed.node, self.view.path)
        totals = packed(self.by.own.totals(landed.node, running, landed.facts.per_span))
        number = _first(totals, sums.totals if sums else b"")
        if number is None:
            return self._resign()
        return PickSpan(self.played.case.id, self.view.seal, self.view.tag, number)

    def _segment(self) -> ProveSegment | Resign:
        view, landed, sums = self.view, self.view.landed, self.view.sums
        facts = landed.facts
        first = view.chosen * facts.per_span
        running = self.by.own.running(landed.node, view.path)[first : first + facts.per_span]
        values = sums.values if sums else b""
        segment = _first(packed(running), values)
        if sums is None or segment is None:
            return self._resign()
        words = words_of(values)
        leaves, operands, given = self._operands(view.path, first + segment)
        return ProveSegment(
            self.played.case,
            view.seal,
            view.position,
            landed.header,
            facts.pack(),
            sums.claimed,
            segment,
            words[segment * _VALUE // _WORD],
            proof_of(words, segment * _VALUE // _WORD),
            leaves,
            operands,
            (self.played.job,) if given else (),
        )

    def _operands(self, element: int, segment: int) -> tuple[bytes, tuple[OperandProof, ...], bool]:
        """The leaves of a step, where each hangs, and whether one is the job's own."""
        own = self.by.own
        places, leaves = own.leaves_of(own.site(self.view.landed.node, element, segment))
        proofs = tuple(self._proof(at) for at in places)
        given = any(at.value < own.plan.tape.first_node for at in places)
        return b"".join(leaves), proofs, given

    def _proof(self, at: Place) -> OperandProof:
        own = self.by.own
        node = at.value - own.plan.tape.first_node
        if node < 0:
            return own.given_proof(at)
        tensor = tuple(own.tensor(at.value).proof(at.leaf))
        if node >= own.plan.inner:
            return OperandProof(tensor, roots=self.by.posted)
        return OperandProof(tensor, self._siblings(TRACE, 0, node, own.tree.depth))

    # ---------------------------------------------------------------------------------------------- knowledge

    def _known(self, tree: int, height: int, index: int) -> Hash32:
        """A node of the provider's trees: as it was shown, else as one's own, which it then is."""
        shown = self.played.shown.hashes.get((tree, height, index))
        return self.by.own.hash_at(tree, height, index) if shown is None else shown

    def _siblings(self, tree: int, height: int, index: int, up: int) -> tuple[Hash32, ...]:
        return tuple(self._known(tree, height + h, index >> h ^ 1) for h in range(up))

    def _resign(self) -> Resign:
        return Resign(self.by.bid, self.played.case, self.view.seal)


def _first(own: bytes, theirs: bytes) -> int | None:
    """The first of the 4-byte values that differs."""
    pairs: Sequence[int] = range(0, len(own), _VALUE)
    return next((at // _VALUE for at in pairs if own[at : at + _VALUE] != theirs[at : at + _VALUE]), None)
