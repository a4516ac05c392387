"""What a demander does next, and what demanding costs, without a chain."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocol.crypto import keccak256
from protocol.dispute.delivery import (
    Demand,
    DemandItems,
    Estimate,
    Kind,
    Known,
    Shape,
    Status,
    Wanted,
    answer,
    answer_gas,
    beyond,
    bond_of,
    estimate,
    gather,
    learn,
    missing,
    next_demand,
    step,
    tensors,
)
from protocol.dispute.delivery.demander import (
    MOST_OPEN,
    Ask,
    Collect,
    Hasten,
    Leave,
    Settle,
    Standing,
    Table,
    TimeOut,
    Wait,
    judge,
)
from protocol.dispute.delivery.names import NO_ANSWER
from protocol.dispute.delivery.prices import ASK_GAS, COLLECT_GAS
from protocol.dispute.records import Conviction, Verdict
from protocol.tape import F32, I8, I32, TensorType
from protocol.tape.merkle import climb, tree
from protocol.types import ZERO_HASH, Hash32, InputError
from tests.delivered import made

SHAPES = [
    Shape(1, (TensorType(F32, (4,)),)),
    Shape(3, (TensorType(F32, (100, 32)), TensorType(I32, (5,)))),
    Shape(37, (TensorType(I8, (3, 130)), TensorType(F32, ()))),
    Shape(2, (TensorType(F32, (70, 40)),)),
]
WANTED = Wanted(Kind.LEAVES, keccak256(b"node"), 128)
ROOTS = Wanted(Kind.ROOTS, keccak256(b"item"), 32)
TABLE = Table(
    now=100,
    posted=True,
    convicted=False,
    window_end=200,
    verdict=Verdict(),
    claim_period=10,
    demands=(),
    missing=tuple(missing(SHAPES[1], gather(SHAPES[1], Hash32(b"\1" * 32), {}))),
)


def standing(status: Status, until: int = 130, bond: int = 5, *, own: bool = True) -> Standing:
    return Standing(WANTED, status, until, bond, own)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_outputs_come_together_from_answers_in_any_order_and_cost_what_was_told(shape: Shape) -> None:
    outputs = made(shape, Random(8))
    answers: dict[Wanted, bytes] = {}
    while wanted := missing(shape, gather(shape, outputs.root, answers)):
        for each in wanted:
            assert each.wanted not in answers
            answers[each.wanted] = answer(outputs, each.wanted, each.spot)
    shuffled = list(answers.items())
    Random(9).shuffle(shuffled)
    known = gather(shape, outputs.root, dict(shuffled))
    raw = [outputs.tensor(item, output) for item in range(shape.items) for output in range(len(shape.types))]
    assert list(tensors(shape, known)) == raw
    told = estimate(shape)
    assert told.demands == len(answers)
    assert told.gas == sum(ASK_GAS + answer_gas(each.size) + COLLECT_GAS for each in answers)


def test_equal_items_are_demanded_once_and_known_everywhere() -> None:
    shape = Shape(5, (TensorType(F32, (40,)),))
    outputs = made(shape, Random(1))
    same = {(item, 0): outputs.raw[0, 0] for item in range(5)}
    outputs = replace(outputs, raw=same, roots=(outputs.roots[0],) * 5)
    answers: dict[Wanted, bytes] = {}
    asked = 0
    while wanted := missing(shape, gather(shape, outputs.root, answers)):
        table = replace(TABLE, missing=tuple(wanted))
        for action in judge(table):
            assert isinstance(action, Ask)
            asked += 1
            answers[action.demand.wanted] = answer(outputs, action.demand.wanted, action.demand.spot)
    assert asked == 3, "items, roots, leaves"
    assert list(tensors(shape, gather(shape, outputs.root, answers))) == [outputs.raw[0, 0]] * 5


def test_nothing_is_missing_of_empty_outputs_however_many_there_are() -> None:
    """Nor is each of them looked at: 2^26 would take minutes of a daemon."""
    shape = Shape(1 << 20, (TensorType(F32, (0, 4)),) * 64)
    known = gather(shape, Hash32(b"\1" * 32), {})
    assert (missing(shape, known), list(tensors(shape, known)), estimate(shape)) == ([], [], Estimate(0, 0))


def test_what_is_not_all_known_is_not_written() -> None:
    with pytest.raises(InputError, match="not all leaves"):
        list(tensors(SHAPES[0], gather(SHAPES[0], Hash32(b"\1" * 32), {})))


def test_a_demander_asks_waits_and_takes_its_bond_back() -> None:
    (first,) = TABLE.missing
    assert judge(TABLE) == (Ask(first),)
    owed = Standing(first.wanted, Status.ASKED, 130, 5, own=True)
    assert judge(replace(TABLE, demands=(owed,))) == (Wait("the provider is to answer", 130),)
    assert judge(replace(TABLE, now=130, demands=(owed,)))[0] == Wait("the provider is to answer", 130)
    assert judge(replace(TABLE, now=131, demands=(owed,))) == (TimeOut(first.wanted),)
    answered = replace(TABLE, missing=(), demands=(standing(Status.ANSWERED),))
    assert judge(answered) == (Collect(WANTED),)
    assert judge(replace(answered, demands=(standing(Status.CLOSED, bond=0),))) == (
        Leave("all outputs are here"),
    )
    others = replace(answered, demands=(standing(Status.ANSWERED, own=False),))
    assert judge(others) == (Leave("all outputs are here"),)


def test_what_anybody_demanded_is_not_demanded_again_and_its_silence_convicts_too() -> None:
    (first,) = TABLE.missing
    theirs = Standing(first.wanted, Status.REQUESTED, 130, 5, own=False)
    assert isinstance(judge(replace(TABLE, demands=(theirs,)))[0], Wait)
    assert judge(replace(TABLE, now=131, demands=(theirs,))) == (TimeOut(first.wanted),)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"refused": "too dear"}, "too dear"),
        ({"now": 199}, "window ended"),
        ({"posted": False}, "no result stands"),
    ],
)
def test_nothing_is_demanded_without_budget_window_or_result(changes: dict[str, object], why: str) -> None:
    (action,) = judge(replace(TABLE, **changes))  # type: ignore[arg-type]
    assert isinstance(action, Leave)
    assert why in action.why
    owed = (standing(Status.ASKED),)
    assert isinstance(judge(replace(TABLE, demands=owed, **changes))[0], Wait | TimeOut)  # type: ignore[arg-type]


def test_not_too_many_are_open_at_once() -> None:
    shape = Shape(64, (TensorType(F32, (4,)),))
    outputs = made(shape, Random(2))
    answers: dict[Wanted, bytes] = {}
    while len(wanted := missing(shape, gather(shape, outputs.root, answers))) < 64:
        answers |= {each.wanted: answer(outputs, each.wanted, each.spot) for each in wanted}
    table = replace(TABLE, missing=tuple(wanted))
    assert len(judge(table)) == MOST_OPEN
    open_ = tuple(Standing(each.wanted, Status.ASKED, 130, 5, own=True) for each in wanted[:MOST_OPEN])
    assert isinstance(judge(replace(table, demands=open_))[0], Wait)


def test_after_a_conviction_it_is_settled_then_collected_then_left() -> None:
    silent = Verdict(how=Conviction.SILENT, since=105)
    demands = (standing(Status.UNANSWERED), standing(Status.ASKED), standing(Status.ANSWERED, bond=0))
    table = replace(TABLE, now=110, verdict=silent, demands=demands)
    assert judge(table) == (Wait("the claim period runs", 115),)
    assert judge(replace(table, now=116)) == (Settle(),)
    settled = replace(table, now=117, verdict=replace(silent, settled=True), convicted=True)
    assert judge(settled) == (Collect(WANTED), Collect(WANTED))
    closed = replace(settled, demands=(standing(Status.CLOSED, bond=0),))
    assert isinstance(judge(closed)[0], Leave)


def test_a_lease_that_another_judge_convicted_gives_bonds_back() -> None:
    table = replace(TABLE, convicted=True, demands=(standing(Status.ASKED),))
    assert judge(table) == (Collect(WANTED),)
    assert isinstance(judge(replace(table, demands=(standing(Status.ASKED, bond=0),)))[0], Leave)


def test_a_bond_is_four_answers() -> None:
    gwei = 10**9
    assert bond_of(4096, 7 * gwei, 3 * gwei) == (4 * answer_gas(4096) * 7 + 4096 * 3) * gwei
    assert bond_of(64, 1) == gwei  # whole gwei are what a demand keeps


def test_what_a_stranger_demanded_is_hastened_where_the_own_queue_is_quicker() -> None:
    """RULES 16: else strangers in eight places would give a provider eight clocks for each level."""
    (first,) = TABLE.missing
    client = replace(TABLE, party=True, demand_clock=10)
    last = Standing(first.wanted, Status.REQUESTED, 180, 5, own=False)
    assert judge(replace(client, demands=(last,))) == (Hasten(first),)
    soon = replace(last, until=112)
    assert judge(replace(client, demands=(soon,))) == (Wait("the provider is to answer", 112),)
    stranger = replace(client, party=False)
    assert judge(replace(stranger, demands=(last,))) == (Wait("the provider is to answer", 180),)
    done = replace(last, status=Status.ASKED, until=190)
    assert judge(replace(client, demands=(done,))) == (Wait("the provider is to answer", 190),)


def test_hastening_counts_the_places_before_it() -> None:
    """The k-th open demand of the client and its delegates has k clocks, what was hastened included."""
    client = replace(TABLE, party=True, demand_clock=10, missing=tuple(_items(4)))
    strangers = [Standing(each.wanted, Status.REQUESTED, 145, 5, own=False) for each in client.missing]
    asked = Standing(ROOTS, Status.ASKED, 110, 5, own=False)
    hastened = judge(replace(client, demands=(asked, *strangers)))
    assert hastened == tuple(map(Hasten, client.missing[:3])), "at 120, 130, 140, but not at 150"


def _items(count: int) -> list[Demand]:
    shape = Shape(count, (TensorType(F32, (4,)),))
    outputs = made(shape, Random(3))
    first = missing(shape, gather(shape, outputs.root, {}))
    answers = {each.wanted: answer(outputs, each.wanted, each.spot) for each in first}
    return missing(shape, gather(shape, outputs.root, answers))


@pytest.mark.parametrize("items", range(1, 70))
def test_no_honest_result_has_anything_beyond_its_items(items: int) -> None:
    shape = Shape(items, (TensorType(F32, (4,)),))
    outputs = made(shape, Random(items))
    answers: dict[Wanted, bytes] = {}
    for _ in range(3):  # all levels of the items' tree
        known = gather(shape, outputs.root, answers)
        assert beyond(shape, known) == []
        asked = [each for each in missing(shape, known) if each.wanted.kind is Kind.ITEMS]
        answers |= {each.wanted: answer(outputs, each.wanted, each.spot) for each in asked}


@given(items=st.integers(3, 70), at=st.integers(0, 1 << 16), word=st.binary(min_size=32, max_size=32))
def test_any_word_beyond_the_items_is_found_on_the_way_to_the_last_item(
    items: int, at: int, word: bytes
) -> None:
    """RULES 18, 21: wherever it stands, the siblings of the last item's root tell."""
    shape = Shape(items, (TensorType(F32, (4,)),))
    room = (1 << shape.depth) - items
    assume(room and word != ZERO_HASH)
    outputs = made(shape, Random(1))
    place = items + at % room
    leaves = [*outputs.roots, *[ZERO_HASH] * room]
    leaves[place] = Hash32(word)
    posted = tree(b"".join(leaves))
    known = Known.of_result(posted.root, shape.depth)
    while items - 1 not in known.roots and not beyond(shape, known):
        wanted = next_demand(shape, known, items - 1, 0, 0)
        assert isinstance(wanted, DemandItems)
        spot, (_, down) = wanted.spot, step(Kind.ITEMS, wanted.spot.levels)
        first, level = spot.index << down, spot.levels - down
        shown = b"".join(posted.hash_at(level, first + i) for i in range(1 << down))
        known = learn(known, wanted.wanted, spot, shape.depths, shown)
    found = beyond(shape, known)
    assert found
    for each in found:
        assert each.spot.index << each.spot.levels >= items
        assert climb(each.wanted.node, each.spot.index, each.siblings) == posted.root
        assert each.wanted.size == NO_ANSWER
    table = replace(TABLE, missing=(), beyond=tuple(found))
    assert judge(table) == (Ask(found[0]),)
    assert judge(replace(table, refused="no budget")) == (Ask(found[0]),), "it costs one call, and pays"
    assert judge(replace(table, now=199)) == (Leave("all outputs are here"),), "the window is over"
    mine = Standing(found[0].wanted, Status.UNANSWERED, 100, 5, own=True)
    silent = Verdict(Conviction.SILENT, since=100)
    assert judge(replace(table, demands=(mine,), verdict=silent)) == (Wait("the claim period runs", 110),)
