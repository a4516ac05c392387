"""How games end and who is paid. The twin of `DisputeEnds`."""

from dataclasses import replace

from protocol.crypto import cut_keccak256
from protocol.dispute.facts import LEAF_BYTES
from protocol.dispute.model.rules import (
    clock_left,
    convict,
    pay,
    release,
    sentence_of,
    sentenced,
    store,
    stored,
)
from protocol.dispute.model.state import GWEI, Context, Sentence, State, refuse, require
from protocol.dispute.moves import Claim, ClaimSilence, Collect, Resign, Settle, Timeout, WithdrawCoin
from protocol.dispute.names import Case, game_id, seal_of
from protocol.dispute.records import Conviction, Game, Phase
from protocol.dispute.trees import climb, left_among, left_of
from protocol.messages import Bid
from protocol.tape.roots import item_root_of
from protocol.types import ZERO_HASH, Address, Hash32, LeaseId

RESERVE_PARTS = 4


def timeout(state: State, call: Timeout, ctx: Context) -> State:
    """See `IDisputes`."""
    game, held = _live(state, call.bid, call.case, call.challenger, call.seal)
    require(clock_left(held, ctx.now) is None, "InTime")
    if not held.phase.provider_moves:
        return _lose(state, game, held, call.bid)
    state = sentenced(state, call.case.lease_id, Sentence(Conviction.SILENT, since=ctx.now))
    return store(state, game, replace(held, phase=Phase.WON))


def resign(state: State, call: Resign, ctx: Context) -> State:
    """See `IDisputes`."""
    game, held = _live(state, call.bid, call.case, ctx.sender, call.seal)
    require(not held.phase.provider_moves, "WrongPhase")
    return _lose(state, game, held, call.bid)


def _live(state: State, bid: Bid, case: Case, challenger: Address, seal: Hash32) -> tuple[Hash32, Game]:
    require(bid.lease_id() == case.lease_id, "WrongLease")
    game = game_id(case.id, challenger, seal)
    held = stored(state, game).game
    require(held.phase.live, "WrongPhase")
    require(sentence_of(state, case.lease_id).how is Conviction.NONE, "Convicted")
    return game, held


def _lose(state: State, game: Hash32, held: Game, bid: Bid) -> State:
    coins = {**state.coins, bid.owner: state.coins.get(bid.owner, 0) + held.bond * GWEI}
    state = store(replace(state, coins=coins), game, replace(held, bond=0, phase=Phase.LOST))
    return release(state, bid)


def claim(state: State, call: Claim, ctx: Context) -> State:
    """See `IDisputes`."""
    sentence = _claimable(state, call.case.lease_id, Conviction.PROVEN, ctx)
    place, case_id = call.place, call.case.id
    require(place.cut_hash == sentence.fixed and place.case_id == case_id, "WrongPlace")
    trace_root, item_root = _opened(call)
    seal = seal_of(trace_root, item_root, ctx.sender, call.case, call.salt)
    game = game_id(case_id, ctx.sender, seal)
    held = stored(state, game).game
    require(_counts(held) and held.moved_at != held.opened_at, "WrongPhase")
    limit = sentence.since if place.exact else place.landed_at
    require(held.opened_at < limit, "NotOpenedInTime")
    return _claimed(state, game, held, call.case.lease_id, sentence)


def _opened(call: Claim) -> tuple[Hash32, Hash32]:
    """The roots of the caller's own run, from its leaf at the place."""
    place, leaf = call.place, call.leaf
    require(len(leaf) == LEAF_BYTES, "Count")
    root = climb(cut_keccak256(leaf), place.leaf, call.siblings)
    if place.output == 0:
        trace_root, item_root = climb(root, place.node, call.above), call.other
        left = left_of(ZERO_HASH, place.node, call.above)
    else:
        number = place.output - 1
        require(number < len(call.above) and call.above[number] == root, "BadSeal")
        trace_root, item_root = call.other, item_root_of(call.above)
        left = left_among(ZERO_HASH, call.above[:number])
    left = cut_keccak256(left_of(left, place.leaf, call.siblings) + leaf[: place.offset])
    require(left == place.left, "BadSeal")
    width = 1 if place.width == 1 else 4
    word = int.from_bytes(leaf[place.offset : place.offset + width], "little")
    require(word == place.right if place.exact else word != place.claimed, "BadSeal")
    return trace_root, item_root


def claim_silence(state: State, call: ClaimSilence, ctx: Context) -> State:
    """See `IDisputes`."""
    sentence = _claimable(state, call.case.lease_id, Conviction.SILENT, ctx)
    game = game_id(call.case.id, ctx.sender, call.seal)
    held = stored(state, game).game
    require(_counts(held), "WrongPhase")
    require(held.opened_at < sentence.since, "NotOpenedInTime")
    return _claimed(state, game, held, call.case.lease_id, sentence)


def _claimable(state: State, lease_id: LeaseId, how: Conviction, ctx: Context) -> Sentence:
    sentence = sentence_of(state, lease_id)
    require(sentence.how is how and not sentence.settled, "NotConvicted")
    require(ctx.now <= sentence.since + state.terms.claim_period, "TooLate")
    return sentence


def _counts(held: Game) -> bool:
    return held.phase.live or held.phase is Phase.WON


def _claimed(state: State, game: Hash32, held: Game, lease_id: LeaseId, sentence: Sentence) -> State:
    won = held.phase is Phase.WON
    after = replace(sentence, won=sentence.won or won, claims=sentence.claims + 1)
    state = sentenced(state, lease_id, after)
    return store(state, game, replace(held, chosen=int(won), phase=Phase.CLAIMED))


def settle(state: State, call: Settle, ctx: Context) -> State:
    """See `IDisputes`."""
    lease_id = call.bid.lease_id()
    sentence = sentence_of(state, lease_id)
    require(sentence.how is not Conviction.NONE and not sentence.settled, "NotConvicted")
    require(ctx.now > sentence.since + state.terms.claim_period, "TooEarly")
    asked: int | None = None
    if sentence.claims == 0:
        asked = 0
    elif sentence.how is Conviction.SILENT:
        asked = _gas_worth(state, call.bid) * sentence.claims
    state, reward = convict(state, call.bid, asked)
    state = replace(state, credits=state.credits + reward)
    return sentenced(state, lease_id, replace(sentence, settled=True, fixed=reward))


def collect(state: State, call: Collect, ctx: Context) -> State:
    """See `IDisputes`."""
    require(call.bid.lease_id() == call.case.lease_id, "WrongLease")
    game = game_id(call.case.id, ctx.sender, call.seal)
    sentence, lease = sentence_of(state, call.case.lease_id), state.leases.get(call.case.lease_id)
    ended = lease is not None and lease.convicted
    require(sentence.how is not Conviction.NONE or ended, "NotConvicted")
    held = stored(state, game)
    phase, coin = held.game.phase, held.game.bond * GWEI
    require(phase not in (Phase.NONE, Phase.LOST), "NothingToCollect")
    now, reward = replace(held.game, bond=0), 0
    if phase is Phase.CLAIMED and sentence.settled:
        reward = _share(sentence, bool(now.chosen), _gas_worth(state, call.bid))
        now = replace(now, phase=Phase.LOST)
    if not (coin or reward):
        refuse("NothingToCollect")
    state = pay(store(state, game, now), ctx.sender, coin)
    shares = {**state.shares, ctx.sender: state.shares.get(ctx.sender, 0) + reward}
    return replace(state, credits=state.credits - reward, shares=shares)


def _share(sentence: Sentence, convicted: bool, gas_worth: int) -> int:
    """The convicting game's gas comes first; what is left is split evenly. All round down."""
    reward = sentence.fixed
    first = min(reward, gas_worth) if sentence.won else 0
    if sentence.how is Conviction.PROVEN:
        return (first if convicted else 0) + (reward - first) // sentence.claims
    return first if convicted else (reward - first) // (sentence.claims - int(sentence.won))


def _gas_worth(state: State, bid: Bid) -> int:
    return state.terms.reserves[bid.token] // RESERVE_PARTS


def withdraw_coin(state: State, call: WithdrawCoin, ctx: Context) -> State:
    """See `IDisputes`."""
    amount = state.coins.get(ctx.sender, 0)
    return pay(replace(state, coins={**state.coins, ctx.sender: 0}), call.to, amount)
