"""Running values of chains. The twin of `DisputeChains`."""

from collections.abc import Sequence
from dataclasses import replace

from protocol.crypto import cut_keccak256, keccak256
from protocol.dispute.facts import LEAF_BYTES, Facts
from protocol.dispute.model.rules import (
    ANSWER_GAS,
    FOLD_GAS,
    mine,
    owed,
    pay,
    repay,
    require_position,
    require_site,
    require_tag,
    store,
)
from protocol.dispute.model.state import Context, State, Stored, refuse, require
from protocol.dispute.moves import PickElement, PickSpan, ShowRunning, ShowSpan
from protocol.dispute.names import Position
from protocol.dispute.records import Phase
from protocol.dispute.replay import anchor_of, element_word
from protocol.dispute.trees import climb, left_of
from protocol.tape import F32, Contract, Reduce, ReduceKind
from protocol.tape.encoding import decode_node
from protocol.tape.reference.words import add_words, extreme_words
from protocol.types import Hash32, InputError

_VALUE = 4
_MASK = 0xFFFFFFFF


def element(state: State, call: PickElement, ctx: Context) -> State:
    """See `IDisputes`."""
    game, held = mine(state, ctx, call.case_id, call.seal, Phase.PICK)
    require_tag(held, call.tag)
    require_position(held, call.position)
    require_site(call.position, call.header_hash, call.facts)
    facts = Facts.unpack(call.facts)
    require(call.number < facts.elements, "NoElement")
    leaf, _ = facts.find(call.number)
    require(leaf >> held.game.levels == held.game.path and facts.segments > 1, "NoElement")
    return store(state, game, replace(held.game, path=call.number, phase=Phase.CHAIN))


def running(state: State, call: ShowRunning, ctx: Context) -> State:
    """See `IDisputes`."""
    held = owed(state, ctx, call.game, Phase.CHAIN)
    _require_own(held, call.position, ctx)
    require_site(call.position, keccak256(call.header), call.facts)
    facts = Facts.unpack(call.facts)
    require(len(call.siblings) == held.game.levels, "Count")
    index, offset = facts.find(held.game.path)
    claimed, left = leaf_at(call.position, facts, (index, offset), call.leaf, call.siblings)
    long = facts.spans > 1
    count = facts.spans if long else facts.segments
    require(len(call.values) == _VALUE * count, "Count")
    values = _numbers(call.values)
    found = values[-1] if long else fold(call.header, _ends(facts, values))
    require(found == claimed, "BadFold")
    phase = Phase.SPAN if long else Phase.PROVE
    now = replace(held.game, phase=phase, chosen=facts.spans - 1)
    words = (len(call.values) + len(call.header) + len(call.leaf)) // 32 + len(call.siblings) + 8
    now, wei = repay(state, ctx, now, words, ANSWER_GAS + (0 if long else FOLD_GAS))
    after = Position(anchor_of(call.values, claimed), call.position.site, left, ctx.sender)
    return pay(store(state, call.game, now, after.hash), ctx.sender, wei)


def span(state: State, call: PickSpan, ctx: Context) -> State:
    """See `IDisputes`."""
    game, held = mine(state, ctx, call.case_id, call.seal, Phase.SPAN)
    require_tag(held, call.tag)
    require(call.number <= held.game.chosen, "NoChild")
    return store(state, game, replace(held.game, chosen=call.number, phase=Phase.RUNNING))


def running_of_span(state: State, call: ShowSpan, ctx: Context) -> State:
    """See `IDisputes`."""
    held = owed(state, ctx, call.game, Phase.RUNNING)
    _require_own(held, call.position, ctx)
    require_site(call.position, keccak256(call.header), call.facts)
    require(call.position.anchor == anchor_of(call.totals, call.claimed), "OtherPosition")
    facts, number = Facts.unpack(call.facts), held.game.chosen
    require(len(call.values) == _VALUE * facts.segments_of(number), "Count")
    totals = _numbers(call.totals)
    ends = [*totals[:number][-1:], *_ends(facts, _numbers(call.values))]
    require(fold(call.header, ends) == totals[number], "BadFold")
    words = (len(call.values) + len(call.header) + len(call.totals)) // 32 + 8
    now, wei = repay(state, ctx, replace(held.game, phase=Phase.PROVE), words, ANSWER_GAS + FOLD_GAS)
    after = replace(call.position, anchor=anchor_of(call.values, call.claimed), operator=ctx.sender)
    return pay(store(state, call.game, now, after.hash), ctx.sender, wei)


def leaf_at(
    position: Position, facts: Facts, at: tuple[int, int], leaf: bytes, siblings: Sequence[Hash32]
) -> tuple[int, Hash32]:
    """The element at leaf and byte `at`, proven under the anchor, and the position's `left` completed."""
    index, offset = at
    require(len(leaf) == LEAF_BYTES, "Count")
    require(climb(cut_keccak256(leaf), index, siblings) == position.anchor, "BadProof")
    left = cut_keccak256(left_of(position.left, index, siblings) + leaf[:offset])
    return element_word(facts, leaf, offset), left


def fold(header: bytes, values: Sequence[int]) -> int:
    """`Referee.fold`: of any words, also those that no chain of the node could give."""
    node = decode_node(header)
    if not isinstance(node, Contract | Reduce) or not values:
        raise InputError("there is nothing to fold")
    total = values[0]
    for value in values[1:]:
        if isinstance(node, Contract):
            total = add_words(total, value) if node.dtype is F32 else (total + value) & _MASK
        elif node.dtype is F32:
            total = extreme_words(node.kind, [value], total)
        else:
            total = _better(node, total, value)
    return total


def _better(node: Reduce, one: int, other: int) -> int:
    half = 1 << (8 * node.dtype.width - 1)
    low = 2 * half - 1
    less = (one & low ^ half) < (other & low ^ half)
    return other if less == (node.kind is ReduceKind.MAX) else one


def _ends(facts: Facts, values: Sequence[int]) -> list[int]:
    """The last running value of each block."""
    blocks = range(0, len(values), facts.per_block)
    return [values[start : start + facts.per_block][-1] for start in blocks]


def _numbers(values: bytes) -> list[int]:
    return [int.from_bytes(values[at : at + _VALUE], "big") for at in range(0, len(values), _VALUE)]


def _require_own(held: Stored, position: Position, ctx: Context) -> None:
    require_position(held, position)
    if position.operator != ctx.sender:
        refuse("NotProvider")
