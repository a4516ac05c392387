"""The provider's side of a game, path by path, and against anything at all."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.dispute.defence import ALLOWED, ENDED, OWING, ended, refused, step, wake, wanted
from protocol.dispute.defence_types import (
    Alarm,
    Answer,
    Defence,
    DidContradict,
    DidMove,
    DidNotAct,
    Effect,
    ExpireGame,
    Input,
    Phase,
    Rejected,
    SawGame,
    SawLeaseEnd,
    SeenGame,
)
from protocol.dispute.names import Case, Position
from protocol.dispute.records import Game
from protocol.dispute.records import Phase as G
from protocol.dispute.replay import View
from protocol.runtime.codec import Codec
from protocol.types import ZERO_HASH, Address, Hash32
from tests.unit.auction import answers

SEAL, GAME, ROOT = (Hash32(bytes([n]) * 32) for n in (1, 2, 3))
WHO = Address(b"c" * 20)
BID = answers.bid(1)
CASE = Case(BID.lease_id(), BID.job_hash, 4, Hash32(b"i" * 32))
FRESH = Defence(BID, CASE, WHO, SEAL)


def seen(phase: G, moved_at: int = 10, left: int = 20, **changes: object) -> SeenGame:
    word = Game(phase, 10, moved_at, left, left, bond=900 - moved_at, tag=moved_at)
    view = View(GAME, WHO, SEAL, phase, Position(anchor=Hash32(bytes([moved_at]) * 32)))
    return replace(SeenGame(view, word, ZERO_HASH), **changes)  # type: ignore[arg-type]


def play(*inputs: Input, state: Defence = FRESH) -> tuple[Defence, tuple[Effect, ...]]:
    effects: tuple[Effect, ...] = ()
    for each in inputs:
        found = step(state, each)
        state, effects = found.state, found.effects
    return state, effects


def test_a_game_from_challenge_to_the_challengers_silence() -> None:
    state, effects = play(SawGame(11, seen(G.TRACE)))
    assert (state.phase, effects) == (Phase.ANSWERING, (Answer(1, 0),))
    state, effects = play(DidMove(1, 500), SawGame(13, seen(G.PICK, 12)), state=state)
    assert (state.phase, effects, state.fees, state.moves) == (Phase.WATCHING, (), 500, 1)
    assert state.repaid == 2 * 10**9
    assert wake(state) == 33
    state, effects = play(SawGame(20, seen(G.REVEAL, 19)), state=state)
    assert effects == (Answer(2, 0),)
    state, effects = play(SawGame(41, seen(G.PICK, 20)), state=state)
    assert (state.phase, effects) == (Phase.EXPIRING, (ExpireGame(3),))
    state, effects = play(SawGame(43, seen(G.LOST, 20)), state=state)
    assert state.phase == Phase.WATCHING, "an end without its confirmations is none"
    state, _ = play(SawGame(50, seen(G.LOST, 20, final=True)), state=state)
    assert state.phase == Phase.WON
    assert ended(state)


def test_one_turn_is_answered_once() -> None:
    state, _ = play(SawGame(11, seen(G.TRACE)))
    state, effects = play(SawGame(12, seen(G.TRACE)), SawGame(13, seen(G.TRACE)), state=state)
    assert effects == ()
    assert wanted(state, Answer(1, 0))


def test_a_move_that_a_reorg_removed_is_made_again() -> None:
    state, _ = play(SawGame(11, seen(G.TRACE)), DidMove(1, 5), SawGame(12, seen(G.PICK, 12)))
    state, effects = play(SawGame(12, seen(G.TRACE)), state=state)
    assert effects == (Answer(2, 0),)
    state, effects = play(SawGame(13, None), state=state)
    assert (state.phase, effects) == (Phase.WATCHING, ())
    assert not wanted(state, Answer(2, 0))
    _, effects = play(SawGame(14, seen(G.TRACE)), state=state)
    assert effects == (Answer(3, 0),)


def test_a_refused_move_is_tried_again_ever_more_rarely() -> None:
    state, _ = play(SawGame(11, seen(G.TRACE)))
    for pause in (1, 2, 4):
        state, effects = play(DidNotAct(state.round, "no"), state=state)
        assert (effects, wake(state)) == ((), state.height + pause)
        state, effects = play(SawGame(state.height + pause, seen(G.TRACE)), state=state)
        assert effects == (Answer(state.round, 0),)
    assert refused(Answer(4, 0), "no") == DidNotAct(4, "no")


def test_a_run_that_contradicts_the_result_is_alarmed_about_and_made_again() -> None:
    state, _ = play(SawGame(11, seen(G.TRACE)))
    state, effects = play(DidContradict(1, ROOT, ROOT), state=state)
    (alarm,) = effects
    assert isinstance(alarm, Alarm)
    assert "posted was" in alarm.reason
    assert state.phase == Phase.DOUBTING
    state, effects = play(SawGame(12, seen(G.TRACE)), state=state)
    assert effects == (Answer(2, 1),)
    assert wanted(state, Answer(2, 1))
    # It agrees this time, and the next turn begins without doubt.
    state, _ = play(DidMove(2, 5), SawGame(13, seen(G.PICK, 12)), state=state)
    assert (state.phase, state.doubts) == (Phase.WATCHING, 0)


def test_nothing_is_answered_after_the_clock_or_a_conviction() -> None:
    assert play(SawGame(31, seen(G.TRACE)))[1] == ()
    assert play(SawGame(30, seen(G.TRACE)))[1] == (Answer(1, 0),)
    assert play(SawGame(12, seen(G.TRACE, convicted=True)))[1] == ()
    state, _ = play(SawGame(12, seen(G.TRACE)), SawGame(13, seen(G.TRACE, convicted=True)))
    assert not wanted(state, Answer(1, 0))
    assert (
        play(SawGame(19, seen(G.TRACE, convicted=True, final=True)), state=state)[0].phase == Phase.CONVICTED
    )


@pytest.mark.parametrize(("convicted", "phase"), [(True, Phase.CONVICTED), (False, Phase.OVER)])
def test_the_leases_end_is_the_games(convicted: bool, phase: Phase) -> None:
    state, _ = play(SawGame(11, seen(G.TRACE)), SawLeaseEnd(40, convicted))
    assert state.phase == phase
    assert isinstance(play(SawGame(41, None), state=state)[1][0], Rejected)


def test_a_new_key_of_ours_makes_another_turn() -> None:
    before = seen(G.REVEAL)
    adopted = replace(before, view=replace(before.view, position=Position(operator=Address(b"o" * 20))))
    _, effects = play(SawGame(11, before), DidMove(1, 3), SawGame(12, adopted))
    assert effects == (Answer(2, 0),)


SEEN = st.none() | st.builds(
    seen,
    st.sampled_from(list(G)[1:]),
    st.integers(1, 40),
    st.integers(0, 30),
    convicted=st.booleans(),
    final=st.booleans(),
)
ROUNDS = st.integers(0, 6)
INPUTS: st.SearchStrategy[Input] = st.one_of(
    st.builds(SawGame, st.integers(1, 60), SEEN),
    st.builds(DidMove, ROUNDS, st.integers(0, 9)),
    st.builds(DidContradict, ROUNDS, st.just(ROOT), st.just(ROOT)),
    st.builds(DidNotAct, ROUNDS, st.just("no")),
    st.builds(SawLeaseEnd, st.integers(1, 60), st.booleans()),
)


@given(st.lists(INPUTS, max_size=30))
def test_whatever_comes_in_the_table_holds_and_each_round_is_new(inputs: list[Input]) -> None:
    state, rounds = FRESH, set()
    codec: Codec[Defence] = Codec(Defence)
    for each in inputs:
        found = step(state, each)
        assert found.state.phase == state.phase or found.state.phase in ALLOWED[state.phase]
        for effect in found.effects:
            if isinstance(effect, Answer | ExpireGame):
                assert effect.round not in rounds
                rounds.add(effect.round)
                assert wanted(found.state, effect)
        if found.state.phase in OWING:
            assert found.state.seen is not None
            assert found.state.height <= found.state.deadline
        state = found.state
        assert codec.decode(codec.encode(state)) == state
    assert (state.phase in ENDED) == ended(state)


def test_a_move_that_was_taken_back_before_it_was_seen_is_made_again() -> None:
    """It was mined and removed between two looks: the same turn is seen again, and nothing else would ask."""
    state, _ = play(SawGame(11, seen(G.TRACE)), DidMove(1, 500))
    assert play(SawGame(12, seen(G.TRACE)), state=state)[1] == ()
    assert wake(state) == 14
    assert play(SawGame(14, seen(G.TRACE)), state=state)[1] == (Answer(2, 0),)
    late, _ = play(SawGame(41, seen(G.PICK, 20)), DidMove(1, 0))
    assert (late.moves, late.fees) == (0, 0)
    assert play(SawGame(44, seen(G.PICK, 20)), state=late)[1] == (ExpireGame(2),)
