"""The last move: one step, computed from the provider's own operands. The twin of `DisputeProofs`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from protocol.crypto import cut_keccak256, keccak256
from protocol.dispute.facts import LEAF_BYTES, Facts, depth_of
from protocol.dispute.model.chains import leaf_at
from protocol.dispute.model.rules import mine, require_position, require_site, sentence_of, sentenced
from protocol.dispute.model.state import (
    Context,
    RefusedError,
    Sentence,
    State,
    Stored,
    refuse,
    require,
)
from protocol.dispute.moves import Prove, ProveOutside, ProveSegment
from protocol.dispute.names import Case, Job, OperandProof, hash2, word
from protocol.dispute.records import Conviction, Phase, Place
from protocol.dispute.steps import Site, step
from protocol.dispute.trees import climb
from protocol.tape.roots import TAG_CONSTANT, item_root_of
from protocol.types import ZERO_HASH, Hash32, InputError


@dataclass(frozen=True, slots=True)
class _Accused:
    """A call whose game, position and site were checked, and the place without its element."""

    state: State
    case: Case
    game: Hash32
    held: Stored
    facts: Facts
    place: Place


def prove(state: State, call: Prove, ctx: Context) -> State:
    """See `IDisputes`."""
    at = _accused(state, call, keccak256(call.header), ctx, Phase.PICK, Phase.REVEAL)
    facts = at.facts
    require(call.number < facts.elements, "NoElement")
    require(facts.segments == 1, "NeedsRunning")
    index, offset = facts.find(call.number)
    found, left = _shown(at, call, index, offset)
    right = _step(at, call, call.number, 0, facts.start)
    require(right != found, "StepIsTrue")
    where = replace(at.place, leaf=index, offset=offset, width=facts.width, left=left)
    return _convict(at, replace(where, claimed=found, right=right, exact=True), ctx)


def prove_segment(state: State, call: ProveSegment, ctx: Context) -> State:
    """See `IDisputes`."""
    at = _accused(state, call, keccak256(call.header), ctx, Phase.PROVE)
    facts, now = at.facts, at.held.game
    count = facts.segments_of(now.chosen)
    require(call.segment < count, "NoElement")
    require(len(call.siblings) == depth_of((count + 7) // 8), "Count")
    root = climb(call.word, call.segment // 8, call.siblings)
    require(call.position.anchor == hash2(root, word(call.claimed)), "BadProof")
    fresh = call.segment % facts.per_block == 0
    before = facts.start if fresh else _eighth(call.word, call.segment % 8 - 1)
    right = _step(at, call, now.path, now.chosen * facts.per_span + call.segment, before)
    require(right != _eighth(call.word, call.segment % 8), "StepIsTrue")
    index, offset = facts.find(now.path)
    where = replace(at.place, leaf=index, offset=offset, width=facts.width, left=call.position.left)
    return _convict(at, replace(where, claimed=call.claimed), ctx)


def prove_outside(state: State, call: ProveOutside, ctx: Context) -> State:
    """See `IDisputes`."""
    at = _accused(state, call, call.header_hash, ctx, Phase.PICK, Phase.REVEAL)
    inside = call.offset >= LEAF_BYTES or at.facts.is_inside(call.index, call.offset)
    require(not inside, "NoElement")
    _, left = _shown(at, call, call.index, call.offset)
    byte = call.leaf[call.offset]
    require(byte != 0, "StepIsTrue")
    where = replace(at.place, leaf=call.index, offset=call.offset, width=1, left=left)
    return _convict(at, replace(where, claimed=byte, exact=True), ctx)


def _accused(
    state: State, call: Prove | ProveSegment | ProveOutside, header_hash: Hash32, ctx: Context, *phases: Phase
) -> _Accused:
    case_id = call.case.id
    game, held = mine(state, ctx, case_id, call.seal, *phases)
    require(held.game.opened_at < ctx.now, "TooYoung")
    require(sentence_of(state, call.case.lease_id).how is Conviction.NONE, "Convicted")
    require_position(held, call.position)
    require_site(call.position, header_hash, call.facts)
    facts = Facts.unpack(call.facts)
    nowhere = (0, 0, 0, ZERO_HASH, 0, 0, False)
    place = Place(case_id, facts.node, facts.output, *nowhere, facts.landed_at)
    return _Accused(state, call.case, game, held, facts, place)


def _shown(at: _Accused, call: Prove | ProveOutside, index: int, offset: int) -> tuple[int, Hash32]:
    """A leaf of the node's tensor, proven under the anchor."""
    require(len(call.siblings) == at.held.game.levels, "Count")
    require(index >> at.held.game.levels == at.held.game.path, "NoElement")
    return leaf_at(call.position, at.facts, (index, offset), call.leaf, call.siblings)


def _step(at: _Accused, call: Prove | ProveSegment, element: int, segment: int, before: int) -> int:
    """What the Referee says of a step; each leaf that it read is proven at its place."""
    plan = at.state.leases[at.case.lease_id].plan
    if len(call.leaves) % LEAF_BYTES:
        raise RefusedError("Referee")
    leaves = [call.leaves[i : i + LEAF_BYTES] for i in range(0, len(call.leaves), LEAF_BYTES)]
    site = Site(plan.tape.nodes[at.facts.node], plan.types, element, segment)
    try:
        found = step(site, leaves, before)
    except InputError:
        raise RefusedError("Referee") from None
    require(len(call.operands) == len(found.places), "Count")
    for place, leaf, proof in zip(found.places, leaves, call.operands, strict=True):
        require(len(proof.tensor) == place.depth, "Count")
        root = climb(cut_keccak256(leaf), place.leaf, proof.tensor)
        if place.value >= at.facts.first:
            _require_node(at, place.value - at.facts.first, root, proof)
        else:
            _require_given(at.case, call.job, place.value, root, proof)
    return found.value


def _require_node(at: _Accused, node: int, root: Hash32, proof: OperandProof) -> None:
    if node >= at.facts.inner:
        _require_among(proof.roots, node - at.facts.inner, root)
        require(item_root_of(proof.roots) == at.case.item_root, "BadProof")
        return
    require(len(proof.tree) == depth_of(at.facts.inner), "Count")
    require(climb(root, node, proof.tree) == at.state.traces.get(at.case.id, ZERO_HASH), "BadProof")


def _require_given(case: Case, jobs: Sequence[Job], value: int, root: Hash32, proof: OperandProof) -> None:
    if len(jobs) != 1:
        refuse("Count")
    job = jobs[0]
    program = job.program
    require(job.hash == case.job_hash, "WrongJob")
    if value < program.inputs:
        require(len(proof.roots) == program.inputs, "BadProof")
        _require_among(proof.roots, value, root)
        require(len(proof.tree) == depth_of(job.items), "Count")
        require(climb(item_root_of(proof.roots), case.item, proof.tree) == job.input_root, "BadProof")
        return
    value -= program.inputs
    require(len(proof.tree) == depth_of(program.constants), "Count")
    entry = keccak256(TAG_CONSTANT + root + proof.dtype)
    require(climb(entry, value, proof.tree) == program.constants_root, "BadProof")


def _require_among(roots: Sequence[Hash32], number: int, root: Hash32) -> None:
    require(number < len(roots) and roots[number] == root, "BadProof")


def _eighth(values: Hash32, number: int) -> int:
    return int.from_bytes(values[4 * number : 4 * number + 4], "big")


def _convict(at: _Accused, place: Place, ctx: Context) -> State:
    sentence = Sentence(Conviction.PROVEN, since=ctx.now, fixed=place.cut_hash)
    lease_id = at.case.lease_id
    won = Stored(replace(at.held.game, phase=Phase.WON))  # nothing stands on its position any more
    state = sentenced(at.state, lease_id, sentence)
    return replace(state, places={**state.places, lease_id: place}, games={**state.games, at.game: won})
