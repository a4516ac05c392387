"""What auditor and provider do next, sight by sight."""

from dataclasses import replace
from typing import Any

import pytest

from protocol.crypto import keccak256
from protocol.dispute.audits import (
    Abstain,
    Answer,
    Audit,
    AuditClocks,
    Challenge,
    Close,
    Commit,
    Draw,
    Finish,
    Part,
    Redraw,
    Reveal,
    Roots,
    RunItem,
    SettleLease,
    Sight,
    Stage,
    TakeReward,
    Task,
    accuses,
    auditor_move,
    bound,
    dearest_deposit,
    may_draw,
    payer_move,
    prepares,
    provider_move,
    span_of,
)
from protocol.types import ZERO_HASH, Address, Amount, BlockNo, Blocks, Hash32
from tests.strategies.provider import BID

ME, OTHER, PAYER = (Address(bytes([n]) * 20) for n in (1, 2, 3))
OWN = Roots(Hash32(b"\1" * 32), Hash32(b"\2" * 32))
LIE = Roots(Hash32(b"\3" * 32), Hash32(b"\4" * 32))
SEED = Hash32(b"\5" * 32)
CLOCKS = AuditClocks(Blocks(30), Blocks(10), Blocks(8), Blocks(15), Blocks(90))


def sight(
    stage: Stage, part: Part = Part.NONE, *, audit: dict[str, Any] | None = None, **changes: Any
) -> Sight:
    """At reading 100 of 300, drawn until 110: one other auditor beside me."""
    fields: dict[str, Any] = {
        "stage": stage,
        "answer": Answer.NONE,
        "tasks": 2,
        "assigned": 2,
        "committed": 0,
        "opened": 0,
        "inner": 1,
        "outputs": 1,
        "items": 4,
        "item": 3,
        "called_at": BlockNo(90),
        "commit_until": BlockNo(110),
        "draw_block": BlockNo(94),
        "seed": ZERO_HASH if stage is Stage.CALLED else SEED,
        "found": ZERO_HASH,
    }
    tasks = tuple(Task(PAYER, part, who, ZERO_HASH) for who in (OTHER, ME))
    seen = Sight(
        Audit(**(fields | (audit or {}))), tasks, CLOCKS, BlockNo(100), BlockNo(100), BlockNo(300), 1
    )
    return replace(seen, **changes)


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        ({"block": BlockNo(93)}, None),
        ({"block": BlockNo(94)}, None),
        ({"block": BlockNo(95)}, Draw()),
        ({"block": BlockNo(350)}, Draw()),
        ({"block": BlockNo(351)}, Redraw()),
        ({"now": BlockNo(120)}, Draw()),
        ({"now": BlockNo(121)}, Redraw()),
        ({"convicted": True}, Finish()),
    ],
)
def test_called(changes: dict[str, Any], want: object) -> None:
    seen = sight(Stage.CALLED, **changes)
    assert auditor_move(seen, ME) == provider_move(seen) == want


def test_who_is_not_drawn_does_nothing() -> None:
    for stage in (Stage.DRAWN, Stage.CONTESTED, Stage.SILENT, Stage.OVER, Stage.NONE):
        assert auditor_move(sight(stage, Part.ASSIGNED), PAYER) is None


def test_the_item_is_run_before_it_is_committed_to() -> None:
    seen = sight(Stage.DRAWN, Part.ASSIGNED)
    assert auditor_move(seen, ME) == provider_move(seen) == RunItem(3)
    assert auditor_move(replace(seen, own=OWN), ME) == Commit(1, OWN)
    assert provider_move(replace(seen, own=OWN)) == Commit(None, OWN)


def test_who_finds_what_is_public_abstains_once_it_has_run_the_item() -> None:
    """ADR 053: agreeing is not paid. Without the run nobody would find what a cheat has shown to be false."""
    seen = sight(Stage.DRAWN, Part.ASSIGNED, public=True)
    assert auditor_move(seen, ME) == RunItem(3)
    seen = replace(seen, own=OWN)
    assert auditor_move(seen, ME) == Abstain(1)
    assert provider_move(seen) == Commit(None, OWN), "it owes its answer"
    late = replace(seen, tasks=sight(Stage.DRAWN, Part.COMMITTED).tasks, now=BlockNo(111))
    late = replace(late, audit=replace(late.audit, answer=Answer.COMMITTED))
    assert auditor_move(late, ME) == Reveal(1, OWN), "what is committed to is opened"


def test_an_item_root_is_stated_only_where_a_trace_is_sealed_beside_it() -> None:
    """Else whoever commits next could copy it."""
    assert OWN.stated == OWN.item
    bare = replace(OWN, trace=ZERO_HASH)
    assert bare.stated == ZERO_HASH
    assert bound(SEED, bare) == keccak256(SEED + ZERO_HASH)


@pytest.mark.parametrize(
    ("now", "failed", "gives_up"),
    [
        (104, False, False),
        (104, True, False),  # a try in vain is made again as long as there is time
        (105, True, True),  # half of the clock of 10 is left
        (105, False, False),  # a first try may still come to something
        (107, False, False),
        (108, False, True),  # a transaction needs the rest
        (110, False, True),
    ],
)
def test_who_cannot_run_the_item_abstains_while_a_transaction_is_still_in_time(
    now: int, failed: bool, gives_up: bool
) -> None:
    seen = sight(Stage.DRAWN, Part.ASSIGNED, now=BlockNo(now), failed=failed)
    assert auditor_move(seen, ME) == (Abstain(1) if gives_up else RunItem(3))
    assert provider_move(seen) == RunItem(3), "it owes its answer"
    answered = replace(seen, own=OWN)
    assert auditor_move(answered, ME) == Commit(1, OWN), "nobody abstains who can answer"


def test_nobody_abstains_after_committing_or_too_late_or_from_a_sentenced_lease() -> None:
    last = sight(Stage.DRAWN, Part.ASSIGNED, now=BlockNo(110), failed=True)
    assert auditor_move(last, ME) == Abstain(1)
    assert auditor_move(replace(last, convicted=True), ME) == Finish()
    late = replace(last, now=BlockNo(111))
    assert auditor_move(late, ME) == Finish(), "the provider did not commit"
    answered = replace(late.audit, answer=Answer.COMMITTED)
    assert auditor_move(replace(late, audit=answered), ME) is None
    committed = sight(Stage.DRAWN, Part.COMMITTED, now=BlockNo(110), failed=True)
    assert auditor_move(committed, ME) == RunItem(3)
    assert auditor_move(replace(committed, own=OWN), ME) is None
    assert auditor_move(sight(Stage.DRAWN, Part.REVEALED, now=BlockNo(110), failed=True), ME) is None


def test_who_has_abstained_does_nothing_more() -> None:
    seen = sight(Stage.DRAWN, Part.DONE, failed=True)
    for each in (seen, replace(seen, now=BlockNo(200)), replace(seen, convicted=True)):
        assert auditor_move(each, ME) is None


@pytest.mark.parametrize("forced", [1, 2, 30, 43_200])
def test_rule_15_who_failed_abstains_a_forced_inclusion_before_the_end(forced: int) -> None:
    """A clock is at least twice that long."""
    clocks = replace(CLOCKS, commit=Blocks(2 * forced))
    seen = sight(Stage.DRAWN, Part.ASSIGNED, failed=True, now=BlockNo(110 - forced), clocks=clocks)
    assert auditor_move(seen, ME) == Abstain(1)


def test_nothing_is_revealed_while_somebody_may_commit() -> None:
    seen = sight(Stage.DRAWN, Part.COMMITTED, audit={"answer": Answer.COMMITTED, "committed": 2}, own=OWN)
    assert auditor_move(seen, ME) is provider_move(seen) is None
    all_in = replace(seen, audit=replace(seen.audit, committed=3))
    late = replace(seen, now=BlockNo(111))
    for each in (all_in, late):
        assert auditor_move(each, ME) == Reveal(1, OWN)
        assert provider_move(each) == Reveal(None, OWN)
        # After a restart that lost them, the roots are found again.
        assert auditor_move(replace(each, own=None), ME) == RunItem(3)


def test_finish_comes_as_soon_as_it_can() -> None:
    silent = sight(Stage.DRAWN, Part.COMMITTED, audit={"committed": 2}, own=OWN, now=BlockNo(119))
    assert auditor_move(silent, ME) == Finish(), "the provider did not commit"
    shown = sight(Stage.DRAWN, Part.REVEALED, audit={"answer": Answer.REVEALED, "committed": 3, "opened": 2})
    assert auditor_move(shown, ME) is None
    assert auditor_move(replace(shown, now=BlockNo(118)), ME) is None
    assert auditor_move(replace(shown, now=BlockNo(119)), ME) == Finish()
    all_open = replace(shown, audit=replace(shown.audit, opened=3))
    assert auditor_move(all_open, ME) == provider_move(all_open) == Finish()
    assert auditor_move(replace(shown, convicted=True), ME) == Finish()


def test_who_accuses_plays_a_game_and_closes() -> None:
    seen = sight(Stage.CONTESTED, Part.ACCUSING, own=OWN)
    assert auditor_move(seen, ME) is None, "what the provider revealed is not known yet"
    seen = replace(seen, shown=LIE)
    assert auditor_move(seen, ME) == Challenge(3, LIE.item)
    assert auditor_move(replace(seen, now=BlockNo(301), holds=2), ME) is None, "the window is over"
    playing = replace(seen, playing=True)
    assert auditor_move(playing, ME) is None
    assert auditor_move(replace(playing, game_trace=LIE.trace), ME) is None, "no contradiction"
    assert auditor_move(replace(playing, game_trace=OWN.trace), ME) == Close(LIE)
    assert auditor_move(replace(playing, convicted=True), ME) == Close(LIE)
    assert auditor_move(sight(Stage.CONTESTED, Part.DONE, own=OWN, shown=LIE), ME) is None


def test_who_accuses_waits_for_nobody_and_forgets_nothing() -> None:
    """It has the contract compare by itself; and who has lost its disk runs the item again in its game."""
    parts = (Task(PAYER, Part.ASSIGNED, OTHER, ZERO_HASH), Task(PAYER, Part.REVEALED, ME, Hash32(b"o" * 32)))
    audit = {"answer": Answer.REVEALED, "committed": 2, "opened": 2, "found": Hash32(b"l" * 32)}
    seen = sight(Stage.DRAWN, audit=audit, tasks=parts, now=BlockNo(112), shown=LIE)
    assert accuses(seen, ME)
    assert not accuses(seen, OTHER)
    assert auditor_move(seen, ME) is None, "no game before the comparison: nothing would contradict its trace"
    assert auditor_move(replace(seen, now=BlockNo(119)), ME) == Finish()
    assert prepares(seen, ME), "but all of the time until then is for the run that the game begins with"
    assert not prepares(seen, OTHER)
    assert not prepares(replace(seen, shown=None), ME), "what the provider revealed is not known yet"
    assert not prepares(replace(seen, game_trace=OWN.trace), ME), "the audit's end convicts it without a game"
    assert not prepares(replace(seen, convicted=True), ME)
    agreed = replace(seen, audit=replace(seen.audit, found=Hash32(b"o" * 32)))
    assert not accuses(agreed, ME)
    assert not prepares(agreed, ME)
    assert auditor_move(agreed, ME) is None
    contested = sight(Stage.CONTESTED, Part.ACCUSING, shown=LIE)
    assert accuses(contested, ME)
    assert not prepares(contested, ME), "now it is opened"
    assert auditor_move(contested, ME) == Challenge(3, LIE.item), "without the own run"


def test_who_is_too_slow_for_a_game_abstains_at_once() -> None:
    seen = sight(Stage.DRAWN, Part.ASSIGNED)
    assert auditor_move(replace(seen, unable=True), ME) == Abstain(1)
    committed = replace(seen, tasks=sight(Stage.DRAWN, Part.COMMITTED).tasks, unable=True)
    assert auditor_move(committed, ME) == RunItem(3)


def test_what_was_committed_to_and_forgotten_is_run_at_once() -> None:
    """The time to reveal may be too short for a run: it does not wait for the others' commitments."""
    answered = {"answer": Answer.COMMITTED}
    seen = sight(Stage.DRAWN, Part.COMMITTED, audit=answered, now=BlockNo(101))
    assert (provider_move(seen), auditor_move(seen, ME)) == (RunItem(3), RunItem(3))
    known = replace(seen, own=OWN)
    assert (provider_move(known), auditor_move(known, ME)) == (None, None), "the others may still commit"
    late = replace(seen, now=BlockNo(119))
    assert provider_move(late) == auditor_move(late, ME) == Finish(), "it is too late to reveal"


def test_the_provider_closes_when_nothing_can_convict_it_any_more() -> None:
    seen = sight(Stage.CONTESTED, Part.ACCUSING, shown=OWN)
    assert provider_move(seen) is None
    assert provider_move(replace(seen, now=BlockNo(300))) is None
    assert provider_move(replace(seen, now=BlockNo(301))) == Close(OWN)
    assert provider_move(replace(seen, now=BlockNo(301), holds=2)) is None
    assert provider_move(replace(seen, now=BlockNo(390), holds=2)) is None
    assert provider_move(replace(seen, now=BlockNo(391), holds=2)) == Close(OWN)
    # A long lease's game lasts longer: nobody is punished while it may be under way.
    assert provider_move(replace(seen, now=BlockNo(451), holds=2, ran=Blocks(11))) is None
    assert provider_move(replace(seen, now=BlockNo(457), holds=2, ran=Blocks(11))) == Close(OWN)


def test_a_reward_is_taken_once_it_is_settled() -> None:
    seen = sight(Stage.SILENT, Part.REWARDED)
    assert auditor_move(seen, ME) is None
    assert auditor_move(replace(seen, claim_until=BlockNo(100)), ME) is None
    assert auditor_move(replace(seen, claim_until=BlockNo(99)), ME) == SettleLease()
    assert auditor_move(replace(seen, settled=True), ME) == TakeReward(1)
    assert auditor_move(sight(Stage.SILENT, Part.DONE, settled=True), ME) is None
    assert provider_move(replace(seen, settled=True)) is None


def test_rule_14_a_window_holds_one_redrawn_audit() -> None:
    assert span_of(CLOCKS, Blocks(5), True) == 30 + 10 + 5 + 8 + 15
    assert span_of(CLOCKS, Blocks(5), False) == 30 + 10 + 10 + 8 + 15
    assert span_of(CLOCKS, Blocks(5), True, redrawn=True) == 60 + 10 + 5 + 8 + 15


def test_who_paid_ends_what_holds_the_lease_and_commits_to_nothing() -> None:
    assert payer_move(sight(Stage.CALLED, block=BlockNo(95))) == Draw()
    assert payer_move(sight(Stage.CALLED, now=BlockNo(121))) == Redraw()
    drawn = sight(Stage.DRAWN, Part.ASSIGNED)
    assert payer_move(drawn) is None
    assert payer_move(replace(drawn, now=BlockNo(111))) == Finish(), "the provider did not commit"
    assert payer_move(replace(drawn, convicted=True)) == Finish()
    contested = sight(Stage.CONTESTED, Part.ACCUSING, shown=LIE)
    assert payer_move(contested) is None
    assert payer_move(replace(contested, convicted=True)) == Close(LIE)
    assert payer_move(sight(Stage.SILENT, Part.REWARDED, settled=True)) is None


@pytest.mark.parametrize(("items", "percent"), [(1, 400), (3, 400), (1000, 400), (7, 33)])
@pytest.mark.parametrize("tasks", [1, 2, 8])
def test_the_dearest_deposit_and_its_audits_stay_within_the_cap(items: int, percent: int, tasks: int) -> None:
    cap, fixed = Amount(10**6), Amount(1_234)
    deposit = dearest_deposit(cap, tasks, items, percent, fixed)
    fee = -(-deposit * percent // (100 * items)) + fixed
    assert deposit + tasks * fee <= cap
    more = deposit + 2 * tasks + 2
    assert more + tasks * (-(-more * percent // (100 * items)) + fixed) > cap


@pytest.mark.parametrize(
    ("since", "left_at", "drawn"),
    [(0, 0, False), (48, 0, True), (49, 0, True), (50, 0, False), (48, 89, False), (48, 90, True)],
)
def test_rule_25_only_who_was_enrolled_before_the_lease_may_be_drawn(
    since: int, left_at: int, drawn: bool
) -> None:
    """Start deadline 50, started at 100, called at 90."""
    bid = replace(BID, start_deadline=Blocks(50))
    assert may_draw(BlockNo(since), BlockNo(left_at), bid, BlockNo(100), BlockNo(90)) is drawn
