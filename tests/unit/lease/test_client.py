"""The client's lease machine: money back when nothing comes, result checked when it does."""

from dataclasses import replace

import pytest

from protocol.lease.client import ended, step, wake, wanted
from protocol.lease.client_types import (
    AskedCancel,
    AskedFetch,
    ChainLease,
    CheckOutputs,
    ClientLease,
    Conduct,
    DidCheck,
    DidFetch,
    DidNotSave,
    DidSave,
    DidSettle,
    EndHolds,
    FetchOutputs,
    Outputs,
    Phase,
    ReadSettlement,
    Rejected,
    ReleaseArtifacts,
    SaveResult,
    SawHolds,
    SawLease,
    SendClose,
    SendExpire,
    SendFinalize,
    Settlement,
    Stage,
    Verdict,
    Work,
)
from protocol.lease.common_types import DidNotCheck, DidNotFetch, DidNotSend
from protocol.types import Amount, ArtifactId, BlockNo, Blocks, Hash32
from tests.unit.auction.answers import bid

CONDUCT = Conduct(rerun_ppm=1_000, finalize_after=Blocks(5), fetch_until=Blocks(50), retry_after=Blocks(3))
ROOT, OTHER = Hash32(b"\x11" * 32), Hash32(b"\x22" * 32)
NEW = ClientLease(bid(3), CONDUCT)
OPENED = ChainLease(Stage.OPENED, start_by=BlockNo(130))
RUNNING = ChainLease(Stage.RUNNING, started_at=BlockNo(110), result_by=BlockNo(150), funded_blocks=10)
POSTED = ChainLease(Stage.POSTED, posted_at=BlockNo(140), output_root=ROOT)
HELD = replace(POSTED, freezes=1)
FINAL = replace(POSTED, stage=Stage.FINALIZED)
GOT = Outputs(ArtifactId(b"\x33" * 32), b"receipt")
RIGHT = Verdict(ROOT, ROOT, 2, None)


def saw(height, lease):
    return SawLease(BlockNo(height), lease)


def run(*inputs, state=NEW):
    effects = ()
    for each in inputs:
        done = step(state, each)
        state, effects = done.state, done.effects
    return state, effects


OPEN = run(saw(101, OPENED))[0]
STARTED = run(saw(111, RUNNING), state=OPEN)[0]
RESULT = run(saw(141, POSTED), state=STARTED)[0]
GOOD = run(DidFetch(GOT), DidCheck(RIGHT), DidSave("/tmp/out"), state=RESULT)[0]


def test_a_lease_runs_to_a_checked_result_and_its_end():
    assert (OPEN.phase, STARTED.phase, RESULT.phase) == (Phase.OPENED, Phase.RUNNING, Phase.POSTED)
    _, effects = run(saw(141, POSTED), state=STARTED)
    assert effects == (FetchOutputs(ROOT, 0),)
    state, effects = run(DidFetch(GOT), state=RESULT)
    assert effects == (CheckOutputs(ROOT, GOT, 1_000, 1),)
    state, effects = run(DidCheck(RIGHT), state=state)
    assert effects == (SaveResult(GOT, 1),)
    state, effects = run(saw(441, FINAL), state=GOOD)
    assert set(effects) == {ReadSettlement(), ReleaseArtifacts()}
    assert (state.phase, state.work) == (Phase.FINAL, Work.GOOD)
    assert not ended(state)
    state, _ = run(DidSettle(Settlement(Amount(3), Amount(7), Amount(0), Amount(0))), state=state)
    assert ended(state)


@pytest.mark.parametrize("state", [OPEN, STARTED])
def test_missed_deadline_is_expired_once_and_not_before(state):
    lease = state.chain
    deadline = lease.start_by or lease.result_by
    same, effects = run(saw(deadline, lease), state=state)
    assert effects == ()
    late, effects = run(saw(deadline + 1, lease), state=same)
    assert effects == (SendExpire(0),)
    _, effects = run(saw(deadline + 2, lease), state=late)
    assert effects == ()
    assert wake(same) == deadline + 1


def test_refused_expiry_is_tried_again_later():
    late, _ = run(saw(131, OPENED), state=OPEN)
    noted, effects = run(DidNotSend("SendExpire", "too early"), state=late)
    assert (effects, wake(noted)) == ((), 134)
    assert run(saw(133, OPENED), state=noted)[1] == ()
    assert run(saw(134, OPENED), state=noted)[1] == (SendExpire(1),)


def test_cancel_before_and_after_start():
    for state in (OPEN, STARTED):
        cancelled, effects = run(AskedCancel(), state=state)
        assert effects == (SendClose(0),)
        again, effects = run(AskedCancel(), state=cancelled)
        assert again == cancelled
        assert isinstance(effects[0], Rejected)
    closing = replace(RUNNING, stage=Stage.CLOSING, result_by=BlockNo(132))
    state, _ = run(saw(113, closing), state=cancelled)
    assert not wanted(state, SendClose(0))
    assert run(saw(133, closing), state=state)[1] == (SendExpire(1),)
    state, effects = run(saw(134, ChainLease(Stage.CLIENT_CLOSED)), state=state)
    assert (state.phase, state.reason) == (Phase.REFUNDED, "closed by its client")


def test_result_posted_before_the_close_takes_effect_wins():
    cancelled, _ = run(AskedCancel(), state=STARTED)
    state, effects = run(saw(120, POSTED), state=cancelled)
    assert effects == (FetchOutputs(ROOT, 0),)
    after, effects = run(AskedCancel(), state=state)
    assert after == state
    assert isinstance(effects[0], Rejected)


def test_close_that_the_chain_refuses_is_not_tried_for_ever():
    cancelled, _ = run(AskedCancel(), state=STARTED)
    state, _ = run(DidNotSend("SendClose", "the deadline is nearer"), state=cancelled)
    for height in range(112, 150):
        state, effects = run(saw(height, RUNNING), state=state)
        assert effects == ()


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(ROOT, OTHER, 0, None),
        Verdict(OTHER, OTHER, 0, None),
        Verdict(ROOT, ROOT, 9, 4),
    ],
)
def test_wrong_result_is_said_with_both_roots_and_never_finalised_by_us(verdict):
    state, effects = run(DidFetch(GOT), DidCheck(verdict), state=RESULT)
    assert effects == ()
    assert state.work == Work.WRONG
    assert ROOT.hex() in state.reason
    assert verdict.own_root.hex() in state.reason
    assert run(saw(10_000, POSTED), state=state)[1] == ()


def test_unreadable_outputs_are_wrong():
    state, _ = run(DidFetch(GOT), DidNotCheck("no outputs of this program"), state=RESULT)
    assert state.work == Work.WRONG


def test_outputs_that_cannot_be_written_stay_good():
    state, _ = run(DidFetch(GOT), DidCheck(RIGHT), DidNotSave("disk full"), state=RESULT)
    assert (state.work, state.result_path, state.reason) == (Work.GOOD, "", "disk full")


def test_withheld_outputs_are_given_up_late_and_can_be_asked_for_again():
    until = RESULT.fetch_until
    assert until == 140 + 300 + 50
    same, _ = run(saw(until, POSTED), state=RESULT)
    assert same.work == Work.FETCHING
    lost, effects = run(saw(until + 1, POSTED), state=same)
    assert lost.work == Work.LOST
    # Whoever withholds is not helped to its money.
    assert effects == ()
    again, effects = run(AskedFetch(), state=lost)
    assert (again.work, effects) == (Work.FETCHING, (FetchOutputs(ROOT, 1),))
    assert not wanted(again, FetchOutputs(ROOT, 0))
    lost, _ = run(DidNotFetch("wrong bytes"), state=RESULT)
    assert (lost.work, lost.reason) == (Work.LOST, "wrong bytes")


def test_outputs_are_still_fetched_when_others_made_the_result_final():
    state, effects = run(saw(445, FINAL), state=RESULT)
    assert FetchOutputs(ROOT, 0) not in effects
    assert state.work == Work.FETCHING
    state, _ = run(DidSettle(Settlement(Amount(3), Amount(7), Amount(0), Amount(0))), state=state)
    assert not ended(state)
    state, _ = run(DidFetch(GOT), DidCheck(RIGHT), DidSave("/tmp/out"), state=state)
    assert ended(state)


def test_a_client_that_slept_through_it_all_still_fetches():
    state, effects = run(saw(5_000, FINAL))
    assert set(effects) == {FetchOutputs(ROOT, 0), ReadSettlement(), ReleaseArtifacts()}
    assert state.fetch_until == 5_050
    state, _ = run(saw(5_051, FINAL), state=state)
    assert state.work == Work.LOST


def test_good_result_is_finalised_only_when_the_provider_does_not():
    due = 140 + 300 + 5 + 1
    assert wake(GOOD) == due
    assert run(saw(due - 1, POSTED), state=GOOD)[1] == ()
    held, _ = run(saw(due - 1, HELD), SawHolds(BlockNo(due + 9)), state=GOOD)
    assert run(saw(due, HELD), state=held)[1] == ()
    assert run(saw(due, POSTED), state=GOOD)[1] == (SendFinalize(0),)


def test_what_holds_the_result_is_looked_at_whenever_its_time_may_be_over():
    """The client's money waits on games, demands and convictions that nobody else may end."""
    for before, right in ((GOOD, True), (RESULT, False)):
        state, effects = run(saw(150, HELD), state=before)
        assert effects == (EndHolds(before.round, right),)
        assert wanted(state, effects[0])
        assert run(saw(160, HELD), state=state)[1] == ()  # one at a time
        state, _ = run(SawHolds(BlockNo(200)), state=state)
        assert (wake(state), run(saw(199, HELD), state=state)[1]) == (200, ())
        assert run(saw(200, HELD), state=state)[1] == (EndHolds(before.round + 1, right),)


def test_a_look_that_says_nothing_new_or_fails_is_repeated_later_and_none_is_left_over():
    state, _ = run(saw(150, HELD), SawHolds(BlockNo(3)), state=GOOD)
    assert wake(state) == 151
    state, _ = run(saw(150, HELD), DidNotSend("EndHolds", "no coin"), state=GOOD)
    assert (wake(state), state.reason) == (153, "no coin")
    state, effects = run(saw(145, HELD), state=GOOD)
    gone, _ = run(saw(146, RUNNING), state=state)
    assert not wanted(gone, effects[0])
    assert isinstance(run(SawHolds(BlockNo(200)), state=gone)[1][0], Rejected)
    assert run(saw(147, HELD), state=gone)[1] == (FetchOutputs(ROOT, 1), EndHolds(1, False))
    later, _ = run(SawHolds(BlockNo(900)), saw(147, RUNNING), state=state)
    assert run(saw(148, HELD), state=later)[1] == (FetchOutputs(ROOT, 1), EndHolds(1, False))


def test_what_was_to_be_done_with_outputs_that_others_replaced_is_not_done():
    """A check of the first ones says nothing of the second, nor may they be saved as the result."""
    checking, (check,) = run(DidFetch(GOT), state=RESULT)
    saving, (save,) = run(DidCheck(RIGHT), state=checking)
    assert wanted(checking, check)
    assert wanted(saving, save)
    changed, _ = run(saw(142, replace(POSTED, output_root=OTHER)), state=saving)
    again, (check_again,) = run(DidFetch(GOT), state=changed)
    saves, (save_again,) = run(DidCheck(Verdict(OTHER, OTHER, 2, None)), state=again)
    assert [wanted(again, each) for each in (check, check_again)] == [False, True]
    assert [wanted(saves, each) for each in (save, save_again)] == [False, True]


@pytest.mark.parametrize("state", [STARTED, RESULT, GOOD])
def test_only_what_was_lost_is_fetched_again(state):
    after, (effect,) = run(AskedFetch(), state=state)
    assert after == state
    assert isinstance(effect, Rejected)


def test_a_close_that_was_refused_is_wanted_no_more():
    cancelled, (close,) = run(AskedCancel(), state=STARTED)
    assert wanted(cancelled, close)
    refused, _ = run(DidNotSend("SendClose", "the deadline is nearer"), state=cancelled)
    assert not wanted(refused, close)


def test_reorganisation_takes_the_result_back_or_changes_it():
    back, _ = run(saw(142, RUNNING), state=GOOD)
    assert (back.phase, back.work, back.outputs) == (Phase.RUNNING, Work.NONE, None)
    other, effects = run(saw(142, replace(POSTED, output_root=OTHER)), state=GOOD)
    assert (other.work, effects) == (Work.FETCHING, (FetchOutputs(OTHER, 1),))
    gone, _ = run(saw(112, ChainLease(Stage.ABSENT)), state=STARTED)
    assert gone.phase == Phase.OPENING
    waiting, effects = run(saw(150, ChainLease(Stage.ABSENT)), state=gone)
    assert (waiting.phase, effects) == (Phase.OPENING, ()), "it may be opened until its bid's last block"
    lapsed, effects = run(saw(151, ChainLease(Stage.ABSENT)), state=gone)
    assert (lapsed.phase, effects) == (Phase.LAPSED, (ReleaseArtifacts(),))
    assert ended(lapsed)


def test_another_block_of_the_same_height_counts():
    back, effects = run(saw(111, OPENED), state=STARTED)
    assert (back.phase, back.chain, effects) == (Phase.OPENED, OPENED, ())


def test_older_word_of_the_chain_is_refused():
    after, effects = run(saw(110, OPENED), state=STARTED)
    assert after == STARTED
    assert isinstance(effects[0], Rejected)


def test_conviction_ends_it():
    state, effects = run(saw(200, ChainLease(Stage.CONVICTED)), state=GOOD)
    assert (state.phase, state.reason) == (Phase.CONVICTED, "a judge found the result wrong")
    assert ReadSettlement() in effects
