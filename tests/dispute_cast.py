"""Whoever plays disputes in tests: a job with its items, cheats, and a challenger that picks at random."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from protocol.crypto import keccak256
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
)
from protocol.dispute.names import OperandProof
from protocol.dispute.records import Phase
from protocol.dispute.replay import Played, View
from protocol.dispute.shown import TRACE
from protocol.dispute.steps import Place, fold
from protocol.dispute.trace import Plan, Trace, plan
from protocol.dispute.trees import proof_of, words_of
from protocol.tape import F32, Contract, Reduce, Tape
from protocol.tape.limits import LEAF_BYTES
from protocol.tape.merkle import Tree, depth_of, tree
from protocol.tape.reference import evaluate_all, evaluate_node
from protocol.tape.roots import item_root, leaf_count
from protocol.types import Hash32
from tests.cheat.trace import Whole
from tests.strategies.tapes import tensor

Array = NDArray[Any]


@dataclass(frozen=True)
class Work:
    """A job of some items, one of which is run."""

    plan: Plan
    item: int
    values: tuple[Array, ...]

    @property
    def honest(self) -> Trace:
        """The right trace."""
        return Trace(self.plan, self.item, self.values)

    @property
    def nodes(self) -> int:
        """How many nodes the tape has."""
        return len(self.plan.tape.nodes)


def work(rng: Random, tape: Tape, item: Sequence[Array], items: int = 3) -> Work:
    """A job that runs a tape over a few items, this one among them."""
    number = rng.randrange(items)
    all_items = [[tensor(rng, kind) for kind in tape.inputs] for _ in range(items)]
    all_items[number] = list(item)
    roots = [item_root(tape.inputs, each) for each in all_items]
    return Work(plan(tape, roots), number, tuple(evaluate_all(tape, item)))


@dataclass
class Lies:
    """What a cheat posts in place of the truth."""

    leaves: dict[tuple[int, int], bytes] = field(default_factory=dict)
    """By value and leaf: bytes that no tensor of the shape could have."""
    beyond: dict[int, Hash32] = field(default_factory=dict)
    """Roots in the padding of the trace's tree, by index."""


class Forged(Trace):
    """A cheat's trace: wrong values, bytes outside of shapes, garbage beyond the nodes, and running values
    bent so that they fold to what it claims.
    """

    def __init__(self, work: Work, values: Sequence[Array], lies: Lies, rng: Random) -> None:
        super().__init__(work.plan, work.item, values)
        self.lies, self.rng = lies, rng

    @property
    def tree(self) -> Tree:  # type: ignore[override]
        first, inner = self.plan.tape.first_node, self.plan.inner
        roots = [self.tensor_root(first + number) for number in range(inner)]
        roots += [self.lies.beyond.get(at, Hash32(bytes(32))) for at in range(inner, 1 << depth_of(inner))]
        return tree(b"".join(roots))

    def middle(self, value: int) -> bytes:
        if not self._is_bent(value):
            return super().middle(value)
        return self.tensor(value).middle(self.plan.types[value])

    def tensor(self, value: int) -> Any:
        return Whole.over(self, value) if self._is_bent(value) else super().tensor(value)

    def _is_bent(self, value: int) -> bool:
        return any(held == value for held, _ in self.lies.leaves)

    def leaf(self, value: int, index: int) -> bytes:
        lie = self.lies.leaves.get((value, index))
        return super().leaf(value, index) if lie is None else lie

    def running(self, node: int, element: int) -> list[int]:
        true = super().running(node, element)
        kind, chain = self._chain(node)
        claimed = self._claimed(node, element)
        ends = chain.blocks(true)
        if fold(kind, ends) == claimed:
            return true
        bent = list(true)
        last = _bend(kind, ends[:-1], ends[-1], claimed)
        bent[-1] = last
        if self.rng.random() < 0.3 and len(true) % chain.per_block != 1:
            bent[-2] ^= 1 << self.rng.randrange(8)
        return bent

    def _claimed(self, node: int, element: int) -> int:
        array = np.ascontiguousarray(self._values[self.plan.tape.first_node + node])
        width = self.plan.tape.nodes[node].dtype.width
        return int.from_bytes(bytes(array.view("u1"))[element * width : (element + 1) * width], "little")


def _bend(kind: Contract | Reduce, before: list[int], last: int, claimed: int) -> int:
    """A last block's result with which the fold is what is claimed, if one is easily found."""
    tries = [claimed]
    if before and isinstance(kind, Contract):
        total = fold(kind, before)
        if kind.dtype is F32:
            words = np.array([claimed, total], np.uint32).view(np.float32)
            with np.errstate(all="ignore"):
                tries.append(int((words[0] - words[1]).astype(np.float32).view(np.uint32)))
        else:
            tries.append((claimed - total) & 0xFFFFFFFF)
    return next((word for word in tries if fold(kind, [*before, word]) == claimed), last)


FLIPS = ("low", "sign", "any", "nan")


def flip(rng: Random, array: Array) -> Array:
    """One element changed: a low bit, the sign, any bit, or a NaN with another payload."""
    changed = np.array(array, copy=True)
    width = changed.dtype.itemsize
    raw = changed.reshape(-1).view("u1").reshape(-1, width)
    element, how = rng.randrange(len(raw)), rng.choice(FLIPS)
    if how == "nan" and changed.dtype == np.float32:
        raw[element] = list((0x7FC00001).to_bytes(4, "little"))
    else:
        bit = {"low": 0, "sign": 8 * width - 1}.get(how, rng.randrange(8 * width))
        raw[element][bit // 8] ^= 1 << bit % 8
    return changed


def cheat(rng: Random, work: Work) -> Forged | None:
    """A provider whose item differs from the right one; None if the change that was drawn had no effect."""
    tape, first = work.plan.tape, work.plan.tape.first_node
    values, lies = [np.array(value, copy=True) for value in work.values], Lies()
    total = work.nodes
    for node in rng.sample(range(total), min(total, rng.choice((1, 1, 2)))):
        if values[first + node].size:
            values[first + node] = flip(rng, values[first + node])
            if rng.random() < 0.6:
                _recompute(tape, values, node)
    if rng.random() < 0.4:  # what is posted is wrong in any case
        outputs = [v for v in range(len(values) - tape.outputs, len(values)) if values[v].size]
        if outputs:
            value = rng.choice(outputs)
            values[value] = flip(rng, values[value])
    if rng.random() < 0.3:
        _garbage_outside(rng, work, lies, values)
    if rng.random() < 0.3:
        inner = work.plan.inner
        for at in range(inner, 1 << depth_of(inner)):
            lies.beyond[at] = Hash32(rng.randbytes(32))
    forged = Forged(work, values, lies, rng)
    return forged if forged.item_root != work.honest.item_root else None


def cheat_in(rng: Random, work: Work, node: int) -> Forged:
    """A provider that changed one element of this node, and posted a wrong item."""
    first, values = work.plan.tape.first_node, list(work.values)
    for at in {node, rng.randrange(work.plan.inner, work.nodes)}:
        values[first + at] = flip(rng, values[first + at])
    return Forged(work, values, Lies(), rng)


def _recompute(tape: Tape, values: list[Array], node: int) -> None:
    first = tape.first_node
    with np.errstate(all="ignore"):
        for number in range(node + 1, len(tape.nodes)):
            each = tape.nodes[number]
            values[first + number] = evaluate_node(each, [values[source] for source in each.sources])


def _garbage_outside(rng: Random, work: Work, lies: Lies, values: Sequence[Array]) -> None:
    """A byte that is not zero outside of some node's shape, if it has room for one."""
    value = rng.randrange(work.plan.tape.first_node, len(values))
    plain = Trace(work.plan, work.item, values)
    kind = work.plan.types[value]
    count = 1 << depth_of(leaf_count(kind))
    index = rng.randrange(count)
    leaf = bytearray(plain.leaf(value, index))
    inside = kind.columns * kind.dtype.width % LEAF_BYTES
    if index < leaf_count(kind):
        if not inside or (index + 1) % -(-kind.columns * kind.dtype.width // LEAF_BYTES):
            return
        leaf[rng.randrange(inside, LEAF_BYTES)] = rng.randrange(1, 256)
    else:
        leaf[rng.randrange(LEAF_BYTES)] = rng.randrange(1, 256)
    lies.leaves[value, index] = bytes(leaf)


@dataclass
class Picker:
    """A challenger without a case: every call that it makes is well formed, and where it goes is drawn.

    `theirs` is the provider's trace, which it knows, so that it can prove whatever is there.
    """

    rng: Random
    theirs: Trace

    def move(self, played: Played, view: View) -> ChallengerMove | None:
        """Any move that is not refused out of hand, None if it is not its turn."""
        if view.phase is Phase.SPAN:
            return PickSpan(played.case.id, view.seal, view.tag, self.rng.randint(0, view.chosen))
        if view.phase is Phase.PROVE:
            return self._segment(played, view)
        if view.phase is Phase.REVEAL and view.landing is not None and self.rng.random() < 0.3:
            return self._at_element(played, view)
        if view.phase is not Phase.PICK:
            return None
        if view.landing is None:
            return self._on_trace(played, view)
        return self._on_tensor(played, view)

    def _on_trace(self, played: Played, view: View) -> ChallengerMove:
        rng, program = self.rng, played.job.program
        choices: list[ChallengerMove] = []
        if 0 < view.shown < view.levels:
            choices.append(Pick(played.case.id, view.seal, view.tag, rng.randrange(1 << view.shown)))
        if view.levels > 1:
            choices.append(self._jump(played, view, rng.randrange(1, view.levels)))
        nodes = range(view.path << view.levels, min((view.path + 1) << view.levels, program.inner))
        if nodes:
            choices += [self._land(played, view, rng.choice(nodes))] * 2
        node = rng.randrange(program.inner, program.nodes)
        choices.append(self._output(played, view, node))
        return rng.choice(choices)

    def _on_tensor(self, played: Played, view: View) -> ChallengerMove:
        rng = self.rng
        if 0 < view.shown < view.levels and rng.random() < 0.5:
            return Pick(played.case.id, view.seal, view.tag, rng.randrange(1 << view.shown))
        if view.levels and rng.random() < 0.3:
            return self._jump(played, view, rng.randint(1, view.levels))
        return self._at_element(played, view)

    def _jump(self, played: Played, view: View, down: int) -> Jump:
        index = self.rng.randrange(1 << down)
        height, spot = view.levels - down, view.path << down | index
        node = self.theirs.hash_at(view.tree, height, spot)
        siblings = self._siblings(view.tree, height, spot, down)
        return Jump(played.case.id, view.seal, view.position, node, index, siblings)

    def _land(self, played: Played, view: View, node: int) -> Land:
        held = self.theirs.plan
        return Land(
            played.case,
            view.seal,
            view.position,
            played.job,
            node,
            held.headers[node],
            tuple(held.nodes.proof(node)),
            self.theirs.hash_at(TRACE, 0, node),
            self._siblings(TRACE, 0, node, view.levels),
        )

    def _output(self, played: Played, view: View, node: int) -> LandOnOutput:
        held = self.theirs.plan
        proof, roots = tuple(held.nodes.proof(node)), self.theirs.output_roots
        return LandOnOutput(
            played.case, view.seal, view.position, played.job, node, held.headers[node], proof, roots
        )

    def _at_element(self, played: Played, view: View) -> ChallengerMove:
        landed, rng = view.landed, self.rng
        facts, header_hash = landed.facts, keccak256(landed.header)
        leaves = range(view.path << view.levels, (view.path + 1) << view.levels)
        index = rng.choice(leaves)
        leaf, siblings = (
            self.theirs.node_leaf(landed.node, index),
            self._siblings(landed.node, 0, index, view.levels),
        )
        offset = rng.randrange(LEAF_BYTES)
        if not facts.is_inside(index, offset):
            return ProveOutside(
                played.case,
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
                played.case.id, view.seal, view.tag, view.position, header_hash, facts.pack(), element
            )
        read, proofs = self._operands(landed.node, element, 0)
        return Prove(
            played.case,
            view.seal,
            view.position,
            landed.header,
            facts.pack(),
            element,
            leaf,
            siblings,
            read,
            proofs,
            (played.job,),
        )

    def _segment(self, played: Played, view: View) -> ProveSegment:
        landed, sums = view.landed, view.sums
        assert sums is not None
        facts = landed.facts
        segment = self.rng.randrange(facts.segments_of(view.chosen))
        words = words_of(sums.values)
        first = view.chosen * facts.per_span
        read, proofs = self._operands(landed.node, view.path, first + segment)
        return ProveSegment(
            played.case,
            view.seal,
            view.position,
            landed.header,
            facts.pack(),
            sums.claimed,
            segment,
            words[segment // 8],
            proof_of(words, segment // 8),
            read,
            proofs,
            (played.job,),
        )

    def _operands(self, node: int, element: int, segment: int) -> tuple[bytes, tuple[OperandProof, ...]]:
        theirs = self.theirs
        places, leaves = theirs.leaves_of(theirs.site(node, element, segment))
        return b"".join(leaves), tuple(self._proof(at) for at in places)

    def _proof(self, at: Place) -> OperandProof:
        theirs = self.theirs
        node = at.value - theirs.plan.tape.first_node
        if node < 0:
            return theirs.given_proof(at)
        tensor = tuple(theirs.tensor(at.value).proof(at.leaf))
        if node >= theirs.plan.inner:
            return OperandProof(tensor, roots=theirs.output_roots)
        return OperandProof(tensor, tuple(theirs.tree.proof(node)))

    def _siblings(self, which: int, height: int, index: int, up: int) -> tuple[Hash32, ...]:
        return tuple(self.theirs.hash_at(which, height + h, index >> h ^ 1) for h in range(up))
