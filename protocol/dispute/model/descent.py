"""The way down: picks, landings, reveals. The twin of the second part of `DisputeMoves`."""

from dataclasses import replace

from protocol.crypto import keccak256
from protocol.dispute.facts import LEAF_BYTES, depth_of, facts_of
from protocol.dispute.levels import step
from protocol.dispute.model.rules import (
    mine,
    owed,
    pay,
    repay,
    require_position,
    require_tag,
    standing,
    store,
)
from protocol.dispute.model.state import Context, State, Stored, require
from protocol.dispute.moves import Jump, Land, LandOnOutput, Pick, Reveal, RevealLeaves
from protocol.dispute.names import Position, site_hash
from protocol.dispute.records import Phase
from protocol.dispute.trees import climb, leaf_hashes, left_among, left_of, root_of
from protocol.tape.roots import TAG_NODE, item_root_of
from protocol.types import ZERO_HASH, Hash32


def pick(state: State, call: Pick, ctx: Context) -> State:
    """See `IDisputes`."""
    game, held = mine(state, ctx, call.case_id, call.seal, Phase.PICK)
    require_tag(held, call.tag)
    now = held.game
    require(not call.index >> now.shown and 0 < now.shown != now.levels, "NoChild")
    return store(state, game, replace(now, chosen=call.index, phase=Phase.REVEAL))


def jump(state: State, call: Jump, ctx: Context) -> State:
    """See `IDisputes`."""
    game, held = mine(state, ctx, call.case_id, call.seal, Phase.PICK)
    require_position(held, call.position)
    down, levels = len(call.siblings), held.game.levels
    inside = 0 < down <= levels and not (call.position.site == ZERO_HASH and down == levels)
    require(inside and not call.index >> down, "NoChild")
    require(climb(call.node, call.index, call.siblings) == call.position.anchor, "BadProof")
    left = left_of(call.position.left, call.index, call.siblings)
    now = standing(held.game, Phase.REVEAL, held.game.path << down | call.index, levels - down)
    return store(state, game, now, replace(call.position, anchor=call.node, left=left).hash)


def land(state: State, call: Land, ctx: Context) -> State:
    """See `IDisputes`."""
    game, held = _landing(state, call, ctx)
    levels = held.game.levels
    here = call.node < call.job.program.inner and call.node >> levels == held.game.path
    require(here, "NoNode")
    require(len(call.siblings) == levels, "Count")
    require(climb(call.tensor_root, call.node, call.siblings) == call.position.anchor, "BadProof")
    left = left_of(call.position.left, call.node, call.siblings)
    return _landed(state, call, ctx, (game, held), (call.tensor_root, left))


def land_on_output(state: State, call: LandOnOutput, ctx: Context) -> State:
    """See `IDisputes`."""
    game, held = _landing(state, call, ctx)
    program = call.job.program
    require(program.inner <= call.node < program.nodes, "NoNode")
    require(len(call.roots) == program.outputs, "Count")
    require(item_root_of(call.roots) == call.case.item_root, "BadProof")
    number = call.node - program.inner
    left = left_among(ZERO_HASH, call.roots[:number])
    return _landed(state, call, ctx, (game, held), (call.roots[number], left))


def _landing(state: State, call: Land | LandOnOutput, ctx: Context) -> tuple[Hash32, Stored]:
    game, held = mine(state, ctx, call.case.id, call.seal, Phase.PICK)
    require_position(held, call.position)
    require(call.position.site == ZERO_HASH, "OtherPosition")
    require(call.job.hash == call.case.job_hash, "WrongJob")
    return game, held


def _landed(
    state: State,
    call: Land | LandOnOutput,
    ctx: Context,
    at: tuple[Hash32, Stored],
    to: tuple[Hash32, Hash32],
) -> State:
    (game, held), (root, left) = at, to
    program = call.job.program
    require(len(call.header_proof) == depth_of(program.nodes), "Count")
    node = keccak256(TAG_NODE + call.header)
    require(climb(node, call.node, call.header_proof) == program.nodes_root, "BadProof")
    facts = facts_of(call.header, ctx.now, call.node, program.first, program.inner)
    position = Position(root, site_hash(call.header, facts.pack()), left, call.position.operator)
    return store(state, game, standing(held.game, Phase.REVEAL, 0, facts.depth), position.hash)


def reveal(state: State, call: Reveal, ctx: Context) -> State:
    """See `IDisputes`."""
    held = owed(state, ctx, call.game, Phase.REVEAL)
    below = held.game.levels - held.game.shown
    landed = call.site != ZERO_HASH
    shown = step(landed, below)
    require(len(call.children) == 1 << shown, "Count")
    require(not (landed and shown == below), "Count")
    return _reveal(state, call, ctx, held, (root_of(call.children), shown, len(call.children)))


def reveal_leaves(state: State, call: RevealLeaves, ctx: Context) -> State:
    """See `IDisputes`."""
    held = owed(state, ctx, call.game, Phase.REVEAL)
    below = held.game.levels - held.game.shown
    require(call.site != ZERO_HASH and step(True, below) == below, "Count")
    require(len(call.leaves) == LEAF_BYTES << below, "Count")
    root = root_of(leaf_hashes(call.leaves))
    return _reveal(state, call, ctx, held, (root, below, len(call.leaves) // 32))


def _reveal(
    state: State, call: Reveal | RevealLeaves, ctx: Context, held: Stored, what: tuple[Hash32, int, int]
) -> State:
    (node, shown, words), now = what, held.game
    down, index = now.shown, now.chosen
    require(len(call.siblings) == down, "Count")
    anchor = climb(node, index, call.siblings)
    before = Position(anchor, call.site, call.left, ctx.sender)
    require(held.position == before.hash, "OtherPosition")
    after = Position(node, call.site, left_of(call.left, index, call.siblings), ctx.sender)
    now = standing(now, Phase.PICK, now.path << down | index, now.levels - down, shown)
    now, wei = repay(state, ctx, now, words + down)
    return pay(store(state, call.game, now, after.hash), ctx.sender, wei)
