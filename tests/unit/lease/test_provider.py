"""The provider's lease machine, path by path."""

from dataclasses import replace

import pytest

from protocol.lease.common_types import DidNotCheck, DidNotFetch, DidNotSend
from protocol.lease.provider import BY_CHAIN, BY_WORK, ENDED, ENDS, WORKING, refused, step, wake, wanted
from protocol.lease.provider_types import (
    AskedAbandon,
    ChainLease,
    CheckJob,
    CloseLease,
    DidBid,
    DidCheck,
    DidFetch,
    DidNotRun,
    DidRun,
    Effect,
    FetchArtifacts,
    Finalize,
    Input,
    Phase,
    PostResult,
    ProviderLease,
    Rejected,
    ReleaseArtifacts,
    RunItems,
    SawLease,
    SendHeartbeat,
    SendQuote,
    SendStart,
    Stage,
    StopJob,
    Withdraw,
)
from tests.strategies.provider import BID, CONDUCT, RESULT, SPEC, fresh

OPEN = ChainLease(Stage.OPEN, start_by=40, funded_blocks=40)
STARTED = replace(OPEN, stage=Stage.STARTED, started_at=15, result_by=65)
POSTED = replace(STARTED, stage=Stage.POSTED, posted_at=30, window_end=90, output_root=RESULT.output_root)
SETTLED = replace(POSTED, stage=Stage.SETTLED)


def play(*inputs: Input, state: ProviderLease | None = None) -> tuple[ProviderLease, list[Effect]]:
    """Give all inputs; return the last state and what the last input asked for."""
    state, effects = state or fresh(), []
    for given in inputs:
        found = step(state, given)
        state, effects = found.state, list(found.effects)
    return state, effects


TO_RUNNING = (
    DidBid(10, b"quote"),
    SawLease(12, OPEN),
    DidFetch(SPEC),
    DidCheck(1_000, 1_000),
    SawLease(15, STARTED),
)
TO_POSTED = (*TO_RUNNING, DidRun(RESULT), SawLease(30, POSTED))


def kinds(effects: list[Effect]) -> list[type]:
    return [type(each) for each in effects]


def test_a_job_from_bid_to_settlement() -> None:
    expected = [
        (DidBid(10, b"quote"), Phase.BID, [SendQuote]),
        (SawLease(12, OPEN), Phase.FETCHING, [FetchArtifacts]),
        (DidFetch(SPEC), Phase.CHECKING, [CheckJob]),
        (DidCheck(1_000, 1_000), Phase.STARTING, [SendStart]),
        (SawLease(15, STARTED), Phase.RUNNING, [RunItems]),
        (SawLease(20, STARTED), Phase.RUNNING, [SendHeartbeat]),
        (DidRun(RESULT), Phase.POSTING, [PostResult]),
        (SawLease(30, POSTED), Phase.POSTED, []),
        (SawLease(90, POSTED), Phase.POSTED, []),
        (SawLease(91, POSTED), Phase.FINALIZING, [Finalize]),
        (SawLease(92, SETTLED), Phase.SETTLED, [ReleaseArtifacts]),
    ]
    state = fresh()
    for given, phase, effects in expected:
        found = step(state, given)
        state = found.state
        assert (state.phase, kinds(list(found.effects))) == (phase, effects), given
    assert wake(state) is None


def test_the_posted_root_is_the_result() -> None:
    _, effects = play(*TO_RUNNING, DidRun(RESULT))
    assert effects == [PostResult(effects[0].round, RESULT.output_root)]


def test_outputs_are_kept_beyond_the_window() -> None:
    _, effects = play(*TO_POSTED, SawLease(91, POSTED), SawLease(92, SETTLED))
    assert effects == [ReleaseArtifacts(90 + CONDUCT.keep_blocks)]


def test_a_bid_that_nobody_takes_lapses_once_no_opening_can_be_confirmed_any_more() -> None:
    state, _ = play(DidBid(10, b"quote"))
    due = wake(state)
    assert due == BID.expiry + CONDUCT.confirmations + 1
    state, _ = play(SawLease(due - 1, ChainLease(Stage.ABSENT)), state=state)
    assert state.phase == Phase.BID
    state, effects = play(SawLease(due, ChainLease(Stage.ABSENT)), state=state)
    assert (state.phase, effects) == (Phase.LAPSED, [ReleaseArtifacts(0)])


def test_beats_stop_when_all_funded_blocks_are_paid_and_go_on_after_a_top_up() -> None:
    spent = replace(STARTED, paid_blocks=40)
    state, effects = play(*TO_RUNNING, SawLease(20, spent))
    assert effects == []
    _, effects = play(SawLease(25, replace(spent, funded_blocks=50)), state=state)
    assert kinds(effects) == [SendHeartbeat]


def test_advances_are_withdrawn_at_their_interval_if_there_are_any_and_only_if_asked_for() -> None:
    due, earned = 15 + CONDUCT.withdraw_every, replace(STARTED, paid_blocks=10)
    _, effects = play(*TO_RUNNING, SawLease(due, earned))
    assert kinds(effects) == [SendHeartbeat, Withdraw]
    state, effects = play(*TO_RUNNING, SawLease(due, replace(earned, withdrawn_blocks=10)))
    assert kinds(effects) == [SendHeartbeat]
    assert state.withdraw_at == due + CONDUCT.withdraw_every
    patient = replace(fresh(), conduct=replace(CONDUCT, withdraw_every=0))
    _, effects = play(*TO_RUNNING, SawLease(60, earned), state=patient)
    assert kinds(effects) == [SendHeartbeat]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ((DidFetch(SPEC), DidNotCheck("root differs")), "job failed its check: root differs"),
        (
            (DidFetch(SPEC), DidCheck(51_000, 1)),
            "program needs about 51 blocks, the result is due after 50",
        ),
        (
            (DidFetch(SPEC), DidCheck(1, 2 << 30)),
            "program needs 2147483648 bytes, 1073741824 are lent",
        ),
        ((DidFetch(SPEC), SawLease(35, OPEN)), "job was not ready in time for the start deadline"),
        ((AskedAbandon(),), "given up by the operator"),
    ],
)
def test_what_cannot_be_run_is_closed_unstarted(given: tuple[Input, ...], reason: str) -> None:
    state, effects = play(DidBid(10, b"q"), SawLease(12, OPEN), *given)
    assert (state.phase, state.reason, kinds(effects)) == (Phase.ABORTING, reason, [CloseLease])
    state, effects = play(SawLease(36, replace(OPEN, stage=Stage.CLOSED, ending="x")), state=state)
    assert (state.phase, state.reason) == (Phase.CLOSED, reason)
    assert effects == [ReleaseArtifacts(0)]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (DidNotFetch("wrong bytes"), "artifacts do not fit the offer: wrong bytes"),
        (SawLease(35, OPEN), "the client served no job in time for the start deadline"),
    ],
)
def test_rule_01_a_client_that_opens_and_serves_nothing_pays_as_well(given: Input, reason: str) -> None:
    """Who closes pays the show-up sum alone, and has failed; at the deadline both pay it."""
    state, effects = play(DidBid(10, b"q"), SawLease(12, OPEN), given)
    assert (state.phase, state.reason, effects) == (Phase.ABORTING, reason, [])
    assert Phase.ABORTING not in WORKING, "the slot is free"
    assert wake(state) == OPEN.start_by + 1
    state, effects = play(SawLease(OPEN.start_by, OPEN), state=state)
    assert (state.phase, effects) == (Phase.ABORTING, [])
    state, effects = play(SawLease(OPEN.start_by + 1, OPEN), state=state)
    assert kinds(effects) == [CloseLease]
    state, _ = play(SawLease(50, replace(OPEN, stage=Stage.CLOSED, ending="x")), state=state)
    assert (state.phase, state.reason) == (Phase.CLOSED, reason)


def test_a_started_lease_whose_job_is_lost_is_closed_at_once() -> None:
    """Its deadline is the result's, and every block until then has to be paid back."""
    state, effects = play(DidBid(10, b"q"), SawLease(16, STARTED), DidNotFetch("gone"))
    assert (state.phase, kinds(effects)) == (Phase.FAILING, [CloseLease])


def test_the_job_fits_exactly() -> None:
    state, _ = play(DidBid(10, b"q"), SawLease(12, OPEN), DidFetch(SPEC), DidCheck(50_000, 1 << 30))
    assert state.phase == Phase.STARTING


def test_a_dying_child_is_started_again_a_few_times_then_the_lease_is_closed() -> None:
    state, _ = play(*TO_RUNNING)
    for attempt in (2, 3):
        state, effects = play(DidNotRun("killed", final=False), state=state)
        assert effects == [RunItems(state.round, attempt)]
    state, effects = play(DidNotRun("killed", final=False), state=state)
    assert (state.phase, kinds(effects)) == (Phase.FAILING, [StopJob, CloseLease])
    assert state.reason == "run failed: killed"


def test_a_program_that_cannot_end_well_is_not_tried_again() -> None:
    state, _ = play(*TO_RUNNING, DidNotRun("out of memory", final=True))
    assert state.phase == Phase.FAILING


def test_a_missed_result_deadline_stops_the_job() -> None:
    state, effects = play(*TO_RUNNING, SawLease(66, STARTED))
    assert (state.phase, kinds(effects)) == (Phase.FAILING, [StopJob, CloseLease])


@pytest.mark.parametrize("given", [(), (DidFetch(SPEC),)], ids=["fetching", "checking"])
def test_a_lease_that_was_started_before_its_files_were_lost_ends_with_its_deadline(given) -> None:
    before = (DidBid(10, b"q"), SawLease(12, OPEN), *given, SawLease(15, STARTED))
    state, effects = play(*before, SawLease(65, STARTED))
    assert (state.phase in (Phase.FETCHING, Phase.CHECKING), effects) == (True, [])
    state, effects = play(*before, SawLease(66, STARTED))
    assert (state.phase, state.reason) == (Phase.FAILING, "result deadline passed")
    assert CloseLease in kinds(effects)


def test_after_a_clients_close_a_quick_result_still_wins() -> None:
    closing = replace(STARTED, closing=True, result_by=30)
    state, _ = play(*TO_RUNNING, SawLease(20, closing))
    assert state.phase == Phase.RUNNING
    state, _ = play(DidRun(RESULT), SawLease(29, replace(POSTED, posted_at=29)), state=state)
    assert state.phase == Phase.POSTED


def test_after_a_clients_close_a_failed_job_waits_so_that_its_stream_is_kept() -> None:
    closing = replace(STARTED, closing=True, result_by=30)
    state, effects = play(*TO_RUNNING, SawLease(20, closing), DidNotRun("no", final=True))
    assert (state.phase, kinds(effects), wake(state)) == (Phase.FAILING, [StopJob], 31)
    _, effects = play(SawLease(30, closing), state=state)
    assert effects == []
    _, effects = play(SawLease(31, closing), state=state)
    assert kinds(effects) == [CloseLease]


def test_a_lease_that_is_started_already_is_not_started_again() -> None:
    """Another life of this provider did it, and its journal is lost."""
    state, _ = play(DidBid(10, b"q"), SawLease(16, STARTED), DidFetch(SPEC))
    state, effects = play(DidCheck(1, 1), state=state)
    assert (state.phase, kinds(effects)) == (Phase.RUNNING, [RunItems])


def test_an_opening_that_is_taken_back_leads_back_to_the_bid_and_stops_the_job() -> None:
    state, effects = play(*TO_RUNNING, SawLease(16, ChainLease(Stage.ABSENT)))
    assert (state.phase, kinds(effects)) == (Phase.BID, [StopJob])
    state, effects = play(SawLease(17, OPEN), state=state)
    assert (state.phase, kinds(effects)) == (Phase.FETCHING, [FetchArtifacts])


def test_a_post_that_is_taken_back_is_sent_again_with_the_same_root() -> None:
    state, effects = play(*TO_POSTED, SawLease(31, STARTED))
    assert (state.phase, effects) == (Phase.POSTING, [PostResult(state.round, RESULT.output_root)])


def test_a_refused_transaction_is_tried_again_ever_more_rarely() -> None:
    state, _ = play(*TO_RUNNING, DidRun(RESULT))
    sent = []
    for height in range(16, 60):
        found = step(state, SawLease(height, STARTED))
        state = found.state
        if any(isinstance(each, PostResult) for each in found.effects) or height == 16:
            sent.append(height)
            state = step(state, DidNotSend("PostResult", "reverted")).state
    assert sent == [16, 17, 19, 23, 31, 47]


def test_a_refusal_that_nobody_awaits_is_rejected() -> None:
    state, _ = play(*TO_RUNNING)
    found = step(state, DidNotSend("SendStart", "late"))
    assert found.state == state
    assert kinds(list(found.effects)) == [Rejected]


def test_a_frozen_result_is_not_finalised() -> None:
    frozen = replace(POSTED, frozen=True)
    state, effects = play(*TO_POSTED, SawLease(95, frozen))
    assert (state.phase, effects) == (Phase.POSTED, [])
    state, _ = play(SawLease(120, POSTED), state=state)
    assert state.phase == Phase.FINALIZING


@pytest.mark.parametrize("phase", [each for each in Phase if each not in ENDED])
@pytest.mark.parametrize("stage", [Stage.SETTLED, Stage.CLOSED, Stage.CONVICTED])
def test_every_phase_ends_when_the_chain_says_so(phase: Phase, stage: Stage) -> None:
    state = replace(fresh(), phase=phase)
    found = step(state, SawLease(50, replace(POSTED, stage=stage, ending="so it is")))
    assert found.state.phase == ENDS[stage]
    assert found.state.reason == "so it is"


@pytest.mark.parametrize("phase", sorted(ENDED))
def test_nothing_leads_out_of_an_end(phase: Phase) -> None:
    state = replace(fresh(), phase=phase)
    for given in (SawLease(9, OPEN), DidFetch(SPEC), DidRun(RESULT), AskedAbandon(), DidBid(1, b"")):
        found = step(state, given)
        assert (found.state, kinds(list(found.effects))) == (state, [Rejected])


def test_the_tables_cover_every_living_phase() -> None:
    living = {each for each in Phase if each not in ENDED}
    assert set(BY_CHAIN) == set(BY_WORK) == living


@pytest.mark.parametrize("phase", [each for each in Phase if each not in ENDED])
@pytest.mark.parametrize("stage", [Stage.ABSENT, Stage.OPEN, Stage.STARTED, Stage.POSTED])
def test_the_code_goes_where_the_table_says(phase: Phase, stage: Stage) -> None:
    # Early enough that no deadline interferes.
    found = step(replace(fresh(), phase=phase, attempt=1), SawLease(12, replace(POSTED, stage=stage)))
    assert found.state.phase == BY_CHAIN[phase][stage - 1]


def test_effects_that_failed_for_good_come_back_as_inputs() -> None:
    assert refused(RunItems(1, 1), "bad") == DidNotRun("bad", final=True)
    assert refused(FetchArtifacts(1), "bad") == DidNotFetch("bad")
    assert refused(CheckJob(1), "bad") == DidNotCheck("bad")
    assert refused(Finalize(1), "bad") == DidNotSend("Finalize", "bad")
    assert refused(SendHeartbeat(1), "bad") is None


def test_an_effect_of_an_earlier_round_is_not_wanted() -> None:
    state, effects = play(DidBid(10, b"q"), SawLease(12, OPEN))
    fetch = effects[0]
    assert wanted(state, fetch)
    state, _ = play(SawLease(13, ChainLease(Stage.ABSENT)), SawLease(14, OPEN), state=state)
    assert state.phase == Phase.FETCHING
    assert not wanted(state, fetch)


def test_an_open_game_holds_finalising_back_and_its_end_lets_it_go_on() -> None:
    frozen = replace(POSTED, frozen=True)
    state, _ = play(*TO_POSTED)
    state, effects = play(SawLease(95, frozen), state=state)
    assert (state.phase, effects) == (Phase.POSTED, [])
    state, effects = play(SawLease(96, POSTED), state=state)
    assert (state.phase, kinds(effects)) == (Phase.FINALIZING, [Finalize])
    # A challenge came into the same block: the refusal is waited out, not tried against.
    state, effects = play(SawLease(97, frozen), state=state)
    assert (state.phase, effects) == (Phase.POSTED, [])
    assert not wanted(state, Finalize(state.round - 1))
    state, effects = play(SawLease(140, POSTED), state=state)
    assert (state.phase, kinds(effects)) == (Phase.FINALIZING, [Finalize])
