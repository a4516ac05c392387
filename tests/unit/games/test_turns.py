"""Whatever strangers post, a result gets its turn: the rule alone, by its readings and seconds."""

from hypothesis import given
from hypothesis import strategies as st

from protocol.games.turns import SHARE, Begin, Claim, Seats, Turn, next_turn, who_gives_way
from protocol.types import Address

SEATS = Seats(1, 3, 1 / 10)
WINDOW_S = 800.0


def turn(due: int, owner: int = 1, since: float = 0.0, had: bool = False) -> Turn:
    return Turn(Claim(Address(bytes([owner]) * 20), due, WINDOW_S), since, had)


def begun(waiting: list[Turn], working: list[Turn], now: float = 0.0, height: int = 0) -> Begin | None:
    return next_turn(waiting, working, SEATS, height, now)


def test_the_window_that_ends_first_is_served_first() -> None:
    late, soon = turn(90), turn(10)
    assert begun([late, soon], []) == Begin(soon)


def test_no_result_waits_for_one_whose_window_ends_later() -> None:
    lures = [turn(100), turn(90), turn(80)]
    soon = turn(70)
    assert begun([soon], lures[:1]) == Begin(soon), "beside"
    found = begun([soon], lures)
    assert found is not None
    assert found.turn is soon
    assert found.instead in lures, "instead of one of them"


def test_no_result_waits_longer_than_a_part_of_its_window_for_those_that_end_sooner() -> None:
    late, sooner = turn(100, owner=2), turn(50)
    assert begun([late], [sooner], now=WINDOW_S / 10 - 1) is None
    assert begun([late], [sooner], now=WINDOW_S / 10) == Begin(late)


def test_where_there_is_no_room_whoever_had_its_share_gives_way_to_who_waited() -> None:
    share = WINDOW_S / SHARE
    working = [turn(50, owner=1, since=1), turn(50, owner=2), turn(50, owner=3, since=1)]
    late = turn(100, owner=4)
    assert begun([late], working, now=share - 1) is None
    assert begun([late], working, now=share) == Begin(late, working[1])


def test_an_owner_with_more_turns_than_others_gives_way_before_its_share_is_over() -> None:
    working = [turn(50), turn(60), turn(50, owner=2)]
    assert begun([turn(100)], working, now=90) is None, "to nobody of its own"
    other = turn(100, owner=3)
    found = begun([other], working, now=90)
    assert found is not None
    assert found.instead in working[:2]


def test_whoever_had_its_share_ousts_nobody_and_begins_where_there_is_a_seat_to_spare() -> None:
    working = [turn(50, owner=1), turn(50, owner=2), turn(50, owner=3)]
    assert begun([turn(100, owner=4, had=True)], working, now=700) is None
    soon = turn(40, owner=4, had=True)
    assert begun([soon], working, now=700) is None
    assert begun([soon], [], now=700) == Begin(soon)


def test_of_those_that_are_due_at_once_whoever_had_its_share_is_last() -> None:
    first, second = turn(50, since=0, had=True), turn(50, owner=2, since=1)
    assert begun([first, second], [], now=2) == Begin(second)


def test_a_window_that_is_over_presses_nobody() -> None:
    over, soon = turn(10), turn(90, owner=2)
    assert begun([soon], [over], height=10) == Begin(soon)
    found = begun([soon], [over, turn(95), turn(96)], height=10)
    assert found is not None
    assert found.instead is over
    assert begun([over], [soon], height=10, now=700) is None
    assert begun([over, soon], [], height=10) == Begin(soon)


TURNS = st.lists(st.builds(turn, st.integers(1, 99), st.integers(1, 4), st.integers(0, 90)), max_size=4)


@given(TURNS, TURNS.filter(lambda working: len(working) <= SEATS.most), st.integers(90, 900))
def test_no_more_than_meant_for_and_always_for_a_reason(
    waiting: list[Turn], working: list[Turn], now: int
) -> None:
    found = begun(waiting, working, now)
    if found is None:
        assert not waiting or len(working) >= SEATS.at_once
        return
    assert found.turn in waiting
    assert (found.instead is None) == (len(working) < SEATS.most)
    if found.instead is not None:
        assert found.instead is who_gives_way(found.turn, working, 0, now)


OWNED = st.builds(turn, st.integers(1, 99), st.integers(1, 3), st.integers(0, 200), st.booleans())


@given(st.lists(OWNED, max_size=6), st.lists(OWNED, max_size=SEATS.most), st.integers(0, 50))
def test_however_they_press_it_comes_to_rest(waiting: list[Turn], working: list[Turn], height: int) -> None:
    """Nobody is ousted by whom it ousts: in one moment each gives way a few times at most."""
    now, seats, steps = 200.0, Seats(SEATS.at_once, SEATS.most, 0.0), 0
    while (found := next_turn(waiting, working, seats, height, now)) is not None:
        steps += 1
        assert steps < 100
        waiting.remove(found.turn)
        working.append(Turn(found.turn.claim, now, found.turn.had))
        if (gone := found.instead) is not None:
            working.remove(gone)
            waiting.append(Turn(gone.claim, now, gone.had or gone.shares(now) >= 1))
