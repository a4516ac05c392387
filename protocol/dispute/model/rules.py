"""What all moves share: whose turn it is, clocks, positions, money. The twin of `DisputeState`."""

from dataclasses import replace

from protocol.dispute.bonds import BOND_BYTES, BOND_GAS, MOST_BOND
from protocol.dispute.model.state import (
    GWEI,
    NO_SENTENCE,
    Context,
    Lease,
    RefusedError,
    Sentence,
    State,
    Stored,
    refuse,
    require,
)
from protocol.dispute.names import Position, game_id, hash2, word
from protocol.dispute.records import Game, Phase
from protocol.messages import Bid
from protocol.types import Address, Hash32, LeaseId

MOST_LEFT = (1 << 24) - 1
_TAG = (1 << 48) - 1
ANSWER_GAS, WORD_GAS, SLOT_GAS, FOLD_GAS = 41_000, 1_100, 20_000, 7_000
NONE = Stored(Game(Phase.NONE))


def stored(state: State, game: Hash32) -> Stored:
    """A game, in phase NONE if there is none."""
    return state.games.get(game, NONE)


def clock_left(game: Game, now: int) -> int | None:
    """What is left on the mover's clock, None if it ran out."""
    left = game.mover_left - (now - game.moved_at)
    return left if left >= 0 else None


def timed(state: State, game: Game, now: int) -> Game:
    """The mover's clock stopped and incremented. Out of time, it reverts."""
    left = clock_left(game, now)
    if left is None:
        refuse("OutOfTime")
    left = min(left + state.terms.increment, MOST_LEFT)
    if game.phase.provider_moves:
        return replace(game, provider_left=left, moved_at=now)
    return replace(game, challenger_left=left, moved_at=now)


def mine(state: State, ctx: Context, case_id: Hash32, seal: Hash32, *phases: Phase) -> tuple[Hash32, Stored]:
    """The challenger's own game in one of these phases, its move timed."""
    game = game_id(case_id, ctx.sender, seal)
    held = stored(state, game)
    require(held.game.phase in phases, "WrongPhase")
    return game, replace(held, game=timed(state, held.game, ctx.now))


def owed(state: State, ctx: Context, game: Hash32, phase: Phase) -> Stored:
    """The provider's turn in this phase, its move timed."""
    held = stored(state, game)
    require(held.game.phase is phase, "WrongPhase")
    return replace(held, game=timed(state, held.game, ctx.now))


def require_position(held: Stored, position: Position) -> None:
    """The position handed in is where the game stands."""
    require(held.position == position.hash, "OtherPosition")


def require_site(position: Position, header_hash: Hash32, facts: int) -> None:
    """The site handed in is the position's."""
    require(position.site == hash2(header_hash, word(facts)), "WrongPlace")


def require_tag(held: Stored, tag: int) -> None:
    """The pick answers this state."""
    require(held.game.tag == tag, "OtherState")


def store(state: State, game: Hash32, held: Game, position: Hash32 | None = None) -> State:
    """The game after a move, at a new position if there is one."""
    if position is None:
        position = stored(state, game).position
    else:
        held = replace(held, tag=int.from_bytes(position, "big") & _TAG)
    return replace(state, games={**state.games, game: Stored(held, position)})


def standing(game: Game, phase: Phase, path: int, levels: int, shown: int = 0) -> Game:
    """At a new anchor."""
    return replace(game, phase=phase, path=path, levels=levels, shown=shown, chosen=0)


def repay(state: State, ctx: Context, game: Game, words: int, gas: int = ANSWER_GAS) -> tuple[Game, int]:
    """An answer's gas out of the bond, for a key that holds less than the bond: the game, and the wei."""
    if ctx.balance >= game.bond * GWEI:
        return game, 0
    price = min(ctx.gas_price, ctx.base_fee + state.terms.tip)
    wanted = ((gas + words * WORD_GAS) * price + words * 32 * state.terms.data_fee) // GWEI
    gwei = min(wanted, game.bond)
    return replace(game, bond=game.bond - gwei), gwei * GWEI


def pay(state: State, to: Address, wei: int) -> State:
    """Coin leaves."""
    if not wei:
        return state
    paid = {**state.paid, to: state.paid.get(to, 0) + wei}
    return replace(state, held=state.held - wei, paid=paid)


def sentence_of(state: State, lease_id: LeaseId) -> Sentence:
    """A lease's sentence, an empty one if there is none."""
    return state.sentences.get(lease_id, NO_SENTENCE)


def sentenced(state: State, lease_id: LeaseId, sentence: Sentence) -> State:
    """The lease with this sentence, which takes the place of its first trace."""
    gone = state.first_traced.get(lease_id)
    traces = {case: root for case, root in state.traces.items() if case != gone}
    return replace(state, sentences={**state.sentences, lease_id: sentence}, traces=traces)


def bond_of(state: State, bid: Bid, items: int, base_fee: int) -> int:
    """The least bond, in wei: whole gwei."""
    terms = state.terms
    item = (bid.rate_per_block * bid.max_blocks + bid.completion_fee) // items
    price = terms.coin_prices[bid.token if bid.token < len(terms.coin_prices) else 0]
    least = 4 * BOND_GAS * base_fee + BOND_BYTES * terms.data_fee + item * price // 10**18
    return min(-(-least // GWEI), MOST_BOND) * GWEI


# --------------------------------------------------------------------------------------------- the Escrow


def posted(state: State, bid: Bid) -> tuple[LeaseId, Lease]:
    """The lease of a bid, which must be posted and not convicted."""
    lease_id = bid.lease_id()
    lease = state.leases.get(lease_id)
    if lease is None or lease.convicted:
        raise RefusedError("Escrow_WrongState")
    return lease_id, lease


def with_lease(state: State, lease_id: LeaseId, lease: Lease) -> State:
    """The lease after a judge's call."""
    return replace(state, leases={**state.leases, lease_id: lease})


def freeze(state: State, bid: Bid, now: int) -> tuple[State, Lease]:
    """`Escrow.freeze`: the lease is held once more."""
    lease_id, lease = posted(state, bid)
    if now - lease.posted_at > bid.challenge_window:
        raise RefusedError("Escrow_TooLate")
    lease = replace(lease, freezes=lease.freezes + 1)
    return with_lease(state, lease_id, lease), lease


def release(state: State, bid: Bid) -> State:
    """`Escrow.release`."""
    lease_id, lease = posted(state, bid)
    if not lease.freezes:
        raise RefusedError("Escrow_NotHeld")
    return with_lease(state, lease_id, replace(lease, freezes=lease.freezes - 1))


def convict(state: State, bid: Bid, asked: int | None) -> tuple[State, int]:
    """`Escrow.convict`, asked for a reward, or for all there is: at most half of what the bond has left."""
    lease_id, lease = posted(state, bid)
    if not lease.freezes:
        raise RefusedError("Escrow_NotHeld")
    most = (bid.bond - lease.advance) // 2
    reward = most if asked is None else min(asked, most)
    return with_lease(state, lease_id, replace(lease, convicted=True)), reward
