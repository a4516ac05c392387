"""Challenges, traces, adoptions. The twin of the first part of `DisputeMoves`."""

from dataclasses import replace

from protocol.crypto import keccak256
from protocol.dispute.bonds import MOST_BOND
from protocol.dispute.facts import depth_of
from protocol.dispute.levels import step
from protocol.dispute.model.rules import (
    ANSWER_GAS,
    MOST_LEFT,
    SLOT_GAS,
    bond_of,
    freeze,
    owed,
    pay,
    repay,
    require_position,
    sentence_of,
    standing,
    store,
    stored,
)
from protocol.dispute.model.state import GWEI, Context, State, require
from protocol.dispute.moves import Adopt, Challenge, PostTrace
from protocol.dispute.names import Case, Position, game_id
from protocol.dispute.records import Conviction, Game, Phase
from protocol.dispute.trees import climb, root_of
from protocol.types import ZERO_HASH, Address, BidFlags, Hash32, LeaseId


def challenge(state: State, call: Challenge, ctx: Context) -> State:
    """See `IDisputes`."""
    bid, job = call.bid, call.job
    if bid.flags & BidFlags.PRIVATE and ctx.sender != bid.client:
        known = ctx.sender in call.delegates and keccak256(b"".join(call.delegates)) == bid.delegates
        require(known, "Private")
    require(job.hash == bid.job_hash, "WrongJob")
    require(call.item < job.items, "NoItem")
    state, lease = freeze(state, bid, ctx.now)
    require(len(call.proof) == depth_of(job.items), "Count")
    require(climb(call.item_root, call.item, call.proof) == lease.output_root, "BadProof")
    case_id = call.case.id
    require(sentence_of(state, call.case.lease_id).how is Conviction.NONE, "Convicted")
    game = game_id(case_id, ctx.sender, call.seal)
    require(stored(state, game).game.phase is Phase.NONE, "GameExists")
    require(ctx.value >= bond_of(state, bid, job.items, ctx.base_fee), "BondTooLow")
    require(ctx.value % GWEI == 0, "BondNotWhole")
    bond = ctx.value // GWEI
    require(bond <= MOST_BOND, "BondTooHigh")
    clock = state.terms.move_clock
    root = state.traces.get(case_id, ZERO_HASH)
    known = root != ZERO_HASH or job.program.inner == 0
    wanted = min(bid.trace_allowance * lease.freezes, 6 * lease.ran)
    opened = Game(
        Phase.PICK if known else Phase.TRACE,
        opened_at=ctx.now,
        moved_at=ctx.now,
        provider_left=min(clock + wanted, MOST_LEFT),
        challenger_left=clock,
        bond=bond,
        levels=depth_of(job.program.inner),
    )
    state = replace(state, held=state.held + ctx.value)
    return store(state, game, opened, Position(anchor=root).hash if known else None)


def trace(state: State, call: PostTrace, ctx: Context) -> State:
    """See `IDisputes`."""
    case_id = call.case.id
    game = game_id(case_id, call.challenger, call.seal)
    _require_provider(state, call.owner, call.bid_hash, call.case, ctx)
    held = replace(owed(state, ctx, game, Phase.TRACE).game, provider_left=state.terms.move_clock)
    shown = step(False, held.levels)
    require(len(call.children) == 1 << shown, "Count")
    root = root_of(call.children)
    lease_id = call.case.lease_id
    require(root != ZERO_HASH and root.endswith(bytes(8)), "BadProof")
    require(sentence_of(state, lease_id).how is Conviction.NONE, "Convicted")
    known = case_id in state.traces
    require(state.traces.get(case_id, root) == root, "BadProof")
    first = {lease_id: case_id, **state.first_traced}
    state = replace(state, traces={**state.traces, case_id: root}, first_traced=first)
    held = standing(held, Phase.PICK, 0, held.levels, shown)
    held, wei = repay(state, ctx, held, len(call.children), ANSWER_GAS + (1 if known else 2) * SLOT_GAS)
    return pay(store(state, game, held, Position(root, operator=ctx.sender).hash), ctx.sender, wei)


def adopt(state: State, call: Adopt, ctx: Context) -> State:
    """See `IDisputes`."""
    game = game_id(call.case.id, call.challenger, call.seal)
    _require_provider(state, call.owner, call.bid_hash, call.case, ctx)
    held = stored(state, game)
    require(held.game.phase.provider_moves, "WrongPhase")
    require_position(held, call.position)
    return store(state, game, held.game, replace(call.position, operator=ctx.sender).hash)


def _require_provider(state: State, owner: Address, bid_hash: Hash32, case: Case, ctx: Context) -> None:
    require(LeaseId(keccak256(owner + bid_hash)) == case.lease_id, "WrongLease")
    require(state.operators.get(owner) == ctx.sender, "NotProvider")
